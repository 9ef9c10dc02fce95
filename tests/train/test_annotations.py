import json
from pathlib import Path

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


def test_photos_of_people_are_all_for_training_and_their_boxes_not_learned(twenty) -> None:
    photos = read_people(twenty)
    assert [photo.path.name for photo in photos] == [f"{i:02}.jpg" for i in range(20)]
    assert {(photo.split, photo.learned) for photo in photos} == {("train", False)}
    assert photos[3].boxes.tolist() == [[3, 0, 13.5, 10]]
    assert all(photo.learned for photo in read_annotations(twenty, seed=1))


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
