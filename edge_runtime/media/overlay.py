"""What is drawn into a frame for people to see."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from edge_runtime.model.preprocess import Image

__all__ = ["draw_face", "draw_lines", "hide_face"]

_PATCHES = (4, 5)  # columns and rows a hidden face is left with
_FONT = cv2.FONT_HERSHEY_SIMPLEX
# Distinct and light enough for black text; by track id, so that a face keeps its color. BGR.
_COLORS = [(80, 200, 80), (240, 176, 64), (90, 160, 255), (220, 130, 220), (80, 220, 220)]


def draw_face(image: Image, box: npt.NDArray[np.float32], track: int, lines: Sequence[str]) -> None:
    """Draw a face's box and its lines of text into a frame, in place.

    Args:
        image: uint8, (H, W, 3), BGR; changed.
        box: x1, y1, x2, y2 in pixels.
        track: Chooses the color.
        lines: Text above the box, or inside its top where there is no room.
    """
    color = _COLORS[track % len(_COLORS)]
    scale = max(0.45, min(image.shape[:2]) / 900)
    x1, y1, x2, y2 = (round(float(v)) for v in box)
    cv2.rectangle(image, (x1, y1), (x2, y2), color, max(1, round(scale * 3)))
    step = round(scale * 32)
    top = max(0, y1 - step * len(lines))
    for i, line in enumerate(lines):
        _label(image, line, (x1, top + i * step), step, scale, color)


def hide_face(image: Image, box: npt.NDArray[np.float32]) -> None:
    """Make a face in a frame unrecognizable, in place.

    Some twenty colors are left of it, each the mean of a patch: no blur, which can be undone.

    Args:
        image: uint8, (H, W, 3), BGR; changed.
        box: x1, y1, x2, y2 in pixels; a third is added to its sides for hair and chin.
    """
    height, width = image.shape[:2]
    grow = np.array([-1, -1, 1, 1]) * np.tile(box[2:] - box[:2], 2) / 6
    limits = np.array([width, height, width, height])
    x1, y1, x2, y2 = (int(v) for v in np.clip(np.rint(box + grow), 0, limits))
    if x1 < x2 and y1 < y2:
        few = cv2.resize(image[y1:y2, x1:x2], _PATCHES, interpolation=cv2.INTER_AREA)
        image[y1:y2, x1:x2] = cv2.resize(few, (x2 - x1, y2 - y1), interpolation=cv2.INTER_NEAREST)


def draw_lines(image: Image, lines: Sequence[str]) -> None:
    """Draw lines of text into the top left corner of a frame, in place."""
    scale = max(0.45, min(image.shape[:2]) / 900)
    step = round(scale * 32)
    for i, line in enumerate(lines):
        _label(image, line, (0, i * step), step, scale, (235, 235, 235))


def _label(
    image: Image,
    text: str,
    top_left: tuple[int, int],
    step: int,
    scale: float,
    color: tuple[int, int, int],
) -> None:
    (width, height), _ = cv2.getTextSize(text, _FONT, scale, 1)
    x = max(0, min(top_left[0], image.shape[1] - width - 6))
    y = top_left[1]
    cv2.rectangle(image, (x, y), (x + width + 6, y + step), color, -1)
    baseline = y + (step + height) // 2
    cv2.putText(image, text, (x + 3, baseline), _FONT, scale, (0, 0, 0), 1, cv2.LINE_AA)
