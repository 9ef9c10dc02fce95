"""Features in a file: rows that an interruption cannot spoil, and what is no such file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.errors import OutputError
from train.data.feature_table import FeatureKey, FeatureTable, FeatureWriter
from train.data.samples import Sample
from train.errors import DataError, RunError

KEY = FeatureKey("mobilenet-0.25", "ab" * 32, 64, 96)
PHOTOS = [Path(f"cat/{i}.png") for i in range(5)]
VALUES = np.arange(15, dtype=np.float32).reshape(5, 3)
OUT = Path("f.npz")
PART = Path("f.npz.part")


def writer(resume: bool = False, key: FeatureKey = KEY, photos: list[Path] = PHOTOS):
    return FeatureWriter(OUT, key, photos, 3, resume)


def add(to: FeatureWriter, first: int, last: int) -> None:
    some = range(first, last)
    to.add([PHOTOS[i] for i in some], [f"c{i}" for i in some], VALUES[first:last], [""] * len(some))


def samples(*content: str) -> list[Sample]:
    return [Sample(Path(f"now/{c}.png"), "cat", content=c) for c in content]


def test_features_are_found_by_the_content_of_photos() -> None:
    to = writer()
    add(to, 0, 2)
    to.add(PHOTOS[2:3], [""], np.zeros((0, 3), np.float32), ["not a photo: a PDF"])
    add(to, 3, 5)
    assert to.left_out() == [("cat/2.png", "not a photo: a PDF")]
    assert to.finish() == 4
    assert not PART.exists()
    table = FeatureTable.read(OUT)
    assert table.key == KEY
    np.testing.assert_array_equal(
        table.of(samples("c4", "c0", "c3"), Path("photos")), VALUES[[4, 0, 3]]
    )
    with np.load(OUT) as stored:
        assert stored["paths"].tolist() == ["cat/0.png", "cat/1.png", "cat/3.png", "cat/4.png"]


def test_photo_that_is_not_among_them_is_refused_with_the_command() -> None:
    to = writer()
    add(to, 0, 5)
    to.finish()
    with pytest.raises(DataError) as refused:
        FeatureTable.read(OUT).of(samples("c1", "changed", "new"), Path("my photos"))
    assert str(refused.value) == (
        "now/changed.png: is not in f.npz, or was changed since (and 1 more); make it again: "
        "rm f.npz; python -m train features --data 'my photos' --backbone mobilenet-0.25 --size 64 "
        "--enlarge 96 --output f.npz"
    )


def test_command_can_be_pasted_whatever_the_names() -> None:
    key = FeatureKey("vgg16", "ab" * 32, 64, given="old w.h5")
    table = FeatureTable(Path("my f.npz"), key, {}, VALUES)
    assert table.command(Path("it's")) == (
        "rm 'my f.npz'; python -m train features --data 'it'\"'\"'s' --backbone vgg16 --size 64 "
        "--weights 'old w.h5' --output 'my f.npz'"
    )
    assert "--weights new.h5 --output" in table.command(Path("x"), "new.h5")
    assert "--weights" not in table.command(Path("x"), "imagenet")


@pytest.mark.parametrize(
    ("values", "rows"),
    [
        pytest.param(0, 0, id="between two batches"),
        pytest.param(5, 0, id="values cut in a number"),
        pytest.param(12, 0, id="values without their row"),
        pytest.param(0, 9, id="row cut short"),
        pytest.param(-4, 0, id="row without all of its values"),
        pytest.param(12, -9, id="row of zeros, after a power cut"),
    ],
)
def test_interrupted_writing_goes_on_where_all_is_whole(values: int, rows: int) -> None:
    to = writer()
    add(to, 0, 3)
    to.close()
    whole = (PART / "values.f32").read_bytes()
    more = VALUES[3].tobytes() + VALUES[4].tobytes()
    (PART / "values.f32").write_bytes(whole + more[:values] if values >= 0 else whole[:values])
    line = json.dumps({"path": "cat/3.png", "content": "c3"})[:rows]
    with (PART / "rows.jsonl").open("a") as file:
        file.write(line if rows >= 0 else "\0" * -rows + "\n")
    to = writer(resume=True)
    done = 2 if values < 0 else 3
    assert to.done == done
    add(to, done, 5)
    assert to.finish() == 5
    np.testing.assert_array_equal(FeatureTable.read(OUT).values, VALUES)


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"key": FeatureKey("mobilenet-0.25", "ab" * 32, 32, 96)}, "another size_px;"),
        ({"key": FeatureKey("vgg16", "cd" * 32, 64, 96)}, "another backbone, weights;"),
        ({"photos": PHOTOS[:4]}, "another photos;"),
    ],
)
def test_part_of_something_else_is_not_gone_on_with(other: dict, says: str) -> None:
    writer().close()
    with pytest.raises(RunError, match=f"begun with {says}"):
        writer(resume=True, **other)


def test_photos_left_out_before_an_interruption_are_told_after_it() -> None:
    to = writer()
    to.add(PHOTOS[:1], [""], np.zeros((0, 3), np.float32), ["damaged: cut short"])
    to.close()
    to = writer(resume=True)
    to.add(PHOTOS[1:2], [""], np.zeros((0, 3), np.float32), ["blank: one color all over"])
    assert to.left_out() == [
        ("cat/0.png", "damaged: cut short"), ("cat/1.png", "blank: one color all over")
    ]  # fmt: skip
    to.close()


@pytest.mark.parametrize("key", ["", "{", "[]", "\xff"])
def test_part_whose_key_is_damaged_is_said_to_be(key: str) -> None:
    writer().close()
    (PART / "key.json").write_text(key, "latin-1")
    with pytest.raises(RunError, match=r"^f\.npz\.part: is damaged; remove it and begin anew"):
        writer(resume=True)


def test_names_that_are_no_utf_8_are_listed_too() -> None:
    strange = [Path("cat/caf\udce9.png")]
    writer(photos=strange).close()
    to = writer(resume=True, photos=strange)
    to.add(strange, ["c0"], VALUES[:1], [""])
    assert to.finish() == 1


def test_part_is_gone_on_with_only_where_asked() -> None:
    writer().close()
    with pytest.raises(RunError, match="was interrupted; add --resume to go on, or remove it"):
        writer()


def test_file_that_is_there_is_not_replaced() -> None:
    OUT.write_bytes(b"mine")
    with pytest.raises(RunError, match="is there already"):
        writer()
    assert OUT.read_bytes() == b"mine"


def test_folder_that_is_missing_is_named() -> None:
    with pytest.raises(OutputError, match="there is no folder gone"):
        FeatureWriter(Path("gone/f.npz"), KEY, PHOTOS, 3, False)


def _cut() -> None:
    to = writer()
    add(to, 0, 5)
    to.finish()
    OUT.write_bytes(OUT.read_bytes()[:-40])


def _pickled() -> None:
    np.savez(OUT, key=np.array([{"a": 1}], object), content=np.array(["c"]), values=VALUES)


@pytest.mark.parametrize(
    "spoil",
    [
        _cut,
        _pickled,
        lambda: OUT.write_text("no"),
        lambda: OUT.write_bytes(b""),
        lambda: np.savez(OUT, a=VALUES),
        lambda: np.savez(OUT, key=np.array("{}"), content=np.array(["c"]), values=VALUES),
        lambda: np.savez(
            OUT,
            key=np.array('{"backbone": "b", "weights": "w", "size_px": 8}'),
            content=np.array(["c"]),
            values=VALUES,
        ),
    ],
    ids=["cut", "pickle", "text", "empty", "other arrays", "other key", "other count"],
)
def test_other_files_are_refused(spoil) -> None:
    spoil()
    with pytest.raises(DataError, match=r"^f\.npz: is no whole file of features; python -m train"):
        FeatureTable.read(OUT)


def test_missing_file_is_named() -> None:
    with pytest.raises(DataError, match=r"^f\.npz: cannot be read \(No such file"):
        FeatureTable.read(OUT)
