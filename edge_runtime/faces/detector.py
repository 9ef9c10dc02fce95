"""Finding faces in a picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
import numpy.typing as npt

from edge_runtime.errors import OptionError
from edge_runtime.faces.boxes import FaceBox, non_maximum_suppression
from edge_runtime.model.card import InputSpec
from edge_runtime.model.preprocess import Image, letterbox_scale, preprocess
from edge_runtime.model.session import Session

__all__ = ["FaceDetector", "OnnxFaceDetector", "found_faces"]


class FaceDetector(Protocol):
    """Whatever finds faces.

    Attributes:
        sure: Score from which on a face is reported.
        faint: Score from which on a face seen before is still taken for one.
    """

    sure: float
    faint: float

    def detect(self, image_bgr: Image, min_score: float) -> list[FaceBox]:
        """Return the faces in a picture (uint8, (H, W, 3), BGR), best first."""
        ...


class OnnxFaceDetector:
    """A detector model of ours: boxes decoded in the graph, suppression here.

    With the shipped model, on val, 84% of 152 faces of 24 px or more reach `sure` in a single
    photo, 95% reach `faint`. Of 240 faceless photos (Imagenette's val: dogs, churches, cassette
    players, garbage trucks) 2 reach `sure`, as with YuNet at 0.8, and 105 `faint`: what is between
    is worth a closer look, see `edge_runtime.faces.closer_look` (`python -m benchmarks
    face-scores`).
    """

    sure = 0.75
    faint = 0.35

    def __init__(self, session: Session) -> None:
        """Take a session of a detection model.

        Raises:
            OptionError: The model does not detect.
        """
        if session.card.task != "detection":
            raise OptionError(f"--detector: model {session.card.name} is no face detector")
        self.session = session

    def detect(self, image_bgr: Image, min_score: float) -> list[FaceBox]:
        """Find faces.

        Args:
            image_bgr: uint8, (H, W, 3), BGR.
            min_score: Faces with less are left out.

        Returns:
            Faces, best first; boxes are cut at the picture's edge.
        """
        spec = self.session.card.input
        answer = self.session.run(preprocess(image_bgr, spec)[None])
        return found_faces(answer, image_bgr, spec, min_score)


def found_faces(
    answer: Mapping[str, npt.NDArray[np.float32]],
    image_bgr: Image,
    spec: InputSpec,
    min_score: float,
) -> list[FaceBox]:
    """Turn what a detection model says of one picture into faces in it.

    Args:
        answer: boxes (1, A, 4), scores (1, A) and landmarks (1, A, 10) in input pixels.
        image_bgr: The picture that was letterboxed for it.
        spec: The model's input.
        min_score: Faces with less are left out.

    Returns:
        Faces, best first; boxes are cut at the picture's edge.
    """
    height, width = image_bgr.shape[:2]
    sure = np.flatnonzero(answer["scores"][0] >= min_score)
    boxes, scores = answer["boxes"][0][sure], answer["scores"][0][sure]
    keep = non_maximum_suppression(boxes, scores)
    scale = letterbox_scale(height, width, spec)
    boxes = np.clip(boxes[keep] / scale, 0, np.array([width, height, width, height], np.float32))
    landmarks = answer["landmarks"][0][sure][keep].reshape(-1, 5, 2) / scale
    return [
        FaceBox(box, float(score), points)
        for box, score, points in zip(boxes, scores[keep], landmarks, strict=True)
        # The letterbox's padding is no picture: nothing is left of a box found there.
        if box[2] - box[0] >= 1 and box[3] - box[1] >= 1
    ]
