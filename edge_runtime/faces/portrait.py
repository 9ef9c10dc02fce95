"""The face a photo is of: what enrolling and training ask for, where a camera asks for all."""

from __future__ import annotations

import cv2
import numpy as np

from edge_runtime.faces.boxes import FaceBox
from edge_runtime.faces.detector import FaceDetector
from edge_runtime.model.preprocess import Image

__all__ = ["CLEAR", "portrait_face"]

CLEAR = 0.5  # score of what a camera's detector would report
_FAINT = 0.3


def portrait_face(detector: FaceDetector, image_bgr: Image) -> FaceBox | None:
    """Find the face a photo is of: the largest clear one, else the best faint one.

    A picture that already is a face crop shows too little around the face for a detector; where
    nothing clear is found it is looked at again with a border of half its size.

    Args:
        detector: Finds faces.
        image_bgr: uint8, (H, W, 3), BGR.

    Returns:
        The face in pixels of the picture (its box may leave it a little), or None.
    """
    faces = detector.detect(image_bgr, _FAINT)
    if not any(face.score >= CLEAR for face in faces):
        border = max(image_bgr.shape[:2]) // 2
        wider = np.asarray(
            cv2.copyMakeBorder(image_bgr, border, border, border, border, cv2.BORDER_REPLICATE),
            np.uint8,
        )
        height, width = image_bgr.shape[:2]
        found = [
            FaceBox(face.box - border, face.score, face.landmarks - border)
            for face in detector.detect(wider, _FAINT)
        ]
        # The border repeats the picture's edge: what is found there is no face.
        faces += [f for f in found if 0 <= f.center[0] < width and 0 <= f.center[1] < height]
    clear = [face for face in faces if face.score >= CLEAR]
    if clear:
        return max(clear, key=lambda face: face.size_px)
    return max(faces, key=lambda face: face.score, default=None)
