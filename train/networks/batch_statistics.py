"""Batch normalization that was folded away is given statistics to normalize by again."""

from __future__ import annotations

from collections.abc import Iterable

import keras
import numpy as np
import numpy.typing as npt
from keras import layers

__all__ = ["measure_statistics"]


def measure_statistics(model: keras.Model, batches: Iterable[npt.NDArray[np.uint8]]) -> None:
    """Measure what each batch normalization normalizes; no answer of the network changes.

    Without that the first step of training would normalize, by the statistics of its batch, what
    was not normalized before, and all that was learned would be lost.

    Args:
        model: Functional; each of its normalizations has gamma and beta.
        batches: Inputs to measure on, (B, H, W, 3).
    """
    normals = [n for n in model.layers if isinstance(n, layers.BatchNormalization)]
    inputs = keras.Model(model.input, [normal.input for normal in normals])
    sums = [np.zeros((2, normal.beta.shape[0])) for normal in normals]
    count = 0
    for batch in batches:
        for total, values in zip(sums, inputs(batch, training=False), strict=True):
            rows = np.asarray(values, np.float64)
            total += len(batch) * np.stack([rows.mean((0, 1, 2)), (rows**2).mean((0, 1, 2))])
        count += len(batch)
    for normal, total in zip(normals, sums, strict=True):
        mean, square = total / count
        variance = np.maximum(square - mean**2, 0.0)
        gamma, beta, old_mean, old_variance = normal.get_weights()
        slope = gamma / np.sqrt(old_variance + normal.epsilon)
        normal.set_weights([
            slope * np.sqrt(variance + normal.epsilon),
            beta + slope * (mean - old_mean),
            mean,
            variance,
        ])  # fmt: skip
