"""The one function that turns a picture into a model's input.

Training, calibration, evaluation and the runtime all call `preprocess`, so what a network saw in
training is what it sees on the device. Scaling to floats is not here: it lives inside the graph.
"""

from __future__ import annotations

from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from edge_runtime.errors import ImageError
from edge_runtime.model.alignment import align_face
from edge_runtime.model.card import InputSpec

__all__ = ["Image", "face_square", "letterbox_scale", "preprocess"]

Image: TypeAlias = npt.NDArray[np.uint8]

_PAD_GRAY = 114  # the padding of the YOLO family; close to the mean of natural photos


def preprocess(
    image_bgr: Image,
    spec: InputSpec,
    box: npt.NDArray[np.float32] | None = None,
    landmarks: npt.NDArray[np.float32] | None = None,
) -> Image:
    """Crop, resize and convert one picture for a model.

    Args:
        image_bgr: Picture, uint8, (H, W, 3), BGR as OpenCV reads it.
        spec: What the model expects.
        box: Face in pixels (x1, y1, x2, y2), used when `spec.region` is `face`; None takes the
            whole picture as the model's region (a folder of face crops).
        landmarks: The face's five points (5, 2) in pixels, taken in place of the box where
            `spec.alignment` is `five-point`.

    Returns:
        uint8, (height_px, width_px, 3), RGB, contiguous.

    Raises:
        ImageError: `image_bgr` is not uint8 (H, W, 3), `box` is empty or lies outside it, or the
            landmarks are one point.
    """
    _expect_image(image_bgr)
    if landmarks is not None and spec.region == "face" and spec.alignment == "five-point":
        out = align_face(image_bgr, landmarks, spec.width_px, spec.height_px, spec.face_margin)
        return np.asarray(cv2.cvtColor(out, cv2.COLOR_BGR2RGB), np.uint8)
    if box is not None and spec.region == "face":
        image_bgr = _crop(image_bgr, face_square(box, spec.face_margin))
    height, width = image_bgr.shape[:2]
    if spec.resize == "letterbox":
        out = _letterbox(image_bgr, spec)
    else:
        if spec.resize == "center-crop":
            image_bgr = _center_crop(image_bgr, spec.width_px / spec.height_px)
            height, width = image_bgr.shape[:2]
        if (height, width) == (spec.height_px, spec.width_px):
            out = image_bgr
        else:
            out = cv2.resize(
                image_bgr,
                (spec.width_px, spec.height_px),
                interpolation=_interpolation(spec, width * height),
            )
    return np.asarray(cv2.cvtColor(out, cv2.COLOR_BGR2RGB), np.uint8)


def face_square(box: npt.NDArray[np.float32], margin: float) -> tuple[int, int, int]:
    """Return the square a face model looks at: left, top, side in pixels, may leave the picture.

    Args:
        box: Face, x1, y1, x2, y2 in pixels.
        margin: Added on each side, as a share of the box's longer side.

    Raises:
        ImageError: The box is empty or not finite.
    """
    x1, y1, x2, y2 = (float(v) for v in box)
    longer = max(x2 - x1, y2 - y1)
    if not np.isfinite(box).all() or x2 <= x1 or y2 <= y1:
        raise ImageError(f"face box {[round(float(v), 1) for v in box]} is empty")
    side = max(1, round(longer * (1 + 2 * margin)))
    return round((x1 + x2 - side) / 2), round((y1 + y2 - side) / 2), side


def letterbox_scale(height_px: int, width_px: int, spec: InputSpec) -> float:
    """Return input pixels per picture pixel of a letterboxed picture of that size."""
    return min(spec.height_px / height_px, spec.width_px / width_px)


def _expect_image(image: Image) -> None:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise ImageError(f"expected uint8 (H, W, 3), got {image.dtype} {tuple(image.shape)}")


def _interpolation(spec: InputSpec, source_pixels: int) -> int:
    shrinks = spec.height_px * spec.width_px < source_pixels
    return cv2.INTER_AREA if spec.interpolation == "area" and shrinks else cv2.INTER_LINEAR


def _crop(image: Image, square: tuple[int, int, int]) -> Image:
    left, top, side = square
    height, width = image.shape[:2]
    x1, y1 = max(left, 0), max(top, 0)
    x2, y2 = min(left + side, width), min(top + side, height)
    if x1 >= x2 or y1 >= y2:
        raise ImageError(f"face box lies outside the {width}x{height} picture")
    crop = image[y1:y2, x1:x2]
    if crop.shape[:2] == (side, side):
        return crop
    # Repeating the border keeps faces at the edge of a frame free of hard black bars, which no
    # network saw in training.
    padded = cv2.copyMakeBorder(
        crop, y1 - top, top + side - y2, x1 - left, left + side - x2, cv2.BORDER_REPLICATE
    )
    return np.asarray(padded, np.uint8)


def _center_crop(image: Image, aspect: float) -> Image:
    height, width = image.shape[:2]
    if width > height * aspect:
        keep = max(1, round(height * aspect))
        left = (width - keep) // 2
        return image[:, left : left + keep]
    keep = max(1, round(width / aspect))
    top = (height - keep) // 2
    return image[top : top + keep]


def _letterbox(image: Image, spec: InputSpec) -> Image:
    height, width = image.shape[:2]
    scale = letterbox_scale(height, width, spec)
    new_height = min(spec.height_px, max(1, round(height * scale)))
    new_width = min(spec.width_px, max(1, round(width * scale)))
    interpolation = cv2.INTER_LINEAR
    if spec.interpolation == "area" and scale < 1:
        interpolation = cv2.INTER_AREA
    out = np.full((spec.height_px, spec.width_px, 3), _PAD_GRAY, np.uint8)
    if (new_height, new_width) == (height, width):
        out[:height, :width] = image
    else:
        out[:new_height, :new_width] = cv2.resize(
            image, (new_width, new_height), interpolation=interpolation
        )
    return out
