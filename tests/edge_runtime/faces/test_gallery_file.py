"""The file of enrolled people: what goes in comes out, and what is damaged is refused."""

import errno
import io
import json
import os
import stat
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest

from edge_runtime import files
from edge_runtime.errors import GalleryError, OutputError
from edge_runtime.faces.gallery import Gallery

X, Y, Z = np.eye(3, dtype=np.float32)
FILE = Path("people.npz")


def _rows(*rows) -> np.ndarray:
    return np.stack(rows).astype(np.float32)


@pytest.fixture
def people() -> Gallery:
    """Ana with two photos, then Ben with one."""
    return Gallery("who", "a" * 64, MappingProxyType({"Ana": _rows(X, Y), "Ben": _rows(Z)}))


def _listed(gallery: Gallery) -> dict[str, list[list[float]]]:
    return {name: rows.tolist() for name, rows in gallery.people.items()}


class Trap:
    """Makes a file when it is unpickled."""

    def __reduce__(self):
        return Path("sprung").touch, ()


def _archive(**changes) -> bytes:
    """Return a gallery file of Ana (X, Y) and Ben (Z) with parts replaced, or left out for None."""
    about = {"schema": 1, "model": "who", "weights": "a" * 64}
    parts = {
        "embeddings": _rows(X, Y, Z),
        "counts": np.array([2, 1]),
        "names": np.array(["Ana", "Ben"]),
        "about": np.array(json.dumps(about)),
    }
    file = io.BytesIO()
    np.savez(file, **{k: v for k, v in (parts | changes).items() if v is not None})
    return file.getvalue()


# The file


@pytest.mark.parametrize("name", ["Ana", "Zoë Ångström", "王小明", "Ana María 🙂", 'O\'Neil, "J"'])
def test_people_survive_the_round_trip_in_order(people: Gallery, name: str) -> None:
    people = people.renamed("Ana", name)
    people.save(FILE)
    again = Gallery.load(FILE)
    assert _listed(again) == {name: [X.tolist(), Y.tolist()], "Ben": [Z.tolist()]}
    assert list(again.people) == [name, "Ben"]
    assert (again.model, again.weights) == ("who", "a" * 64)
    assert again.people["Ben"].dtype == np.float32


def test_gallery_without_anybody_survives_the_round_trip(people: Gallery) -> None:
    Gallery("who", "a" * 64, MappingProxyType({})).save(FILE)
    assert _listed(Gallery.load(FILE)) == {}
    people.without("Ana").without("Ben").save(FILE)
    assert _listed(Gallery.load(FILE).enrolled("Cy", _rows(Y))) == {"Cy": [Y.tolist()]}


def test_file_holds_what_the_contract_says() -> None:
    FILE.write_bytes(_archive())
    assert _listed(Gallery.load(FILE)) == {"Ana": [X.tolist(), Y.tolist()], "Ben": [Z.tolist()]}


@pytest.mark.skipif(os.name != "posix", reason="no such modes on this system")
def test_file_is_its_owners_alone_also_where_an_open_one_was(people: Gallery) -> None:
    FILE.write_bytes(b"old")
    FILE.chmod(0o644)
    people.save(FILE)
    assert stat.S_IMODE(FILE.stat().st_mode) == 0o600


def test_nothing_of_somebody_forgotten_is_left_in_the_file(people: Gallery) -> None:
    people.save(FILE)
    Gallery.load(FILE).without("Ana").save(FILE)
    with np.load(FILE, allow_pickle=False) as parts:
        assert parts["names"].tolist() == ["Ben"]
        assert parts["embeddings"].tolist() == [Z.tolist()]
    assert [path.name for path in Path().iterdir()] == [FILE.name]


