"""Portraits turned to the side, for a face detector that is to know profiles.

Portraits look at the camera, and a detector that learned from them alone passes over whoever looks
elsewhere. An ellipsoid with a nose, eye sockets, lips and a chin is close enough to a head's shape
to turn a portrait's pixels with it; behind the ears, which no portrait shows, comes what is at its
top: hair, mostly.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from edge_runtime.model.preprocess import Image
from train.data.scene_faces import PORTRAIT_BOX, PORTRAIT_PX, Face, flipped, moved

__all__ = ["turn_head"]

# The head in a portrait's pixels: its middle, and its half axes from ear to ear, from skull to
# chin, from the ears to the face and to the back of the head.
_X, _Y = 48.0, 55.0
_ACROSS, _DOWN, _FORTH, _BACK = 41.0, 58.0, 44.0, 46.0
_EAR_X, _EAR_FADE = 8.0, 14.0  # where a portrait ends in its background, and over how many pixels
_NECK_Y = 90.0  # hair behind the ears ends
_HAIR = np.s_[1:13, 26:70]  # rows and columns of an aligned portrait


def _bump(x: float, y: float, wide: float, high: float) -> npt.NDArray[np.float64]:
    rows, columns = np.mgrid[0:PORTRAIT_PX, 0:PORTRAIT_PX].astype(np.float64)
    return np.asarray(np.exp(-(((columns - x) / wide) ** 2) - ((rows - y) / high) ** 2))


def _shape() -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Return how far before the ears each pixel of a portrait lies, and which are of the head."""
    rows, columns = np.mgrid[0:PORTRAIT_PX, 0:PORTRAIT_PX].astype(np.float64)
    # Flatter than an ellipsoid in front and steeper at the sides, as heads are.
    rest = 1 - np.abs((columns - _X) / _ACROSS) ** 2.6 - np.abs((rows - _Y) / _DOWN) ** 2.6
    forward = _FORTH * np.sqrt(np.clip(rest, 0, 1))
    nose = np.clip((rows - 50) / 24, 0, 1) * np.clip((80 - rows) / 5, 0, 1)
    forward += 15 * nose * np.exp(-(((columns - _X) / (3 + 3 * nose)) ** 2))
    forward -= 4 * (_bump(30, 52, 10, 5) + _bump(66, 52, 10, 5))  # eyes
    forward += 2 * _bump(_X, 42, 22, 5)  # brows
    forward += 4 * _bump(_X, 87, 12, 4) - 2 * _bump(_X, 95, 12, 3)  # lips, and below them
    forward += 5 * _bump(_X, 104, 11, 6)  # chin
    return forward, rest > 0


_FORWARD, _IS_HEAD = _shape()


