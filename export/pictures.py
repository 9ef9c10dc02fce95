"""Inputs a graph is compared with Keras on, and the one its file tests itself with."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from edge_runtime.media.image import read_image
from edge_runtime.model.card import InputSpec
from edge_runtime.model.preprocess import Image, preprocess
from export.evaluate import model_inputs
from export.source import Source

__all__ = ["drawn_pattern", "golden_input", "proving_inputs"]

_PHOTOS = 16
_LARGE_PX = 128


def proving_inputs(source: Source) -> npt.NDArray[np.uint8]:
    """Return photos, uint8 (N, H, W, 3), or noise and the drawn pattern where there are none."""
    spec = source.card.input
    photos = [*source.splits["val"], *source.splits["train"]][:_PHOTOS]
    if photos:
        return np.concatenate(list(model_inputs(photos, spec)))
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (3, spec.height_px, spec.width_px, 3)).astype(np.uint8)
    return np.concatenate([noise, drawn_pattern(spec)[None]])


def golden_input(picture: Path | None, source: Source) -> Image:
    """Return the input of a picture, of the gate's first photo, or the drawn pattern.

    A photo in 16 shades a channel tests a network as well and takes a third of the bytes, a large
    one in blocks of 2x2 pixels an eighth.
    """
    path = picture or next((s.path for s in source.splits["val"]), None)
    if path is None:
        return drawn_pattern(source.card.input)
    image = preprocess(read_image(path).image_bgr, source.card.input) & np.uint8(0xF0)
    height, width = image.shape[:2]
    if min(height, width) < _LARGE_PX:
        return image
    return image[::2, ::2].repeat(2, axis=0).repeat(2, axis=1)[:height, :width]


def drawn_pattern(spec: InputSpec) -> Image:
    """Return a picture with colors, gradients, edges and fine stripes, the same at all times."""
    height, width = spec.height_px, spec.width_px
    y, x = np.mgrid[:height, :width]
    image = np.stack(
        [255 * x / max(1, width - 1), 255 * y / max(1, height - 1), 128 + 127 * np.sin(x * y / 40)],
        -1,
    ).astype(np.uint8)
    center, radius = (width // 2, height // 2), max(1, min(height, width) // 4)
    cv2.circle(image, center, radius, (230, 60, 40), -1)
    cv2.rectangle(image, (width // 8, height // 8), (width // 3, height // 3), (20, 40, 200), -1)
    image[-height // 6 :, ::2] = 255
    return image
