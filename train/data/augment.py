"""Random changes of one input picture, with OpenCV in the data workers.

Keras layers would do the same inside the training step; on two cores they cost more than 15% of
it, in the workers under 5%.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from edge_runtime.model.preprocess import Image

__all__ = ["face_crop", "found_face", "handwriting", "photo", "small_picture"]

_GRAY = 125  # what a covered patch shows: about the mean of natural photos


def face_crop(image: Image, rng: np.random.Generator) -> Image:
    """Vary a face crop as a detector and a webcam vary it.

    Flip, roll up to 15 degrees, scale 0.87 to 1.15, shift up to 8%, brightness and contrast,
    now and then blur, noise or a covered patch.

    Args:
        image: uint8, (H, W, 3).
        rng: Source of all randomness.

    Returns:
        A new picture of the same shape and dtype.
    """
    out = _moved(
        _flipped(image, rng),
        turn=np.clip(rng.normal(0, 7), -15, 15),
        zoom=rng.uniform(0.87, 1.15),
        shift=rng.uniform(-0.08, 0.08, 2),
    )
    height, width = image.shape[:2]
    if rng.random() < 0.15:
        # Small faces reach the model enlarged: shrink and enlarge again.
        small = rng.uniform(0.35, 0.8)
        out = cv2.resize(out, None, fx=small, fy=small, interpolation=cv2.INTER_AREA)
        out = cv2.resize(out, (width, height), interpolation=cv2.INTER_LINEAR)
    if rng.random() < 0.7:
        out = cv2.convertScaleAbs(out, alpha=rng.uniform(0.7, 1.35), beta=rng.uniform(-35, 35))
    if rng.random() < 0.1:
        out = _noisy(out, rng.uniform(2, 9), rng)
    if rng.random() < 0.25:
        ph, pw = (int(side * rng.uniform(0.15, 0.4)) for side in (height, width))
        top, left = int(rng.integers(0, height - ph)), int(rng.integers(0, width - pw))
        out[top : top + ph, left : left + pw] = int(rng.integers(0, 256))
    return np.asarray(out, np.uint8)


def found_face(image: Image, rng: np.random.Generator) -> Image:
    """Vary a face crop no more than finding the same face again would, in another light.

    Flip, roll up to 14 degrees, mostly under 4, scale 0.94 to 1.06, shift up to 3%, brightness and
    contrast, now and then a camera's noise.

    Args:
        image: uint8, (H, W, 3).
        rng: Source of all randomness.
    """
    out = _moved(
        _flipped(image, rng),
        turn=np.clip(rng.normal(0, 4), -14, 14),
        zoom=rng.uniform(0.94, 1.06),
        shift=rng.uniform(-0.03, 0.03, 2),
    )
    if rng.random() < 0.5:
        out = cv2.convertScaleAbs(out, alpha=rng.uniform(0.75, 1.3), beta=rng.uniform(-25, 25))
    if rng.random() < 0.3:
        out = _noisy(out, rng.uniform(1, 6), rng)
    return np.asarray(out, np.uint8)


def small_picture(image: Image, rng: np.random.Generator) -> Image:
    """Flip, shift by up to an eighth and cover a patch: for pictures of a few dozen pixels.

    Args:
        image: uint8, (H, W, 3).
        rng: Source of all randomness.
    """
    height, width = image.shape[:2]
    image = _flipped(image, rng)
    pad = height // 8
    top, left = (int(v) for v in rng.integers(0, 2 * pad + 1, 2))
    rows = np.clip(np.arange(height) + top - pad, 0, height - 1)
    columns = np.clip(np.arange(width) + left - pad, 0, width - 1)
    out = image[rows[:, None], columns]
    half = height // 8
    y, x = (int(v) for v in rng.integers(0, (height, width)))
    out[max(0, y - half) : y + half, max(0, x - half) : x + half] = _GRAY
    return np.asarray(out, np.uint8)


def handwriting(image: Image, rng: np.random.Generator) -> Image:
    """Turn, scale, slant and shift a little, and never mirror: a 2 would be no 2.

    Args:
        image: uint8, (H, W, 3), the same color all along its edge.
        rng: Source of all randomness.
    """
    height, width = image.shape[:2]
    turn, slant = np.radians(rng.uniform(-12, 12)), rng.uniform(-0.2, 0.2)
    scale = rng.uniform(0.85, 1.15, 2)
    turned = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    matrix = turned @ np.array([[1, slant], [0, 1]]) * scale
    center = (np.array([width, height]) - 1) / 2
    shift = center - matrix @ center + rng.uniform(-0.08, 0.08, 2) * (width, height)
    moved = cv2.warpAffine(
        np.ascontiguousarray(image),
        np.column_stack([matrix, shift]),
        (width, height),
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(moved, np.uint8)


def photo(image: Image, rng: np.random.Generator) -> Image:
    """Flip, cut out and enlarge a part, turn a little, change light and color.

    Args:
        image: uint8, (H, W, 3).
        rng: Source of all randomness.
    """
    out = _moved(
        _flipped(image, rng),
        turn=rng.uniform(-10, 10),
        zoom=rng.uniform(0.9, 1.5),
        shift=rng.uniform(-0.12, 0.12, 2),
    )
    light = rng.uniform(0.75, 1.3) * rng.uniform(0.92, 1.08, 3)
    table = np.arange(256)[:, None] * light + rng.uniform(-20, 20)
    out = cv2.LUT(out, np.clip(table, 0, 255).astype(np.uint8)[None])
    return np.asarray(out, np.uint8)


def _flipped(image: Image, rng: np.random.Generator) -> Image:
    """Mirror every other picture."""
    return image[:, ::-1] if rng.random() < 0.5 else image


def _moved(image: Image, turn: float, zoom: float, shift: npt.NDArray[np.float64]) -> Image:
    """Turn by degrees, enlarge, and shift by shares of the sides (x, y); the edge is repeated."""
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), float(turn), float(zoom))
    matrix[:, 2] += shift * np.array([width, height])
    moved = cv2.warpAffine(
        np.ascontiguousarray(image), matrix, (width, height), borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(moved, np.uint8)


def _noisy(image: Image, deviation: float, rng: np.random.Generator) -> Image:
    """Add gray noise of a standard deviation in steps of 0..255."""
    noise = rng.normal(0, deviation, (*image.shape[:2], 1))
    return np.asarray(np.clip(image + noise, 0, 255), np.uint8)
