"""Whether a photo is good enough to know somebody by."""

from __future__ import annotations

import cv2
import numpy as np

from edge_runtime.faces.boxes import FaceBox
from edge_runtime.faces.detector import FaceDetector
from edge_runtime.faces.portrait import portrait_faces
from edge_runtime.model.preprocess import Image

__all__ = ["enrollable_face", "face_problem"]

_SMALLEST_PX = 32.0
# Variance of the Laplacian of the face at 80 px wide. 99% of 150 photos each from four sets (LFW,
# web photos of public figures, ORL, whole photos of two actors) have 29 or more; blurred by a
# Gaussian of 3 px at that size, half of them have 8 to 10.
_SHARPEST_BLURRED = 12.0
_COMPARED_AT_PX = 80
_DARKEST, _FLATTEST = 25.0, 8.0  # mean and deviation of gray levels
_TILTED = 30.0  # degrees, between the eyes; heads turned further are told apart badly
_FROM_EDGE = 0.08  # of the face's size: eyes, nose and mouth of a whole face are further inside
# Width by height of the box of a whole face: 0.76 to 0.89 of 129 photos. At the photo's edge
# another one is of a part.
_SLIMMEST, _BROADEST = 0.7, 0.95
# Score that turning a face brings: none of 64 upright photos gained anything, and of 97 that were
# turned by 45 degrees or more and had passed for upright 93 gained more than this. Landmarks would
# not tell: they are learned from heads tilted by 30 degrees at most.
_TURNED = 0.05
_TURNS = (45, -45, 90, -90, 180)  # degrees, clockwise
_QUARTERS = {
    90: cv2.ROTATE_90_CLOCKWISE,
    -90: cv2.ROTATE_90_COUNTERCLOCKWISE,
    180: cv2.ROTATE_180,
}
_AROUND = 2.5  # of the face's size is what is turned,
_TURNED_AT_PX = 512  # and how large at most: detectors see no more of it
_SECOND = 0.5  # of the largest face's size: a smaller one is somebody in the background


def enrollable_face(detector: FaceDetector, image_bgr: Image) -> tuple[FaceBox | None, str]:
    """Find the one face of a photo that somebody is to be known by.

    Args:
        detector: Finds faces.
        image_bgr: uint8, (H, W, 3), BGR.

    Returns:
        The face and "", or None and what is wrong with the photo, in words.
    """
    face, others = portrait_faces(detector, image_bgr)
    if face is None:
        return None, _no_face(detector, image_bgr)
    large = [other for other in others if other.size_px >= _SECOND * face.size_px]
    large.sort(key=lambda other: -other.size_px)
    if large:
        x, y = (round(float(v)) for v in large[0].center)
        return None, (
            f"{1 + len(large)} faces, the largest of the others {large[0].size_px:.0f} px wide at "
            f"({x}, {y}); cut the photo so that only one is left"
        )
    problem = face_problem(image_bgr, face) or _turn_problem(detector, image_bgr, face)
    if not problem and face.score < detector.sure:
        problem = "no clear face found; take a sharp photo of the whole face from the front"
    return (None, problem) if problem else (face, "")


def _no_face(detector: FaceDetector, image_bgr: Image) -> str:
    """Return whether there is a face in a photo once it is turned by a quarter or two."""
    looks = {}
    for turn, way in _QUARTERS.items():
        turned = np.asarray(cv2.rotate(image_bgr, way), np.uint8)
        found = detector.detect(turned, detector.sure)
        looks[turn] = max((face.score for face in found), default=0.0)
    best = max(looks, key=lambda turn: looks[turn])
    return _to_turn(best) if looks[best] else "no face found"


def _to_turn(degrees: int) -> str:
    way = "" if degrees == 180 else " clockwise" if degrees > 0 else " counterclockwise"
    return (
        f"the face is not upright; turn the photo by about {abs(degrees)} degrees{way}, or take "
        "another"
    )


def _turn_problem(detector: FaceDetector, image_bgr: Image, face: FaceBox) -> str:
    """Return by how much a photo is to be turned until its face is upright, or ""."""
    looks = {turn: _score_turned(detector, image_bgr, face, turn) for turn in _TURNS}
    best = max(looks, key=lambda turn: looks[turn])
    upright = max(face.score, _score_turned(detector, image_bgr, face, 0))
    return _to_turn(best) if looks[best] - upright > _TURNED else ""


def _score_turned(detector: FaceDetector, image_bgr: Image, face: FaceBox, turn: int) -> float:
    """Return how surely a face is one when it is turned clockwise by some degrees."""
    around = _AROUND * face.size_px
    scale = min(1.0, _TURNED_AT_PX / around)
    side = max(round(around * scale), 1)
    matrix = cv2.getRotationMatrix2D(face.center, -turn, scale)
    matrix[:, 2] += side / 2 - np.array(face.center)
    turned = cv2.warpAffine(image_bgr, matrix, (side, side), borderMode=cv2.BORDER_REPLICATE)
    found = detector.detect(np.asarray(turned, np.uint8), detector.faint)
    here = (
        one.score
        for one in found
        if np.hypot(*(np.array(one.center) - side / 2)) < scale * face.size_px / 2
    )
    return max(here, default=0.0)


def face_problem(image_bgr: Image, face: FaceBox) -> str:
    """Return what makes a face hard to know somebody by, or ""."""
    height, width = image_bgr.shape[:2]
    x1, y1, x2, y2 = (int(v) for v in np.clip(face.box, 0, [width, height, width, height]))
    if face.size_px < _SMALLEST_PX:
        return (
            f"the face is only {face.size_px:.0f} px wide; {_SMALLEST_PX:.0f} or more are needed, "
            "100 are good"
        )
    inside = np.minimum(face.landmarks, [width, height] - face.landmarks)
    at_edge = min(x1, y1, width - x2, height - y2) <= 1
    whole = _SLIMMEST <= (x2 - x1) / max(y2 - y1, 1) <= _BROADEST
    if inside.min() < _FROM_EDGE * face.size_px or (at_edge and not whole):
        return "part of the face is outside the photo; take one that shows it all"
    right, up = (face.landmarks[1] - face.landmarks[0]) * [1, -1]
    tilt = abs(float(np.degrees(np.arctan2(up, right))))
    if tilt > _TILTED:
        return f"the head is tilted by {tilt:.0f} degrees; turn the photo, or take another"
    gray = cv2.cvtColor(image_bgr[y1:y2, x1:x2], cv2.COLOR_BGR2GRAY)
    if gray.mean() < _DARKEST or gray.std() < _FLATTEST:
        return "the face is too dark or too pale to see; take a photo in better light"
    way = cv2.INTER_AREA if x2 - x1 > _COMPARED_AT_PX else cv2.INTER_LINEAR
    gray = cv2.resize(gray, (_COMPARED_AT_PX, _COMPARED_AT_PX), interpolation=way)
    if cv2.Laplacian(gray, cv2.CV_32F).var() < _SHARPEST_BLURRED:
        return "the face is blurred; take a sharper photo"
    return ""
