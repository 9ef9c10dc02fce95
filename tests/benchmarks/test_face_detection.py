from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.face_clips import follow_faces
from benchmarks.face_detection import find_annotated, find_nothing, frames_of, time_detectors
from edge_runtime.errors import SourceError
from edge_runtime.faces.boxes import FaceBox
from train.data.annotations import AnnotatedPhoto


class Finder:
    """Finds one box in every picture, with a score of its own."""

    sure, faint = 0.5, 0.2

    def __init__(self, box: tuple[float, ...], score: float) -> None:
        self._face = FaceBox(np.array(box, np.float32), score, np.zeros((5, 2), np.float32))

    def detect(self, image_bgr: np.ndarray, min_score: float) -> list[FaceBox]:
        return [self._face] if self._face.score >= min_score else []


def _nothing() -> None:
    pass


def test_faces_are_scored_and_those_it_is_sure_of_counted(picture) -> None:
    boxes = np.array([[10, 10, 50, 50], [60, 60, 100, 100]], np.float32)
    cv2.imwrite("a.png", picture("gray", 120, 120))
    photos = [AnnotatedPhoto(Path("a.png"), boxes, "test")]
    finders = {
        "sure": Finder((12, 10, 52, 50), 0.9),
        "faint": Finder((12, 10, 52, 50), 0.3),
        "beside": Finder((0, 60, 40, 100), 0.9),
    }
    report = find_annotated(finders, photos, _nothing)
    assert [report[n]["average_precision"] for n in finders] == [0.5, 0.5, 0]
    assert [report[n]["recall_sure"] for n in finders] == [0.5, 0, 0]
    assert report["sure"]["faces"] == 2


def test_false_boxes_are_counted_where_it_is_sure_by_kind(picture) -> None:
    cv2.imwrite("cat.png", picture("gray", 60, 60))
    finders = {"sure": Finder((1, 1, 40, 40), 0.5), "faint": Finder((1, 1, 40, 40), 0.49)}
    pictures = {"photos": [Path("cat.png")], "frames": [picture("red"), picture("blue")]}
    report = find_nothing(finders, pictures, _nothing)
    assert report["sure"]["photos"] == {"n": 1, "boxes": 1}
    assert report["sure"]["frames"] == {"n": 2, "boxes": 2}
    assert report["faint"]["frames"] == {"n": 2, "boxes": 0}


def test_frames_come_from_the_second_half_of_a_clip(write_clip, picture) -> None:
    frames = [picture((0, 0, 20 * i), 32, 32) for i in range(12)]
    clip = write_clip(Path("c.avi"), frames)
    reds = [int(frame[..., 2].mean()) for frame in frames_of(clip, 3)]
    assert reds == pytest.approx([120, 160, 220], abs=8)  # the 7th, the 9th, the last
    assert len(frames_of(clip, 100)) == 6


def test_clip_that_is_none_is_one_line() -> None:
    Path("c.avi").write_bytes(b"no clip")
    with pytest.raises(SourceError, match=r"^c\.avi: no frame can be read$"):
        frames_of(Path("c.avi"), 3)


def test_detectors_are_timed_in_relation_to_one(picture, monkeypatch) -> None:
    clock = iter(range(10**6))
    monkeypatch.setattr(
        "edge_runtime.measure.latency.time.perf_counter", lambda: next(clock) / 1000
    )
    finders = {name: Finder((0, 0, 9, 9), 1.0) for name in "bac"}
    figures = time_detectors(finders, [picture("red")], "b")
    assert set(figures["latency_ms"]) == {"a", "b", "c"}
    assert figures["latency_ms"]["a"]["p50"] == 1.0
    same = {"median": 1.0, "p5": 1.0, "p95": 1.0}
    assert figures["ratio"] == {"a / b": same, "c / b": same}


def test_one_face_in_a_clip_is_one_track(face_clip, detector) -> None:
    report = follow_faces({"squares": detector, "blind": Finder((0, 0, 9, 9), 0.1)}, [face_clip])
    assert report["squares"] == {
        "frames": 12, "with_face": 12, "share": 1.0, "tracks": {"face": 1},
    }  # fmt: skip
    assert (report["blind"]["with_face"], report["blind"]["tracks"]) == (0, {"face": 0})