def turn_head(
    portrait: Image, face: Face, degrees: float, rng: np.random.Generator
) -> tuple[Image, npt.NDArray[np.uint8], Face]:
    """Turn the head of an aligned portrait about its neck.

    Args:
        portrait: uint8, (112, 112, 3).
        face: Where its face and landmarks are.
        degrees: To the picture's right, below 0 to its left; up to 90 it looks like one.
        rng: Of the hair's shades.

    Returns:
        Picture uint8 (112, 112, 3), its mask uint8 (112, 112), 255 on the head, and the face.
    """
    if degrees < 0:
        # About the head's middle on the way there, so that the shape fits what comes back.
        about = np.array([[-1, 0, 2 * _X], [0, 1, 0]], np.float64)
        mirrored = cv2.warpAffine(
            portrait, about, (PORTRAIT_PX, PORTRAIT_PX), borderMode=cv2.BORDER_REPLICATE
        )
        there = moved(
            flipped(portrait, [face])[1][0], np.array([2 * _X - PORTRAIT_PX, 0], np.float32)
        )
        picture, mask, turned = turn_head(np.asarray(mirrored, np.uint8), there, -degrees, rng)
        picture, (back,) = flipped(picture, [turned])
        return picture, np.ascontiguousarray(mask[:, ::-1]), back
    angle = np.deg2rad(degrees)
    sideways = (np.arange(PORTRAIT_PX) - _X) * np.cos(angle) + _FORWARD * np.sin(angle)
    # What lies further left is nearer to the camera, and hides what comes to the same place.
    reached = np.maximum.accumulate(np.where(_IS_HEAD, sideways, -np.inf), axis=1)
    behind = np.hypot(_ACROSS * np.cos(angle), _BACK * np.sin(angle))
    middle = PORTRAIT_PX / 2 - (reached.max() - behind) / 2
    from_x, mask = _seen(reached + middle, middle, behind)
    rows = np.repeat(np.arange(PORTRAIT_PX, dtype=np.float32)[:, None], PORTRAIT_PX, axis=1)
    front = cv2.remap(portrait, from_x, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    share = np.clip((from_x - _EAR_X) / _EAR_FADE, 0, 1)[..., None]
    picture = (_hair(portrait, rng) * (1 - share) + front * share).astype(np.uint8)
    mask = np.asarray(cv2.GaussianBlur(mask, (5, 5), 0), np.uint8)
    return picture, mask, _turned(face, angle, reached, middle)


def _seen(
    places: npt.NDArray[np.float64], middle: float, behind: float
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]:
    """Return from which column of the portrait each pixel comes, -1 for hair, and the mask.

    Args:
        places: Where the portrait's pixels come to lie, in columns, never falling in a row.
        middle: Column of the neck's axis.
        behind: How far the back of the head reaches left of it.
    """
    columns = np.arange(PORTRAIT_PX, dtype=np.float64)
    from_x = np.full((PORTRAIT_PX, PORTRAIT_PX), -1, np.float32)
    mask = np.zeros((PORTRAIT_PX, PORTRAIT_PX), np.uint8)
    for row in np.flatnonzero(_IS_HEAD.any(axis=1)):
        head = np.flatnonzero(_IS_HEAD[row])
        at = places[row, head]
        fresh = np.r_[True, np.diff(at) > 1e-3]
        # Beyond the outline its own color, which the mask's soft edge lets in.
        from_x[row] = np.interp(columns, at[fresh], head[fresh], left=-1)
        back = at[0]
        if row < _NECK_Y:
            back = middle - behind * np.sqrt(max(1 - ((row - _Y) / _DOWN) ** 2, 0.0))
        mask[row, (columns >= min(back, at[0])) & (columns <= at[-1])] = 255
    return from_x, mask


def _hair(portrait: Image, rng: np.random.Generator) -> Image:
    strands = cv2.resize(portrait[_HAIR], (PORTRAIT_PX, PORTRAIT_PX), interpolation=cv2.INTER_CUBIC)
    slope = rng.uniform(-0.25, 0.25, 2)
    y, x = np.mgrid[-1 : 1 : PORTRAIT_PX * 1j, -1 : 1 : PORTRAIT_PX * 1j]
    light = 1 + slope[0] * x + slope[1] * y
    return np.asarray(np.clip(strands * light[..., None], 0, 255), np.uint8)


def _turned(face: Face, angle: float, reached: npt.NDArray[np.float64], middle: float) -> Face:
    """Return the face from the nearer ear to the outline, landmarks where they come to lie."""
    _, top, _, bottom = face.box
    ear = (PORTRAIT_BOX[0] - _X) * np.cos(angle) + middle
    outline = reached[int(top) : int(bottom)].max() + middle
    points = None
    if face.landmarks is not None:
        x, y = face.landmarks.T
        forward = _FORWARD[tuple(np.clip([y, x], 0, PORTRAIT_PX - 1).astype(int))]
        # Both eyes lie as far forward, and so do both corners of the mouth, however it looked.
        forward = np.array([forward[:2].mean()] * 2 + [forward[2]] + [forward[3:].mean()] * 2)
        x = (x - _X) * np.cos(angle) + forward * np.sin(angle) + middle
        points = np.stack([x, y], axis=1).astype(np.float32)
    return Face(np.array([ear, top, outline, bottom], np.float32), points, face.learned)
