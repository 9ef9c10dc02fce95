"""Average precision and recall of boxes against annotated ones; NumPy only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_runtime.faces.boxes import FaceBox, iou

__all__ = [
    "COUNTED_FROM_PX", "FAINTEST", "DetectionFigures", "average_precision", "detection_report",
    "faces_in_common", "score_differences",
]  # fmt: skip

# Shorter side, in photo pixels, from which this project counts an annotated face: half the boxes
# of the annotated photos are smaller, and many of those are not annotated at all.
COUNTED_FROM_PX = 24.0

FAINTEST = 0.02  # detections with a smaller score do not move average precision
_SURE, _FAINT = 0.5, 0.3  # a face just above one score may be just below it in another file
_SAME_FACE = 0.7  # overlap

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class DetectionFigures:
    """What `average_precision` measured.

    Attributes:
        average_precision: Area under the precision envelope over recall, all points.
        recall: Share of the counted faces found at any score.
        faces: Annotated faces that count.
        pictures: Pictures looked at.
    """

    average_precision: float
    recall: float
    faces: int
    pictures: int


def average_precision(
    found: Sequence[tuple[Floats, Floats]],
    annotated: Sequence[Floats],
    min_size_px: float,
    iou_at_least: float = 0.5,
) -> DetectionFigures:
    """Score detections picture by picture, PASCAL VOC's way with an ignored size class.

    Annotated boxes whose shorter side is under `min_size_px` neither count as missed nor make a
    detection on them false; nor does an unmatched detection smaller than that count as false.

    Args:
        found: For each picture boxes (N, 4) and scores (N,), any order.
        annotated: For each picture boxes (M, 4).
        min_size_px: Shorter side from which an annotated box counts.
        iou_at_least: Overlap that makes a match.

    Raises:
        ValueError: No annotated box counts, or the lengths differ.
    """
    if len(found) != len(annotated):
        raise ValueError(f"{len(found)} pictures with detections, {len(annotated)} annotated")
    outcomes: list[tuple[float, bool]] = []
    faces = 0
    for (boxes, scores), truth in zip(found, annotated, strict=True):
        truth = np.asarray(truth, np.float32).reshape(-1, 4)
        counts = _shorter_side(truth) >= min_size_px
        faces += int(counts.sum())
        overlap = iou(boxes, truth) if len(boxes) and len(truth) else np.zeros((len(boxes), 0))
        small = _shorter_side(boxes) < min_size_px
        taken = np.zeros(len(truth), bool)
        for row in np.argsort(-scores, kind="stable"):
            candidates = np.where(taken, 0, overlap[row])
            # A face that counts is preferred, so that a small neighbor cannot hide a match.
            for group in (counts, ~counts):
                masked = np.where(group, candidates, 0)
                if masked.size and masked.max() >= iou_at_least:
                    taken[masked.argmax()] = True
                    if group is counts:
                        outcomes.append((float(scores[row]), True))
                    break
            else:
                if not small[row]:
                    outcomes.append((float(scores[row]), False))
    if faces == 0:
        raise ValueError(f"no annotated box has a side of {min_size_px} px or more")
    outcomes.sort(key=lambda o: -o[0])
    hits = np.cumsum([hit for _, hit in outcomes]) if outcomes else np.zeros(0)
    recall = hits / faces
    precision = hits / np.arange(1, len(outcomes) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    steps = np.diff(recall, prepend=0.0)
    return DetectionFigures(
        average_precision=float(np.sum(envelope * steps)),
        recall=float(recall[-1]) if len(recall) else 0.0,
        faces=faces,
        pictures=len(found),
    )


def detection_report(
    found: Sequence[Sequence[FaceBox]], annotated: Sequence[Floats]
) -> dict[str, Any]:
    """Score found faces picture by picture, as every table of this project does.

    Args:
        found: For each picture its faces, down to a score of `FAINTEST`.
        annotated: For each picture boxes (M, 4).

    Returns:
        average_precision at IoU 0.5, recall, faces that count, n pictures, counted_from_px.
    """
    rows = [(_boxes(faces), np.array([f.score for f in faces], np.float32)) for faces in found]
    figures = average_precision(rows, annotated, COUNTED_FROM_PX)
    return {
        "average_precision": round(figures.average_precision, 4),
        "recall": round(figures.recall, 4),
        "faces": figures.faces,
        "n": figures.pictures,
        "counted_from_px": COUNTED_FROM_PX,
    }


def faces_in_common(a: Sequence[Sequence[FaceBox]], b: Sequence[Sequence[FaceBox]]) -> float:
    """Return how many sure faces of either detector the other has too, at IoU 0.7 or more.

    Args:
        a: For each picture the faces one detector found.
        b: The other's.
    """
    matched = total = 0
    for one, other in [*zip(a, b, strict=True), *zip(b, a, strict=True)]:
        sure = _boxes([f for f in one if f.score >= _SURE])
        known = _boxes([f for f in other if f.score >= _FAINT])
        total += len(sure)
        if len(sure) and len(known):
            matched += int((iou(sure, known).max(1) >= _SAME_FACE).sum())
    return matched / total if total else 1.0


def score_differences(a: Sequence[Sequence[FaceBox]], b: Sequence[Sequence[FaceBox]]) -> Floats:
    """Return how far apart two detectors' scores of the same face are, from 0 to 1.

    Args:
        a: For each picture the faces one detector found, down to a score of `FAINTEST`.
        b: The other's.

    Returns:
        float32 (N,), a number for each face that either scores 0.3 or more; its score itself
        where the other has no face there, at IoU 0.7 or more.
    """
    apart: list[float] = []
    for one, other in [*zip(a, b, strict=True), *zip(b, a, strict=True)]:
        found = [f for f in one if f.score >= _FAINT]
        same = iou(_boxes(found), _boxes(other)) >= _SAME_FACE
        scores = np.array([f.score for f in other], np.float32)
        for face, overlaps in zip(found, same, strict=True):
            apart.append(abs(face.score - scores[overlaps].max(initial=0)))
    return np.array(apart, np.float32)


def _boxes(faces: Sequence[FaceBox]) -> Floats:
    return np.array([f.box for f in faces], np.float32).reshape(-1, 4)


def _shorter_side(boxes: Floats) -> Floats:
    return np.asarray(np.minimum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]), np.float32)
