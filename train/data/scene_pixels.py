"""Pixels of a training scene: warped, pasted in, and in another light."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from edge_runtime.model.preprocess import Image
from train.data.scene_faces import PORTRAIT_PX

__all__ = ["change_light", "head_mask", "paste", "warp"]


def head_mask(rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Return a feathered ellipse around a portrait's head: uint8, (112, 112)."""
    mask = np.zeros((PORTRAIT_PX, PORTRAIT_PX), np.uint8)
    axes = (int(rng.uniform(40, 48)), int(rng.uniform(50, 56)))
    cv2.ellipse(mask, (48, 57), axes, 0, 0, 360, 255, -1)
    mask[:2] = mask[-2:] = 0
    mask[:, :2] = mask[:, -2:] = 0
    blur = int(rng.integers(2, 9)) * 2 + 1
    mask = cv2.GaussianBlur(mask, (blur, blur), 0)
    return np.asarray(mask, np.uint8)


def warp(
    image: Image,
    matrix: npt.NDArray[np.float64],
    height: int,
    width: int,
    border: int = cv2.BORDER_REPLICATE,
) -> Image:
    """Warp with area averaging: shrink first, so that small faces do not alias.

    Never with a mirrored border: it would repeat faces that no annotation knows.
    """
    scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    if scale < 0.6:
        small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        shrink = np.array([small.shape[1] / image.shape[1], small.shape[0] / image.shape[0]])
        matrix = np.concatenate([matrix[:, :2] / shrink, matrix[:, 2:]], axis=1)
        image = small
    return np.asarray(
        cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=border),
        np.uint8,
    )


def paste(
    image: Image,
    source: Image,
    mask: npt.NDArray[np.uint8],
    matrix: npt.NDArray[np.float64],
    rng: np.random.Generator,
) -> None:
    """Blend a picture (uint8, (112, 112, 3)) into another where its mask, moved alike, is."""
    height, width = image.shape[:2]
    warped = warp(source, matrix, height, width)
    alpha = warp(mask, matrix, height, width, border=cv2.BORDER_CONSTANT)
    rows, columns = np.flatnonzero(alpha.any(1)), np.flatnonzero(alpha.any(0))
    if not len(rows):
        return
    area = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    share = alpha[area][..., None].astype(np.float32) / 255
    # Some portraits keep their own light, the others take on a little of the ground's.
    pasted = warped[area].astype(np.float32)
    if rng.random() < 0.5:
        pasted += (image[area].mean((0, 1)) - pasted.mean((0, 1))) * rng.uniform(0, 0.5)
    image[area] = np.clip(image[area] * (1 - share) + pasted * share, 0, 255).astype(np.uint8)


def change_light(image: Image, rng: np.random.Generator) -> Image:
    """Return a picture (uint8, (H, W, 3)) in other light, now and then that of a bad camera."""
    out = image.astype(np.float32)
    out *= rng.uniform(0.7, 1.25) * rng.uniform(0.9, 1.1, 3).astype(np.float32)
    out += rng.uniform(-20, 20)
    kind = rng.random()
    if kind < 0.12:  # dark
        out *= rng.uniform(0.25, 0.6)
    elif kind < 0.22:  # exposed for too long: skin has little left of its shades
        out *= rng.uniform(1.25, 1.9)
    elif kind < 0.32:  # pale, as before a window
        out = 255 - (255 - out) * rng.uniform(0.3, 0.8)
    if rng.random() < 0.15:
        out[:] = out.mean(2, keepdims=True)
    if rng.random() < 0.15:
        out += rng.normal(0, rng.uniform(2, 10), out.shape[:2])[..., None]
    out = np.clip(out, 0, 255).astype(np.uint8)
    if rng.random() < 0.15:
        out = cv2.GaussianBlur(out, (0, 0), float(rng.uniform(0.5, 1.6)))
    if rng.random() < 0.1:  # a moving head
        size = int(rng.integers(3, 8))
        kernel = np.zeros((size, size), np.float32)
        kernel[size // 2] = 1 / size
        out = cv2.filter2D(out, -1, kernel if rng.random() < 0.7 else kernel.T)
    return np.asarray(out, np.uint8)
