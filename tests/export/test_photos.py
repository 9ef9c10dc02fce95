"""Folders of photos: whose label each has, and which can be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_runtime.errors import OptionError
from export.photos import photos_in, readable
from export.run_folder import Sample

LABELS = ("red", "green", "blue")


def touched(*names: str) -> list[Path]:
    """Make empty files in folders."""
    paths = [Path("photos", name) for name in names]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return paths


def test_photos_have_the_label_of_their_folder_and_those_outside_are_left_out() -> None:
    red, deep, upper = touched("red/1.png", "blue/x/2.jpeg", "green/4.JPG")
    touched("red/notes.txt", "green/5.gif", ".thumbs/1.png", "red/.2.png", "3.png")
    lines: list[str] = []
    assert photos_in(Path("photos"), "--evaluate", LABELS, lines.append) == [
        Sample(deep, "blue"),
        Sample(upper, "green"),
        Sample(red, "red"),
    ]
    assert lines == ["--evaluate: left out 1 photos that lie beside the folders"]


def test_photos_without_folders_have_no_label_and_links_are_followed() -> None:
    (one,) = touched("1.png")
    Path("these").symlink_to("photos")
    assert photos_in(Path("photos"), "--evaluate", LABELS, print) == [Sample(one, "")]
    assert photos_in(Path("these"), "--evaluate", LABELS, print) == [
        Sample(Path("these/1.png"), "")
    ]
    Path("classes").mkdir()
    Path("classes/red").symlink_to(Path("photos").resolve())
    (found,) = photos_in(Path("classes"), "--evaluate", LABELS, print)
    assert found == Sample(Path("classes/red/1.png"), "red")


@pytest.mark.parametrize(
    ("there", "says"),
    [
        pytest.param((), "--calibration photos: no such folder", id="no folder"),
        pytest.param(
            ("red/a.txt",),
            "--calibration photos: no pictures found; looked for .bmp, .jpeg, .jpg, .png, .tif, "
            ".tiff, .webp",
            id="no photo",
        ),
        pytest.param(
            ("red/a.png", "cat/b.png", "dog/c.png", "d.png"),
            "--calibration photos: has folders that are no labels of the model (cat, dog); it "
            "wants folders named red, green, blue, or photos without folders",
            id="other classes",
        ),
    ],
)
def test_folder_that_is_not_of_the_model_is_refused(there: tuple[str, ...], says: str) -> None:
    touched(*there)
    with pytest.raises(OptionError) as refused:
        photos_in(Path("photos"), "--calibration", LABELS, print)
    assert str(refused.value) == says


def test_of_many_classes_a_refusal_names_five() -> None:
    touched(*(f"other {i}/a.png" for i in range(7)))
    with pytest.raises(OptionError) as refused:
        photos_in(Path("photos"), "--evaluate", tuple("abcdefg"), print)
    assert "(other 0, other 1, other 2, other 3, other 4)" in str(refused.value)
    assert "it wants folders named a, b, c, d, e, ..., or" in str(refused.value)


def test_file_in_place_of_a_folder_is_refused() -> None:
    Path("a.png").touch()
    with pytest.raises(OptionError, match=r"--evaluate a\.png: no such folder"):
        photos_in(Path("a.png"), "--evaluate", LABELS, print)


def test_photos_that_cannot_be_read_are_left_out_and_counted(color_photos: Path) -> None:
    good = sorted((color_photos / "red").glob("*.png"))[:3]
    cut = Path("cut.png")
    cut.write_bytes(good[0].read_bytes()[:-40])
    empty = Path("empty.jpg")
    empty.touch()
    samples = [Sample(path, "red") for path in (good[0], cut, good[1], empty, good[2])]
    lines: list[str] = []
    assert [s.path for s in readable(samples, "--calibration", lines.append)] == good
    assert lines == [
        "--calibration: left out 2 of 5 photos; the first: cut.png: the PNG is cut short or damaged"
    ]


def test_photos_that_can_be_read_need_no_words(color_photos: Path) -> None:
    samples = [Sample(path, "") for path in sorted(color_photos.rglob("*.png"))]
    lines: list[str] = []
    assert readable(samples, "--evaluate", lines.append) == samples
    assert lines == []


def test_folder_of_nothing_but_damaged_photos_is_refused() -> None:
    samples = [Sample(path, "") for path in touched("a.png", "b.png")]
    with pytest.raises(OptionError, match=r"^--evaluate: none of its 2 photos can be read$"):
        readable(samples, "--evaluate", lambda line: None)
