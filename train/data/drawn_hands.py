"""Hands drawn in the skin of a portrait: what a face detector must not take for a face.

Photos with annotated faces hold few hands near the camera, and a raised fist has a face's color,
size and dark lines. Drawn ones are enough to teach that fingers are no eyes.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from edge_runtime.model.preprocess import Image
from train.data.scene_faces import PORTRAIT_PX

__all__ = ["draw_hand"]

_PALM = np.array([56.0, 62.0])


def draw_hand(portrait: Image, rng: np.random.Generator) -> tuple[Image, npt.NDArray[np.uint8]]:
    """Draw an open hand or a fist on a wrist, turned any way.

    Args:
        portrait: Aligned portrait, uint8, (112, 112, 3), whose cheek gives the skin.
        rng: Source of all randomness.

    Returns:
        Picture uint8 (112, 112, 3) and its mask uint8 (112, 112), 255 on the hand.
    """
    light = np.full((PORTRAIT_PX, PORTRAIT_PX), 1.0, np.float32)
    mask = np.zeros((PORTRAIT_PX, PORTRAIT_PX), np.uint8)
    fist = rng.random() < 0.5
    wrist = _PALM + (rng.uniform(-8, 8), 60)
    _stroke(light, mask, _PALM, wrist, rng.uniform(20, 30), rng.uniform(0.75, 1.0))
    radius = rng.uniform(18, 25)
    _stroke(light, mask, _PALM, _PALM + (0, 4), 2 * radius, rng.uniform(0.8, 1.05))
    fingers = int(rng.integers(3, 6))
    fan = np.deg2rad(rng.uniform(8, 14) if fist else rng.uniform(8, 24))
    lean = np.deg2rad(rng.uniform(-25, 25))
    for i in range(fingers):
        angle = lean + (i - (fingers - 1) / 2) * fan
        out = np.array([np.sin(angle), -np.cos(angle)])
        across = np.array([np.cos(angle), np.sin(angle)]) * (i - (fingers - 1) / 2)
        root = _PALM + across * (2 * radius / fingers) + out * radius * (0.2 if fist else 0.7)
        length = rng.uniform(10, 20) if fist else rng.uniform(18, 34)
        _stroke(light, mask, root, root + out * length, rng.uniform(8, 12), rng.uniform(0.8, 1.15))
    if rng.random() < 0.6:  # a thumb, beside the palm or across it
        side = rng.choice([-1.0, 1.0])
        root = _PALM + (side * radius * 0.8, 6)
        tip = root + np.array([side * rng.uniform(-20, 18), -rng.uniform(8, 24)])
        _stroke(light, mask, root, tip, rng.uniform(9, 13), rng.uniform(0.8, 1.1))
    light = cv2.GaussianBlur(light, (0, 0), float(rng.uniform(0.6, 1.6)))
    slope = rng.uniform(-0.3, 0.3, 2)
    y, x = np.mgrid[-0.5 : 0.5 : PORTRAIT_PX * 1j, -0.5 : 0.5 : PORTRAIT_PX * 1j]
    light = light * (1 + slope[0] * x + slope[1] * y)
    skin = cv2.resize(portrait[62:86, 32:64], (PORTRAIT_PX, PORTRAIT_PX)).astype(np.float32)
    skin = cv2.GaussianBlur(skin, (0, 0), float(rng.uniform(3, 12)))
    picture = np.clip(skin * light[..., None], 0, 255).astype(np.uint8)
    turn = cv2.getRotationMatrix2D(
        (PORTRAIT_PX / 2, PORTRAIT_PX / 2), float(rng.uniform(0, 360)), 1.0
    )
    picture = cv2.warpAffine(
        picture, turn, (PORTRAIT_PX, PORTRAIT_PX), borderMode=cv2.BORDER_REPLICATE
    )
    mask = cv2.warpAffine(mask, turn, (PORTRAIT_PX, PORTRAIT_PX))
    return np.asarray(picture, np.uint8), np.asarray(mask, np.uint8)


def _stroke(
    light: npt.NDArray[np.float32],
    mask: npt.NDArray[np.uint8],
    start: npt.NDArray[np.float64],
    end: npt.NDArray[np.float64],
    thickness: float,
    brightness: float,
) -> None:
    """Draw a limb with a dark outline, so that neighbors stay apart."""
    a, b = ((round(float(p[0])), round(float(p[1]))) for p in (start, end))
    width = max(3, round(thickness))
    cv2.line(light, a, b, brightness * 0.55, width + 3, cv2.LINE_AA)
    cv2.line(light, a, b, brightness, width, cv2.LINE_AA)
    cv2.line(mask, a, b, 255, width, cv2.LINE_AA)
