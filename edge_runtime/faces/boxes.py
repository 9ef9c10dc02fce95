"""Face boxes and their arithmetic; NumPy only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["FaceBox", "iou", "non_maximum_suppression"]

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class FaceBox:
    """One face found in a picture.

    Attributes:
        box: float32, (4,), x1, y1, x2, y2 in picture pixels, origin at the top left.
        score: Detector's confidence, 0 to 1.
        landmarks: float32, (5, 2), x, y in picture pixels: the eye, nose and mouth corner on the
            picture's left come before those on its right: eyes, nose, mouth corners.
    """

    box: Floats
    score: float
    landmarks: Floats

    @property
    def center(self) -> tuple[float, float]:
        """Middle of the box in pixels."""
        return float(self.box[0] + self.box[2]) / 2, float(self.box[1] + self.box[3]) / 2

    @property
    def size_px(self) -> float:
        """Geometric mean of width and height."""
        width, height = self.box[2] - self.box[0], self.box[3] - self.box[1]
        return float(np.sqrt(max(width, 0) * max(height, 0)))


def iou(a: Floats, b: Floats) -> Floats:
    """Return the intersection over union of each pair, (len(a), len(b)).

    Args:
        a: (N, 4) boxes, x1, y1, x2, y2.
        b: (M, 4) boxes.
    """
    top_left = np.maximum(a[:, None, :2], b[None, :, :2])
    bottom_right = np.minimum(a[:, None, 2:], b[None, :, 2:])
    both = np.prod(np.clip(bottom_right - top_left, 0, None), axis=2)
    area_a = np.prod(np.clip(a[:, 2:] - a[:, :2], 0, None), axis=1)
    area_b = np.prod(np.clip(b[:, 2:] - b[:, :2], 0, None), axis=1)
    union = area_a[:, None] + area_b[None] - both
    return np.asarray(both / np.maximum(union, 1e-9), np.float32)


def non_maximum_suppression(
    boxes: Floats, scores: Floats, iou_above: float = 0.4, most: int = 200
) -> npt.NDArray[np.int64]:
    """Return the rows to keep, best score first.

    Args:
        boxes: (N, 4).
        scores: (N,).
        iou_above: A box overlapping a better one by more is dropped.
        most: Look no further than this many kept boxes.
    """
    order = np.argsort(-scores, kind="stable")
    keep: list[int] = []
    while len(order) and len(keep) < most:
        best, order = int(order[0]), order[1:]
        keep.append(best)
        if len(order):
            order = order[iou(boxes[best : best + 1], boxes[order])[0] <= iou_above]
    return np.asarray(keep, np.int64)
