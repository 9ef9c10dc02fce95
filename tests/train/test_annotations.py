import json
from pathlib import Path

import numpy as np
import pytest

from train.data.annotations import read_annotations, read_people
from train.errors import DataError


def _write(entries, names=()) -> Path:
    root = Path("data")
    (root / "images").mkdir(parents=True)
    for name in names:
        (root / "images" / name).touch()
    text = entries if isinstance(entries, str) else json.dumps(entries)
    (root / "annotations.json").write_text(text, encoding="utf-8")
    return root


def _entry(name: str, *boxes) -> dict:
    return {"file": name, "boxes": [{"xyxy_px": list(box)} for box in boxes]}


@pytest.fixture
def twenty() -> Path:
    names = [f"{i:02}.jpg" for i in range(20)]
    return _write([_entry(name, (i, 0, i + 10.5, 10)) for i, name in enumerate(names)], names)


def test_photos_are_split_70_10_20(twenty) -> None:
    splits = [photo.split for photo in read_annotations(twenty, seed=1)]
    assert splits == ["train"] * 14 + ["val"] * 2 + ["test"] * 4


def test_boxes_stay_with_their_photos(twenty) -> None:
    for photo in read_annotations(twenty, seed=1):
        number = int(photo.path.stem)
        assert photo.boxes.tolist() == [[number, 0, number + 10.5, 10]]
        assert photo.label == f"{number} 0 {number + 10.5} 10"


def _splits(root: Path, seed: int) -> dict[str, str]:
    return {photo.path.name: photo.split for photo in read_annotations(root, seed)}


def test_split_is_decided_by_the_seed_and_not_by_the_order_of_the_file(twenty) -> None:
    before = _splits(twenty, seed=1)
    assert len(before) == 20
    assert _splits(twenty, seed=2) != before
    index = twenty / "annotations.json"
    index.write_text(json.dumps(json.loads(index.read_text())[::-1]))
    assert _splits(twenty, seed=1) == before


def test_photo_without_faces_has_no_boxes() -> None:
    (photo,) = read_annotations(_write([_entry("a.jpg")], ["a.jpg"]), seed=1)
    assert photo.boxes.shape == (0, 4)
    assert photo.label == ""


def _marked(name: str, *marks) -> dict:
    return {"file": name, "boxes": [{"xyxy_px": list(box), "marked": s} for *box, s in marks]}


def test_photos_of_people_are_all_for_training_and_unsure_marks_ignored() -> None:
    marks = [(0, 0, 10, 20, 0.85), (20, 0, 40, 40, 0.84)]
    (photo,) = read_people(_write([_marked("a.jpg", *marks)], ["a.jpg"]))
    assert photo.split == "train"
    assert photo.boxes.tolist() == [[0, 0, 10, 20]]
    assert photo.label == "0 0 10 20"
    np.testing.assert_allclose(photo.ignored, [[17, -6, 43, 46]], atol=1e-4)


def test_box_of_people_that_nobody_scored_is_ignored(twenty) -> None:
    assert {(len(p.boxes), len(p.ignored)) for p in read_people(twenty)} == {(0, 1)}


def test_marks_among_annotated_faces_are_ignored_and_never_count_in_val_and_test(twenty) -> None:
    index = twenty / "annotations.json"
    entries = json.loads(index.read_text())
    for entry in entries:
        entry["boxes"] += _marked("", (50, 0, 60, 9, 0.9), (70, 0, 80, 9, 0.5))["boxes"]
    index.write_text(json.dumps(entries))
    counts = {(p.split, len(p.boxes), len(p.ignored)) for p in read_annotations(twenty, seed=1)}
    assert counts == {("train", 1, 2), ("val", 1, 0), ("test", 1, 0)}


def test_several_faces_are_separated_by_semicolons() -> None:
    root = _write([_entry("a.jpg", (1, 2, 3, 4), (5, 6, 7, 8.25))], ["a.jpg"])
    (photo,) = read_annotations(root, seed=1)
    assert photo.label == "1 2 3 4;5 6 7 8.25"


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        pytest.param("{not json", "expected a list of file and boxes", id="not JSON"),
        pytest.param([{"file": "a.jpg"}], "expected a list of file and boxes", id="no boxes"),
        pytest.param([[1, 2]], "expected a list of file and boxes", id="a list of lists"),
        pytest.param([_entry("b.jpg")], "b.jpg: named in annotations.json but not", id="no photo"),
        pytest.param(
            [_entry("a.jpg", (1, 2, 3))], "expected a list of file and", id="three numbers"
        ),
        pytest.param([_entry("a.jpg", (1, 2, 3, "x"))], "expected a list of file and", id="text"),
    ],
)
def test_annotations_that_cannot_be_used_are_refused(entries, says: str) -> None:
    with pytest.raises(DataError) as caught:
        read_annotations(_write(entries, ["a.jpg"]), seed=1)
    assert says in str(caught.value)


def test_missing_annotations_are_refused() -> None:
    with pytest.raises(DataError, match=r"^gone/annotations\.json: No such file or directory$"):
        read_annotations(Path("gone"), seed=1)
