"""Random mixtures of the photos of a batch, their targets alike."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from edge_runtime.model.preprocess import Image

__all__ = ["Targets", "cutmix", "mixup"]

Targets: TypeAlias = npt.NDArray[np.float32]


def mixup(
    images: Image, targets: Targets, alpha: float, rng: np.random.Generator
) -> tuple[Image, Targets]:
    """Blend each photo with another (Zhang et al. 2018).

    Args:
        images: uint8 (B, H, W, 3).
        targets: float32 (B, K).
        alpha: Of the Beta distribution of a photo's own share, taken as 0.5 or more.
        rng: Source of all randomness.
    """
    share = rng.beta(alpha, alpha, len(images)).astype(np.float32)
    share = np.maximum(share, 1 - share)
    other = rng.permutation(len(images))
    a = share[:, None, None, None]
    blended = np.rint(a * images + (1 - a) * images[other]).astype(np.uint8)
    return blended, _blend(targets, share, other)


def cutmix(
    images: Image, targets: Targets, probability: float, rng: np.random.Generator
) -> tuple[Image, Targets]:
    """Paste a rectangle of another photo into some (Yun et al. 2019).

    Args:
        images: uint8 (B, H, W, 3).
        targets: float32 (B, K).
        probability: That a photo is pasted into; what part of it is then uniform in 0 to 1.
        rng: Source of all randomness.
    """
    count, height, width = images.shape[:3]
    side = np.sqrt(np.where(rng.random(count) < probability, rng.random(count), 0.0))
    y, x = rng.random(count) * height, rng.random(count) * width
    top, bottom = (_within(y + sign * side * height / 2, height) for sign in (-1, 1))
    left, right = (_within(x + sign * side * width / 2, width) for sign in (-1, 1))
    other = rng.permutation(count)
    out = images.copy()
    for i, j in enumerate(other):
        here = (slice(top[i], bottom[i]), slice(left[i], right[i]))
        out[i][here] = images[j][here]
    pasted = (bottom - top) * (right - left) / (height * width)
    return out, _blend(targets, (1 - pasted).astype(np.float32), other)


def _within(edge: npt.NDArray[np.float64], size: int) -> npt.NDArray[np.intp]:
    return np.clip(np.rint(edge), 0, size).astype(np.intp)


def _blend(
    targets: Targets, share: npt.NDArray[np.float32], other: npt.NDArray[np.intp]
) -> Targets:
    return share[:, None] * targets + (1 - share[:, None]) * targets[other]
