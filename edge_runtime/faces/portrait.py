"""Faces that fill their picture, and the face a photo is of."""

from __future__ import annotations

import cv2
import numpy as np

from edge_runtime.faces.boxes import FaceBox
from edge_runtime.faces.detector import FaceDetector
from edge_runtime.faces.tracker import doubles
from edge_runtime.model.preprocess import Image

__all__ = ["SecondLook", "portrait_face", "portrait_faces"]


class SecondLook:
    """A detector that also finds the face of a picture which already is a face crop.

    Such a picture shows too little around the face; where nothing clear is found it is looked at
    again with a border of half its size.
    """

    def __init__(self, detector: FaceDetector) -> None:
        """Take the detector that looks."""
        self._detector = detector
        self.sure, self.faint = detector.sure, detector.faint

    def detect(self, image_bgr: Image, min_score: float) -> list[FaceBox]:
        """Return the faces in a picture (uint8, (H, W, 3), BGR), best first of each look.

        Boxes of the second look may leave the picture a little.
        """
        faces = self._detector.detect(image_bgr, min_score)
        if any(face.score >= self.sure for face in faces):
            return faces
        border = max(image_bgr.shape[:2]) // 2
        wider = np.asarray(
            cv2.copyMakeBorder(image_bgr, border, border, border, border, cv2.BORDER_REPLICATE),
            np.uint8,
        )
        height, width = image_bgr.shape[:2]
        found = [
            FaceBox(face.box - border, face.score, face.landmarks - border)
            for face in self._detector.detect(wider, min_score)
        ]
        # The border repeats the picture's edge: what is found there is no face.
        inside = [f for f in found if 0 <= f.center[0] < width and 0 <= f.center[1] < height]
        return [*faces, *inside]


def portrait_face(detector: FaceDetector, image_bgr: Image) -> FaceBox | None:
    """Find the face a photo is of: the largest clear one, else the best faint one.

    What enrolling and training ask for, where a camera asks for all.

    Args:
        detector: Finds faces.
        image_bgr: uint8, (H, W, 3), BGR.

    Returns:
        The face in pixels of the picture (its box may leave it a little), or None.
    """
    return portrait_faces(detector, image_bgr)[0]


def portrait_faces(
    detector: FaceDetector, image_bgr: Image
) -> tuple[FaceBox | None, list[FaceBox]]:
    """Find the face a photo is of, and the other clear ones in it; see `portrait_face`."""
    # What is enough to follow a known face from frame to frame is too little to find one by.
    faces = SecondLook(detector).detect(image_bgr, (detector.sure + detector.faint) / 2)
    clear = [face for face in faces if face.score >= detector.sure]
    if clear:
        chosen = max(clear, key=lambda face: face.size_px)
    elif faces:
        chosen = max(faces, key=lambda face: face.score)
    else:
        return None, []
    return chosen, [face for face in clear if not doubles(face, chosen)]
