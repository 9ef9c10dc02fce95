"""Where eyes, nose and mouth corners are in photos, as `scripts/mark_landmarks.py` writes it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from edge_runtime.faces.boxes import iou
from train.errors import DataError

__all__ = ["Marks", "landmarks_in", "mark_name", "read_landmarks"]

Floats: TypeAlias = npt.NDArray[np.float32]
# Picture, see `mark_name`, to float32 (F, 14): a face's box and its five points.
Marks: TypeAlias = Mapping[str, Floats]

_SAME_FACE_IOU = 0.35  # two detectors' boxes of one face differ in forehead and ears


def read_landmarks(path: Path) -> Marks:
    """Read a table of marks.

    Raises:
        DataError: It cannot be read or is malformed.
    """
    try:
        marks = json.loads(path.read_text("utf-8"))
        return {
            name: np.asarray(faces, np.float32).reshape(-1, 14) for name, faces in marks.items()
        }
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from None
    except (ValueError, AttributeError, TypeError) as error:
        raise DataError(
            f"{path}: expected pictures' names to lists of 14 numbers a face, as "
            f"scripts/mark_landmarks.py writes them ({error})"
        ) from None


def mark_name(folder: Path, picture: Path) -> str:
    """Return what a picture below a folder is called in a table of marks."""
    return f"{folder.name}/{picture.relative_to(folder).as_posix()}"


def landmarks_in(boxes: Floats, faces: Floats | None) -> Floats:
    """Return the points of each box, float32 (M, 5, 2), NaN where no marked face is there.

    Args:
        boxes: float32 (M, 4).
        faces: float32 (F, 14), the marked faces of the picture, or None.
    """
    points = np.full((len(boxes), 5, 2), np.nan, np.float32)
    if faces is None or not len(faces) or not len(boxes):
        return points
    overlap = iou(boxes, faces[:, :4])
    for row, best in enumerate(overlap.argmax(1)):
        # The nearest face must take this box for its nearest too.
        if overlap[row, best] >= _SAME_FACE_IOU and overlap[:, best].argmax() == row:
            points[row] = faces[best, 4:].reshape(5, 2)
    return points
