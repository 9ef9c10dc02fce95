import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_runtime.apps import classify as classify_module
from edge_runtime.apps.classify import classify_pictures

ROW = ["path", "model", "label", "score", "top", "width_px", "height_px", "error"]


@pytest.fixture
def write(picture):
    """Write a picture of one color; returns its path."""

    def _write(name: str, color: str = "red", height: int = 24, width: int = 40) -> Path:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(name, picture(color, height, width))
        return Path(name)

    return _write


def _rows(*arguments, **options) -> list[dict]:
    return [row for _, rows in classify_pictures(*arguments, **options) for row in rows]


def test_row_is_that_of_the_contract(colors, write) -> None:
    (row,) = _rows([write("a/b/red.png")], colors)
    assert list(row) == ROW
    assert row == {
        "path": "a/b/red.png",
        "model": "colors",
        "label": "red",
        "score": 0.9647,
        "top": [("red", 0.9647), ("green", 0.0177), ("blue", 0.0177)],
        "width_px": 40,
        "height_px": 24,
        "error": None,
    }


@pytest.mark.parametrize("batch", [1, 3, 16])
@pytest.mark.parametrize("workers", [1, 4])
def test_rows_come_in_the_order_of_the_paths(colors, write, batch: int, workers: int) -> None:
    names = ["red", "green", "blue", "green", "red", "blue", "blue"] * 6
    paths = [write(f"{i}.png", color) for i, color in enumerate(names)]
    found = list(classify_pictures(paths, colors, batch=batch, workers=workers))
    assert [path for path, _ in found] == paths
    assert [rows[0]["label"] for _, rows in found] == names


def test_slow_picture_does_not_change_the_order(colors, write, monkeypatch) -> None:
    paths = [write(f"{i}.png") for i in range(6)]
    read = classify_module.read_image

    def slow(path, **options):
        time.sleep(0.1 if path == paths[0] else 0)
        return read(path, **options)

    monkeypatch.setattr(classify_module, "read_image", slow)
    assert [row["path"] for row in _rows(paths, colors, workers=4)] == [str(p) for p in paths]


def test_batching_does_not_change_a_row(colors) -> None:
    noise = np.random.default_rng(0)
    paths = []
    for i in range(7):
        paths.append(Path(f"{i}.png"))
        cv2.imwrite(str(paths[-1]), noise.integers(0, 256, (30 + i, 40, 3), np.uint8))
    assert _rows(paths, colors, batch=1) == _rows(paths, colors, batch=5)


def test_bad_picture_is_a_row_in_its_place(colors, write) -> None:
    Path("bad.jpg").write_bytes(b"no picture")
    paths = [write("a.png"), Path("bad.jpg"), Path("gone.png"), write("b.png", "blue")]
    rows = _rows(paths, colors)
    assert [row["label"] for row in rows] == ["red", None, None, "blue"]
    assert rows[1] == {
        "path": "bad.jpg", "model": "colors", "label": None, "score": None, "top": [],
        "width_px": None, "height_px": None, "error": "not a picture OpenCV can decode",
    }  # fmt: skip
    assert rows[2]["error"] == "No such file or directory"


def test_nothing_but_bad_pictures_gives_their_rows(colors) -> None:
    Path("bad.jpg").write_bytes(b"")
    (row,) = _rows([Path("bad.jpg")], colors)
    assert row["error"] == "the file is empty (0 bytes)"


@pytest.mark.parametrize(("top", "length"), [(1, 1), (2, 2), (50, 3)])
def test_ranking_is_clamped_at_the_labels_there_are(colors, write, top, length) -> None:
    (row,) = _rows([write("a.png")], colors, top=top)
    assert len(row["top"]) == length


def test_no_pictures_give_no_rows(colors) -> None:
    assert _rows([], colors) == []


