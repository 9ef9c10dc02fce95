"""A face in a training scene, and how it moves, turns and is cut with its surroundings."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edge_runtime.model.preprocess import Image
from train.data.landmarks import landmarks_in

__all__ = [
    "PORTRAIT_BOX",
    "PORTRAIT_LANDMARKS",
    "PORTRAIT_PX",
    "Face",
    "aligned_face",
    "clipped",
    "flipped",
    "keep_inside",
    "moved",
    "placed",
    "touches",
    "turned",
]  # fmt: skip

PORTRAIT_PX = 112  # side of an aligned portrait, and of what is pasted like one
# Where face and landmarks lie in an aligned portrait (eyes, nose, mouth corners; within
# 2 to 4 px). The box runs from mid-forehead to chin and ear to ear as the annotated photos' do.
PORTRAIT_LANDMARKS = np.array([[30, 52], [66, 52], [48, 73], [33, 88], [63, 89]], np.float32)
PORTRAIT_BOX = np.array([9, 13, 87, 109], np.float32)

_SMALLEST_PX = 9.0  # shorter side in the scene under which a face is ignored, not learned


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """A face in a scene.

    Attributes:
        box: float32, (4,), in scene pixels.
        landmarks: float32, (5, 2), or None where they are not known.
        learned: False where cells on it are neither face nor background.
    """

    box: npt.NDArray[np.float32]
    landmarks: npt.NDArray[np.float32] | None
    learned: bool


def aligned_face(faces: npt.NDArray[np.float32] | None = None) -> Face:
    """Return the face of an aligned portrait.

    Args:
        faces: float32 (F, 14), faces marked in it; where the portrait's own is not among them,
            its landmarks are where those of all portraits are on average.
    """
    points = landmarks_in(PORTRAIT_BOX[None], faces)[0]
    return Face(PORTRAIT_BOX, PORTRAIT_LANDMARKS if np.isnan(points).any() else points, True)


def placed(
    rng: np.random.Generator, scale: float, middle: npt.NDArray[np.float64], spread_deg: float
) -> npt.NDArray[np.float64]:
    """Return the matrix that puts a portrait's face center at a place, scaled and rolled."""
    center = (PORTRAIT_BOX[:2] + PORTRAIT_BOX[2:]) / 2
    turn = float(np.clip(rng.normal(0, spread_deg), -40, 40))
    matrix = cv2.getRotationMatrix2D((float(center[0]), float(center[1])), turn, scale)
    matrix[:, 2] += middle - center
    return np.asarray(matrix, np.float64)


def keep_inside(matrix: npt.NDArray[np.float64], image: Image, height: int, width: int) -> None:
    """Shift a photo so that it leaves as little of a tile empty as its size allows."""
    size = np.abs(matrix[:, :2]) @ (image.shape[1], image.shape[0])
    middle = matrix[:, :2] @ (image.shape[1] / 2, image.shape[0] / 2) + matrix[:, 2]
    tile = np.array([width, height], np.float64)
    slack = (size - tile) / 2
    low = np.where(slack > 0, tile / 2 - slack, tile / 2)
    high = np.where(slack > 0, tile / 2 + slack, tile / 2)
    matrix[:, 2] += np.clip(middle, low, high) - middle


def turned(face: Face, matrix: npt.NDArray[np.float64]) -> Face:
    """Map a face through an affine matrix; its box keeps its shape and only scales."""
    scale = np.sqrt(abs(np.linalg.det(matrix[:, :2])))
    center = matrix[:, :2] @ ((face.box[:2] + face.box[2:]) / 2) + matrix[:, 2]
    half = (face.box[2:] - face.box[:2]) / 2 * scale
    box = np.concatenate([center - half, center + half]).astype(np.float32)
    landmarks = None
    if face.landmarks is not None:
        landmarks = (face.landmarks @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)
    return Face(box, landmarks, face.learned)


def moved(face: Face, by: npt.NDArray[np.float32]) -> Face:
    """Shift a face by x, y pixels."""
    landmarks = None if face.landmarks is None else face.landmarks + by
    return Face(face.box + np.tile(by, 2), landmarks, face.learned)


def clipped(face: Face, height: int, width: int) -> Face | None:
    """Cut a face at its tile; mostly hidden or tiny ones are ignored, unseen ones dropped."""
    limits = np.array([width, height, width, height], np.float32)
    box = np.clip(face.box, 0, limits)
    area = np.prod(face.box[2:] - face.box[:2])
    visible = np.prod(box[2:] - box[:2]) / max(float(area), 1e-6)
    if visible <= 0.02:
        return None
    side = float((box[2:] - box[:2]).min())
    learned = face.learned and visible > 0.6 and side >= _SMALLEST_PX
    return Face(box.astype(np.float32), face.landmarks, bool(learned))


def touches(a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> bool:
    """Return whether two boxes overlap at all."""
    return bool((np.minimum(a[2:], b[2:]) > np.maximum(a[:2], b[:2])).all())


def flipped(image: Image, faces: list[Face]) -> tuple[Image, list[Face]]:
    """Mirror a tile and its faces left to right."""
    width = image.shape[1]
    out = []
    for face in faces:
        x1, y1, x2, y2 = face.box
        landmarks = face.landmarks
        if landmarks is not None:
            # Left and right change places, so that the order stays the picture's.
            landmarks = (landmarks * (-1, 1) + (width, 0))[[1, 0, 2, 4, 3]].astype(np.float32)
        out.append(
            Face(np.array([width - x2, y1, width - x1, y2], np.float32), landmarks, face.learned)
        )
    return np.ascontiguousarray(image[:, ::-1]), out