@pytest.mark.parametrize("fails", ["replace", "fsync"])
def test_failing_save_leaves_the_old_file_whole_and_no_part(people, monkeypatch, fails) -> None:
    def fill_up(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    people.save(FILE)
    before = FILE.read_bytes()
    with monkeypatch.context() as full:
        full.setattr(files.os, fails, fill_up)
        with pytest.raises(OutputError, match=r"^people\.npz: cannot be written \(No space left"):
            people.without("Ana").save(FILE)
    assert [(p.name, p.read_bytes()) for p in Path().iterdir()] == [(FILE.name, before)]


# Damage


def test_missing_file_is_said_with_the_command_that_makes_it() -> None:
    with pytest.raises(GalleryError) as caught:
        Gallery.load(FILE)
    assert str(caught.value) == (
        "people.npz: no such gallery; make it with edge-run enroll NAME PHOTO... "
        "--gallery people.npz"
    )


def test_folder_in_its_place_is_said() -> None:
    FILE.mkdir()
    with pytest.raises(GalleryError, match=r"^people\.npz: cannot be read \("):
        Gallery.load(FILE)


def _refusal() -> str:
    """Return what is said of the file, or "" where it is taken."""
    try:
        Gallery.load(FILE)
    except GalleryError as error:
        return str(error)
    return ""


def test_file_cut_short_anywhere_is_refused_by_its_name(people: Gallery) -> None:
    people.save(FILE)
    whole = FILE.read_bytes()
    for length in range(0, len(whole), 7):
        FILE.write_bytes(whole[:length])
        assert _refusal().startswith("people.npz: is no gallery, or a damaged one ("), length


def test_file_with_any_byte_damaged_is_refused_in_one_line_or_loads_the_same(people) -> None:
    people.save(FILE)
    whole = bytearray(FILE.read_bytes())
    refused = 0
    for place in range(len(whole)):
        whole[place] ^= 0x81
        FILE.write_bytes(whole)
        whole[place] ^= 0x81
        if says := _refusal():
            assert says.startswith("people.npz: is no gallery, or a damaged one ("), place
            assert "\n" not in says
            refused += 1
        else:  # zip keeps the time and other things nothing reads
            assert _listed(Gallery.load(FILE)) == _listed(people)
    assert refused > len(whole) / 2


@pytest.mark.parametrize(
    ("data", "why"),
    [
        pytest.param(b"", "", id="empty"),
        pytest.param(b"not a gallery", "", id="text"),
        pytest.param(b"PK\x03\x04" + bytes(300), "", id="looks like a zip"),
        pytest.param(_archive(embeddings=None), "embeddings", id="part missing"),
        pytest.param(_archive(about=np.array("{")), "", id="about no JSON"),
        pytest.param(_archive(about=np.array("[]")), "schema is not 1", id="about a list"),
        pytest.param(_archive(about=np.array('{"schema": 2}')), "schema is not 1", id="schema"),
        pytest.param(_archive(about=np.array('{"schema": 1}')), "model", id="names no model"),
        pytest.param(
            _archive(embeddings=_rows(X, Y, Z).astype(np.float64)), "float64", id="float64"
        ),
        pytest.param(_archive(embeddings=np.ones(3, np.float32)), "(3,)", id="no table"),
        pytest.param(_archive(embeddings=_rows(X, Y)), "not go together", id="rows too few"),
        pytest.param(_archive(embeddings=_rows(X, Y, Z, Z)), "not go together", id="rows too many"),
        pytest.param(_archive(counts=np.array([3, 0])), "not go together", id="nobody's photo"),
        pytest.param(_archive(counts=np.array([4, -1])), "not go together", id="less than none"),
        pytest.param(_archive(counts=np.array([3])), "not go together", id="counts too few"),
        pytest.param(_archive(counts=np.array([1.5, 1.5])), "", id="halves of photos"),
        pytest.param(_archive(embeddings=_rows(X, 2 * Y, Z)), "not of unit length", id="length 2"),
        pytest.param(_archive(embeddings=_rows(X, 0 * Y, Z)), "not of unit length", id="length 0"),
        pytest.param(
            _archive(embeddings=_rows(X, [np.nan, 0, 0], Z)), "not of unit length", id="no number"
        ),
        pytest.param(_archive(names=np.array(["Ana", "Ana"])), "there twice", id="name twice"),
        pytest.param(_archive(names=np.array(["Ana", "a\nb"])), "no name", id="name of two lines"),
        pytest.param(
            _archive(names=np.array(["Ana", Trap()], object)),
            "not as it was written",
            id="pickled names",
        ),
        pytest.param(
            _archive(about=np.array([Trap()], object)), "not as it was written", id="pickled about"
        ),
    ],
)
def test_what_is_no_gallery_is_refused_by_its_name(data: bytes, why: str) -> None:
    FILE.write_bytes(data)
    with pytest.raises(GalleryError) as caught:
        Gallery.load(FILE)
    assert str(caught.value).startswith("people.npz: is no gallery, or a damaged one (")
    assert why in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not Path("sprung").exists()