def test_large_jpeg_is_decoded_small_and_reports_its_full_size(colors, write, monkeypatch) -> None:
    shapes = []
    prepare = type(colors).prepare

    def spy(self, image, box=None):
        shapes.append(image.shape)
        return prepare(self, image, box)

    monkeypatch.setattr(type(colors), "prepare", spy)
    (row,) = _rows([write("large.jpg", "red", 480, 640)], colors)
    assert (row["label"], row["width_px"], row["height_px"]) == ("red", 640, 480)
    assert shapes == [(60, 80, 3)]


def test_exif_rotated_jpeg_reports_its_shown_size(colors, rotated_jpeg) -> None:
    Path("turned.jpg").write_bytes(rotated_jpeg((640, 480)))
    (row,) = _rows([Path("turned.jpg")], colors)
    assert (row["width_px"], row["height_px"]) == (480, 640)


# Faces


def test_each_face_is_a_row_best_first(mood, detector, scene) -> None:
    cv2.imwrite("two.png", scene((64, 80, (0, 245, 0)), (8, 16)))
    rows = _rows([Path("two.png")], mood, detector=detector)
    assert [list(row) for row in rows] == [[*ROW, "face_index", "box", "face_score"]] * 2
    assert [row["label"] for row in rows] == ["red", "green"]
    assert [row["face_index"] for row in rows] == [0, 1]
    assert [row["box"] for row in rows] == [[8, 16, 40, 48], [64, 80, 96, 112]]
    assert rows[0]["face_score"] == 1.0
    assert rows[1]["face_score"] == pytest.approx(5 * 245 / 255 - 4, abs=1e-4)
    assert {(row["width_px"], row["height_px"]) for row in rows} == {(128, 128)}


def test_faces_of_several_pictures_stay_with_their_pictures(mood, detector, scene) -> None:
    green = (0, 255, 0)
    scenes = [scene((0, 0), (64, 64, green)), scene(), scene((88, 8, green)), scene((8, 8))]
    paths = []
    for i, image in enumerate(scenes):
        paths.append(Path(f"{i}.png"))
        cv2.imwrite(str(paths[-1]), image)
    found = dict(classify_pictures(paths, mood, detector=detector))
    labels = [sorted(str(row["label"]) for row in found[path]) for path in paths]
    assert labels == [["green", "red"], ["None"], ["green"], ["red"]]


def test_picture_without_faces_is_one_row_with_an_error(mood, detector, scene) -> None:
    cv2.imwrite("none.png", scene())
    (row,) = _rows([Path("none.png")], mood, detector=detector)
    assert row["error"] == "no face found"
    assert (row["width_px"], row["height_px"]) == (128, 128)
    assert (row["face_index"], row["box"], row["face_score"]) == (None, None, None)


def test_faint_face_is_no_row(mood, detector, scene) -> None:
    cv2.imwrite("faint.png", scene((0, 0, (0, 0, 225))))
    (row,) = _rows([Path("faint.png")], mood, detector=detector)
    assert row["error"] == "no face found"


def test_face_model_without_a_detector_takes_the_whole_picture(mood, write) -> None:
    (row,) = _rows([write("crop.png", "green")], mood)
    assert (row["label"], list(row)) == ("green", ROW)


# Ends


def test_stopping_early_ends_the_decoding_threads(colors, write) -> None:
    paths = [write(f"{i}.png") for i in range(60)]
    before = threading.active_count()
    rows = classify_pictures(paths, colors, batch=2)
    next(rows)
    rows.close()
    assert threading.active_count() == before


def test_decoding_runs_only_a_little_ahead(colors, write, monkeypatch) -> None:
    paths = [write(f"{i}.png") for i in range(60)]
    read, seen = classify_module.read_image, []

    def spy(path, **options):
        seen.append(path)
        return read(path, **options)

    monkeypatch.setattr(classify_module, "read_image", spy)
    rows = classify_pictures(paths, colors, batch=2, workers=2)
    next(rows)
    rows.close()
    assert len(seen) < 20
