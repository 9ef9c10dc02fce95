"""Tilted heads: the angle that was turned by is the one looked for."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.face_tilt import TILTS, tilt_faces
from edge_runtime.faces.boxes import FaceBox


class Eyes:
    """Finds the two brightest spots, and may turn the line through them further."""

    sure, faint = 0.5, 0.2

    def __init__(self, more_deg: float = 0.0, least: int = 0) -> None:
        self._more, self._least = np.radians(more_deg), least

    def detect(self, image_bgr: np.ndarray, min_score: float) -> list[FaceBox]:
        red, blue = (image_bgr[..., c].astype(float) for c in (2, 0))
        if red.max() < self._least:
            return []
        left, right = (
            np.array(np.unravel_index(int(c.argmax()), c.shape))[::-1] for c in (red, blue)
        )
        x, y = right - left
        turned = (x * np.cos(self._more) + y * np.sin(self._more),
                  y * np.cos(self._more) - x * np.sin(self._more))  # fmt: skip
        points = np.zeros((5, 2), np.float32)
        points[0], points[1] = left, left + turned
        return [FaceBox(np.array([0, 0, 9, 9], np.float32), min_score, points)]


@pytest.fixture
def portrait(tmp_path: Path) -> Path:
    image = np.zeros((112, 112, 3), np.uint8)
    cv2.circle(image, (30, 52), 4, (0, 0, 255), -1)
    cv2.circle(image, (82, 52), 4, (255, 0, 0), -1)
    cv2.imwrite(str(tmp_path / "p.png"), cv2.GaussianBlur(image, (9, 9), 3))
    return tmp_path / "p.png"


def test_error_is_how_far_the_line_through_the_eyes_is_off(portrait: Path) -> None:
    steps: list[None] = []
    finders = {"right": Eyes(), "off": Eyes(more_deg=20)}
    report = tilt_faces(finders, [portrait], lambda: steps.append(None))
    assert len(steps) == 1
    assert [of["n"] for of in report.values()] == [len(TILTS)] * 2
    assert report["right"]["median_deg"] == pytest.approx(0, abs=1.5)
    assert report["off"]["median_deg"] == pytest.approx(20, abs=1.5)


def test_faces_that_are_not_found_are_not_counted_as_right(portrait: Path) -> None:
    report = tilt_faces({"blind": Eyes(least=256)}, [portrait], lambda: None)
    assert report["blind"] == {
        "n": len(TILTS), "found": 0, "median_deg": None, "p95_deg": None,
    }  # fmt: skip
