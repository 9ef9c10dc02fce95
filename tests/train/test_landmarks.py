import json
from pathlib import Path

import numpy as np
import pytest

from train.data.annotations import read_annotations
from train.data.landmarks import landmarks_in, mark_name, read_landmarks
from train.data.scene_faces import PORTRAIT_LANDMARKS, aligned_face
from train.errors import DataError

POINTS = np.arange(10, dtype=np.float32).reshape(5, 2)


def _mark(box: tuple[float, ...], points: np.ndarray = POINTS) -> np.ndarray:
    return np.array([*box, *points.reshape(-1)], np.float32)


def _boxes(*boxes: tuple[float, ...]) -> np.ndarray:
    return np.array(boxes, np.float32).reshape(-1, 4)


def test_box_gets_the_points_of_the_face_that_is_there() -> None:
    boxes = _boxes((0, 0, 40, 40), (100, 100, 140, 140))
    faces = np.stack([_mark((200, 0, 240, 40)), _mark((104, 102, 140, 144), POINTS + 100)])
    found = landmarks_in(boxes, faces)
    assert np.isnan(found[0]).all()
    assert (found[1] == POINTS + 100).all()


@pytest.mark.parametrize("faces", [None, np.zeros((0, 14), np.float32)], ids=["None", "none"])
def test_picture_without_marks_has_unknown_points(faces) -> None:
    found = landmarks_in(_boxes((0, 0, 40, 40)), faces)
    assert found.shape == (1, 5, 2)
    assert np.isnan(found).all()


def test_face_is_given_to_one_box_alone() -> None:
    """Of two boxes on one marked face, the nearer gets its points."""
    boxes = _boxes((0, 0, 40, 40), (6, 6, 46, 46))
    found = landmarks_in(boxes, _mark((5, 5, 45, 45))[None])
    assert np.isnan(found[0]).all()
    assert (found[1] == POINTS).all()


def test_portrait_takes_its_own_marks_and_else_the_usual_places() -> None:
    marked = aligned_face(_mark((10, 15, 86, 108))[None])
    assert (marked.landmarks == POINTS).all()
    aside = aligned_face(_mark((90, 0, 112, 20))[None])
    assert (aside.landmarks == PORTRAIT_LANDMARKS).all()


def test_annotated_photo_gets_its_marks_by_its_name() -> None:
    root = Path("boxes")
    (root / "images").mkdir(parents=True)
    for name in ("a.png", "b.png"):
        (root / "images" / name).write_bytes(b"")
    entries = [{"file": n, "boxes": [{"xyxy_px": [0, 0, 40, 40]}]} for n in ("a.png", "b.png")]
    (root / "annotations.json").write_text(json.dumps(entries))
    marks = {mark_name(root, root / "images" / "b.png"): _mark((2, 2, 40, 40))[None]}
    photos = {p.path.name: p for p in read_annotations(root, 0, marks)}
    assert (photos["b.png"].landmarks[0] == POINTS).all()
    assert np.isnan(photos["a.png"].landmarks).all()


def test_table_of_marks_is_read() -> None:
    Path("m.json").write_text(json.dumps({"lfw/a.jpg": [list(range(14)), list(range(14))]}))
    marks = read_landmarks(Path("m.json"))
    assert marks["lfw/a.jpg"].shape == (2, 14)
    assert marks["lfw/a.jpg"].dtype == np.float32


@pytest.mark.parametrize(
    "text", ["", "[]", '{"a": [[1, 2]]}', '{"a": "x"}', '{"a": [["x"]]}'],
    ids=["empty", "a list", "too few numbers", "a word", "a word in a list"],
)  # fmt: skip
def test_table_that_is_none_is_one_line(text: str) -> None:
    Path("m.json").write_text(text)
    with pytest.raises(DataError, match=r"^m\.json: expected pictures' names to lists of 14"):
        read_landmarks(Path("m.json"))


def test_table_that_is_not_there_is_one_line() -> None:
    with pytest.raises(DataError, match=r"^gone\.json: No such file"):
        read_landmarks(Path("gone.json"))
