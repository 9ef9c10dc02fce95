"""Heads from behind: what a face detector must not take for a face.

They have a face's outline, size and neck, and between two ears what may be shades of anything. A
portrait gives the hair and the skin.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from edge_runtime.model.preprocess import Image
from train.data.scene_faces import PORTRAIT_PX

__all__ = ["draw_back_of_head"]

_X, _Y = PORTRAIT_PX // 2, 52  # the head's middle
_HAIR = np.s_[1:13, 26:70]  # rows and columns of an aligned portrait: hair, mostly
_CHEEK = np.s_[66:86, 36:60]


def draw_back_of_head(
    portrait: Image, rng: np.random.Generator
) -> tuple[Image, npt.NDArray[np.uint8]]:
    """Draw a head from behind, with ears, a neck and now and then a collar.

    Args:
        portrait: Aligned portrait, uint8, (112, 112, 3), whose hair and skin are taken.
        rng: Source of all randomness.

    Returns:
        Picture uint8 (112, 112, 3) and its mask uint8 (112, 112), 255 on the head.
    """
    wide, high = int(rng.uniform(34, 43)), int(rng.uniform(44, 50))
    hair = _ellipse((_X, _Y), (wide, high))
    hair[int(rng.uniform(_Y + 20, PORTRAIT_PX + 20)) :] = 0  # hair cut short, or over the neck
    mask = hair | _ellipse((_X, _Y), (wide - 4, high))
    for side in (-1, 1):  # ears, each of its own size, as of a head turned a little
        at = (_X + side * (wide - 1), _Y + int(rng.uniform(2, 12)))
        mask |= _ellipse(at, (int(rng.uniform(2, 8)), int(rng.uniform(9, 14))))
    neck = int(rng.uniform(16, 26))
    mask[_Y + high - 14 :, _X - neck : _X + neck] = 255
    picture = np.where(hair[..., None] > 0, _strands(portrait, rng), _skin(portrait))
    if rng.random() < 0.6:
        collar, wider = PORTRAIT_PX - int(rng.uniform(4, 16)), neck + int(rng.uniform(0, 28))
        mask[collar:, _X - wider : _X + wider] = 255
        picture[collar:] = rng.integers(0, 256, 3)
    picture = cv2.GaussianBlur(picture, (0, 0), float(rng.uniform(0.6, 1.8)))
    return np.asarray(picture, np.uint8), np.asarray(cv2.GaussianBlur(mask, (5, 5), 0), np.uint8)


def _ellipse(middle: tuple[int, int], axes: tuple[int, int]) -> npt.NDArray[np.uint8]:
    mask = np.zeros((PORTRAIT_PX, PORTRAIT_PX), np.uint8)
    return np.asarray(cv2.ellipse(mask, middle, axes, 0, 0, 360, 255, -1), np.uint8)


def _strands(portrait: Image, rng: np.random.Generator) -> Image:
    """Return hair: its color, darker to the sides and in strands."""
    hair = cv2.resize(portrait[_HAIR], (PORTRAIT_PX, PORTRAIT_PX), interpolation=cv2.INTER_CUBIC)
    along = (int(rng.integers(3, 12)), int(rng.integers(12, 40)))
    strands = cv2.resize(rng.normal(1, rng.uniform(0.05, 0.35), along), (PORTRAIT_PX, PORTRAIT_PX))
    x = np.linspace(-1, 1, PORTRAIT_PX)
    light = 1 - rng.uniform(0, 0.5) * x**2 + rng.uniform(-0.3, 0.3) * x
    light = rng.uniform(0.4, 1.1) * light * strands
    return np.asarray(np.clip(hair * light[..., None], 0, 255), np.uint8)


def _skin(portrait: Image) -> Image:
    cheek = cv2.resize(portrait[_CHEEK], (PORTRAIT_PX, PORTRAIT_PX)).astype(np.float32)
    shade = 1 - 0.35 * np.linspace(-1, 1, PORTRAIT_PX) ** 2
    skin = cv2.GaussianBlur(cheek, (0, 0), 9) * shade[None, :, None]
    return np.asarray(np.clip(skin, 0, 255), np.uint8)
