import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_runtime.apps import enroll as enroll_module
from edge_runtime.apps.enroll import Doubt, Enrollment, enroll_person, forget_photos
from edge_runtime.errors import GalleryError, OutputError
from edge_runtime.faces.gallery import Gallery
from edge_runtime.model.session import SessionOptions, open_session

FILE = Path("people.npz")


@pytest.fixture
def photo(portrait) -> Callable[..., Path]:
    """Write a photo of a person with a tone, such as red80.png, and return its path."""

    def write(person: str, tone: int = 80, name: str = "") -> Path:
        path = Path(name or f"{person}{tone}.png")
        assert cv2.imwrite(str(path), portrait(person, tone))
        return path

    return write


@pytest.fixture
def enroll(identity_session, detector) -> Callable[..., Enrollment]:
    """Enroll somebody with some photos; `steps` counts what was told of them."""

    def _enroll(name: str, *photos: Path, path: Path = FILE, session=identity_session):
        _enroll.steps = 0

        def step() -> None:
            _enroll.steps += 1

        return enroll_person(name, photos, path, session, detector, step)

    return _enroll


def _saved() -> dict[str, int]:
    return {name: len(rows) for name, rows in Gallery.load(FILE).people.items()}


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_first_enrollment_makes_the_gallery(enroll, photo) -> None:
    photos = [photo("red", tone) for tone in (60, 80, 120)]
    assert enroll("Ana", *photos) == Enrollment(photos, [], [], known=0, photos=3, people=1)
    gallery = Gallery.load(FILE)
    assert (gallery.model, gallery.weights) == ("who", "a" * 64)
    # Half of the face has green of the tone, so its mean is (255, tone / 2, 0) before scaling. It
    # is looked at a little smaller, as found, and 5% larger, where there is blue around it.
    face = np.array([[255, 30, 0], [255, 40, 0], [255, 60, 0]])
    inside = 1 / 1.05**2
    expected = 2 * _unit(face) + _unit(inside * face + (1 - inside) * np.array([0, 0, 255]))
    assert gallery.people["Ana"] == pytest.approx(_unit(expected), abs=4e-3)
    assert enroll.steps == 3


def test_next_person_and_more_photos_are_added(enroll, photo) -> None:
    enroll("Ana", photo("red"))
    done = enroll("Ben", photo("green"))
    assert (done.photos, done.people) == (1, 2)
    done = enroll(" Ana ", photo("red", 120), photo("red", 60))
    assert (len(done.taken), done.photos, done.people) == (2, 3, 2)
    assert _saved() == {"Ana": 3, "Ben": 1}


def test_same_photo_again_is_taken_and_not_kept_twice(enroll, photo) -> None:
    enroll("Ana", photo("red"))
    done = enroll("Ana", photo("red"), photo("red", name="copy.png"))
    assert (len(done.taken), done.known, done.photos, done.doubts) == (2, 2, 1, [])
    assert _saved() == {"Ana": 1}


def test_photos_that_cannot_be_used_are_left_out_each_with_its_reason(
    enroll, photo, picture, scene
) -> None:
    Path("cut.png").write_bytes(b"no picture")
    cv2.imwrite("nobody.png", picture("blue", 128, 128))
    cv2.imwrite("two.png", scene((0, 0), (64, 64)))
    cv2.imwrite("flat.png", scene((32, 32)))
    bad = [Path(name) for name in ("cut.png", "nobody.png", "two.png", "flat.png", "gone.png")]
    done = enroll("Ana", *bad, photo("red"))
    assert (done.taken, done.photos) == ([Path("red80.png")], 1)
    assert [path for path, _ in done.refused] == bad
    assert [reason.split(";")[0] for _, reason in done.refused] == [
        "not a picture OpenCV can decode",
        "no face found",
        "2 faces, the largest of the others 32 px wide at (80, 80)",
        "the face is too dark or too pale to see",
        "No such file or directory",
    ]
    assert enroll.steps == 6


def test_without_one_good_photo_nothing_is_written(enroll, picture) -> None:
    cv2.imwrite("a.png", picture("blue", 128, 128))
    Path("b.png").touch()
    with pytest.raises(GalleryError) as caught:
        enroll("Ana", Path("a.png"), Path("b.png"))
    assert str(caught.value) == (
        "Ana: none of 2 photo(s) can be used; the first, a.png: no face found"
    )
    assert not FILE.exists()


# Forgetting photos


@pytest.fixture
def forget(identity_session, detector) -> Callable[..., int]:
    def _forget(name: str, *photos: Path) -> int:
        return forget_photos(name, photos, FILE, identity_session, detector)

    return _forget


def test_wrong_photo_goes_and_the_others_stay(enroll, forget, photo) -> None:
    enroll("Ana", photo("red"), photo("red", 120), photo("green"))
    before = Gallery.load(FILE).people["Ana"]
    assert forget("Ana", photo("green")) == 2
    np.testing.assert_array_equal(Gallery.load(FILE).people["Ana"], before[:2])


def test_last_photo_takes_the_person_along(enroll, forget, photo) -> None:
    enroll("Ana", photo("red"))
    enroll("Ben", photo("green"), photo("green", 60))
    assert forget("Ben", photo("green"), photo("green", 60)) == 0
    assert _saved() == {"Ana": 1}


