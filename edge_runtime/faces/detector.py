"""Finding faces in a picture."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from edge_runtime.errors import OptionError
from edge_runtime.faces.boxes import FaceBox, non_maximum_suppression
from edge_runtime.model.preprocess import Image, letterbox_scale, preprocess
from edge_runtime.model.session import Session

__all__ = ["FaceDetector", "OnnxFaceDetector"]


class FaceDetector(Protocol):
    """Whatever finds faces."""

    def detect(self, image_bgr: Image, min_score: float) -> list[FaceBox]:
        """Return the faces in a picture (uint8, (H, W, 3), BGR), best first."""
        ...


class OnnxFaceDetector:
    """A detector model of ours: boxes decoded in the graph, suppression here."""

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
        height, width = image_bgr.shape[:2]
        out = self.session.run(preprocess(image_bgr, spec)[None])
        sure = np.flatnonzero(out["scores"][0] >= min_score)
        boxes, scores = out["boxes"][0][sure], out["scores"][0][sure]
        keep = non_maximum_suppression(boxes, scores)
        scale = letterbox_scale(height, width, spec)
        boxes = np.clip(
            boxes[keep] / scale, 0, np.array([width, height, width, height], np.float32)
        )
        landmarks = out["landmarks"][0][sure][keep].reshape(-1, 5, 2) / scale
        return [
            FaceBox(box, float(score), points)
            for box, score, points in zip(boxes, scores[keep], landmarks, strict=True)
            # The letterbox's padding is no picture: nothing is left of a box found there.
            if box[2] - box[0] >= 1 and box[3] - box[1] >= 1
        ]
