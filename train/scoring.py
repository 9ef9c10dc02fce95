"""What a trained network answers on a split, and setting its scores right."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
import numpy.typing as npt

from edge_runtime.measure.calibration import temperature
from edge_runtime.model.card import InputSpec
from train.data.batches import PhotoBatches
from train.data.samples import Sample

__all__ = ["answers", "cool"]

_BATCH = 64


def answers(
    model: keras.Model, samples: Sequence[Sample], spec: InputSpec
) -> npt.NDArray[np.float32]:
    """Return the model's scores, float32 (N, K), in the order of the samples."""
    unasked = np.zeros((len(samples), 1), np.float32)
    out = model.predict(PhotoBatches(samples, unasked, spec, _BATCH), verbose=0)
    return np.asarray(out["scores"] if isinstance(out, dict) else out, np.float32)


def cool(
    model: keras.Model, scores: npt.NDArray[np.float32], truth: npt.NDArray[np.int64]
) -> float:
    """Divide the logits of the layer `scores` so that its scores mean what they say.

    Args:
        model: Changed in place; its answers stay the same, only their scores change.
        scores: What it says on val.
        truth: What is right there.

    Returns:
        The temperature.
    """
    found = temperature(scores, truth)
    layer = model.get_layer("scores")
    layer.set_weights([w / found for w in layer.get_weights()])
    return found