def test_copies_of_a_photo_go_together(enroll, forget, photo) -> None:
    enroll("Ana", photo("red"), photo("red", name="copy.png"), photo("green"))
    assert _saved() == {"Ana": 2}
    assert forget("Ana", photo("red"), Path("copy.png")) == 1


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ("red120.png", "red120.png: is none of the photos of Ana"),
        ("nobody.png", "nobody.png: no face found, so no photo of the gallery is this one"),
    ],
)
def test_all_photos_are_found_or_nothing_is_changed(
    enroll, forget, photo, picture, other, says
) -> None:
    enroll("Ana", photo("red"), photo("green"))
    cv2.imwrite("nobody.png", picture("blue", 128, 128))
    photo("red", 120)
    with pytest.raises(GalleryError) as caught:
        forget("Ana", photo("red"), Path(other))
    assert str(caught.value) == says
    assert _saved() == {"Ana": 2}


# Warnings


def test_photo_like_somebody_else_is_taken_and_pointed_at(enroll, photo) -> None:
    enroll("Ana", photo("red"))
    done = enroll("Ben", photo("red", 120), photo("green"), photo("green", 60))
    assert (len(done.taken), done.photos) == (3, 3)
    assert done.doubts == [Doubt(Path("red120.png"), "Ana", pytest.approx(1.0, abs=5e-3), 0.9)]


def test_only_photo_of_somebody_is_compared_with_the_others(enroll, photo) -> None:
    enroll("Ana", photo("red"))
    assert [(d.photo.name, d.like) for d in enroll("Ben", photo("red", 120)).doubts] == [
        ("red120.png", "Ana")
    ]


def test_photos_more_like_each_other_than_like_somebody_else_are_not_odd(enroll, photo) -> None:
    enroll("Ana", photo("red", 60))
    assert enroll("Ben", photo("red", 120), photo("red", 110)).doubts == []


def test_photo_unlike_the_others_is_pointed_at(enroll, photo) -> None:
    done = enroll("Ana", photo("red"), photo("red", 100), photo("green"))
    assert done.doubts == [Doubt(Path("green80.png"), "", pytest.approx(0.34, abs=5e-3), 0.9)]


def test_photo_is_compared_with_those_enrolled_before(enroll, photo) -> None:
    enroll("Ana", photo("red"))
    assert [d.like for d in enroll("Ana", photo("pale")).doubts] == [""]
    assert enroll("Ana", photo("red", 120)).doubts == []


def test_model_without_a_threshold_enrolls_and_says_nothing_of_likeness(
    enroll, photo, write_colors, identity_proto
) -> None:
    path = write_colors(proto=identity_proto, name="who", task="identity", region="face")
    session = open_session(path, SessionOptions("cpu", 1))
    done = enroll("Ana", photo("red"), photo("green"), session=session)
    assert (done.photos, done.doubts) == (2, [])
    assert _saved() == {"Ana": 2}


# What is wrong before the work


@pytest.fixture
def no_work(monkeypatch) -> None:
    """Looking at a photo fails the test."""
    monkeypatch.setattr(enroll_module, "read_image", lambda path: pytest.fail(f"looked at {path}"))


def test_name_that_cannot_be_taken_is_refused_first(enroll, no_work) -> None:
    for name in ("", "unknown"):
        with pytest.raises(GalleryError):
            enroll(name, Path("red.png"))


def test_name_of_another_case_is_refused_first(enroll, photo, request) -> None:
    enroll("Ana", photo("red"))
    request.getfixturevalue("no_work")
    with pytest.raises(GalleryError, match=r"^ana: the gallery has Ana"):
        enroll("ana", photo("red"))


def test_place_that_cannot_be_written_is_refused_first(enroll, no_work) -> None:
    with pytest.raises(OutputError, match="there is no folder gone"):
        enroll("Ana", Path("red.png"), path=Path("gone/people.npz"))


def test_file_that_is_no_gallery_is_refused_first_and_left(enroll, no_work) -> None:
    FILE.write_bytes(b"something dear")
    with pytest.raises(GalleryError, match=r"^people\.npz: is no gallery"):
        enroll("Ana", Path("red.png"))
    assert FILE.read_bytes() == b"something dear"


def test_gallery_of_another_model_is_refused_first(enroll, no_work) -> None:
    other = Gallery("other", "b" * 64, {"Ana": np.eye(3, dtype=np.float32)})
    other.save(FILE)
    with pytest.raises(
        GalleryError, match=r"^people\.npz: was made with another model \(other bbb"
    ):
        enroll("Ben", Path("red.png"))
    assert _saved() == {"Ana": 3}


def test_enrollment_that_ended_meanwhile_is_kept(
    enroll, photo, identity_session, monkeypatch
) -> None:
    enroll("Ana", photo("red"))
    read = enroll_module.read_image

    def slow(path: Path):
        monkeypatch.setattr(enroll_module, "read_image", read)
        enroll("Ben", photo("green"))  # another process
        return read(path)

    monkeypatch.setattr(enroll_module, "read_image", slow)
    assert enroll("Ana", photo("red", 120)).people == 2
    assert _saved() == {"Ana": 2, "Ben": 1}


@pytest.mark.skipif(os.name != "posix", reason="nobody waits on this system")
def test_enrollments_at_the_same_time_lose_nobody(
    identity_session, detector, photo, monkeypatch
) -> None:
    """Each reads the gallery, and all have read it before the first writes, unless they wait."""
    names = ["Ana", "Ben", "Cy", "Dee"]
    red = photo("red")
    save = Gallery.save

    def slowly(self: Gallery, path: Path) -> None:
        threading.Event().wait(0.05)
        save(self, path)

    monkeypatch.setattr(Gallery, "save", slowly)
    with ThreadPoolExecutor(len(names)) as pool:
        done = pool.map(
            lambda name: enroll_person(name, [red], FILE, identity_session, detector, int), names
        )
        assert sorted(each.people for each in done) == [1, 2, 3, 4]
    assert set(_saved()) == set(names)
