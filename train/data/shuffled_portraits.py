"""Portraits in pieces: what a face detector must not take for a face."""

from __future__ import annotations

import cv2
import numpy as np

from edge_runtime.model.preprocess import Image
from train.data.scene_faces import PORTRAIT_PX

__all__ = ["shuffle_portrait"]


def shuffle_portrait(portrait: Image, rng: np.random.Generator) -> Image:
    """Return the pieces of a portrait (uint8, (112, 112, 3)) turned and in another order.

    They have its skin, hair and contrast but not its shape.
    """
    pieces = int(rng.choice((2, 4, 7)))
    side = PORTRAIT_PX // pieces
    grid = portrait.reshape(pieces, side, pieces, side, 3).swapaxes(1, 2)
    flat = rng.permutation(grid.reshape(-1, side, side, 3))
    # A quarter turn at least: two pieces that fell back into place must not make half a face.
    rotated = np.stack([np.rot90(piece, int(rng.integers(1, 4))) for piece in flat])
    joined = rotated.reshape(pieces, pieces, side, side, 3).swapaxes(1, 2)
    out = joined.reshape(PORTRAIT_PX, PORTRAIT_PX, 3)
    if rng.random() < 0.5:
        out = cv2.GaussianBlur(out, (0, 0), float(rng.uniform(1.0, 4.0)))
    return np.ascontiguousarray(out)
