"""The new head of a backbone, trained on features that are computed once."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import numpy.typing as npt

from train.data.batches import PhotoBatches
from train.networks.transfer import head_input

__all__ = ["train_head"]

_EPOCHS = 300
_WEIGHT_DECAY = 1e-2


def train_head(
    model: keras.Model,
    batches: PhotoBatches,
    targets: npt.NDArray[np.float32],
    weights: npt.NDArray[np.float32] | None,
    say: Callable[[str], None],
) -> None:
    """Fit the layer `scores` of a transfer network to its photos, the rest as it is.

    Logistic regression on standardized features, by gradient descent over all photos at once:
    seconds, where training through the backbone takes minutes and starts from noise.

    Args:
        model: See `train.networks.transfer.transfer_network`; its layer `scores` is changed.
        batches: The training photos in the order of `targets`.
        targets: float32 (N, K).
        weights: float32 (N,), how much each photo counts, or None.
        say: Told what is done.
    """
    say("computing the backbone's features of the training photos")
    features = np.asarray(head_input(model).predict(batches, verbose=0), np.float32)
    mean, spread = features.mean(0), features.std(0) + 1e-3
    x = (features - mean) / spread
    counts = np.ones(len(x), np.float32) if weights is None else weights
    counts = counts / counts.sum()
    kernel = np.zeros((x.shape[1], targets.shape[1]), np.float32)
    bias = np.zeros(targets.shape[1], np.float32)
    momentum = [np.zeros_like(kernel), np.zeros_like(bias)]
    rate = 1.0 / max(1.0, float((x * x).sum(1).mean()) / 4)
    for _ in range(_EPOCHS):
        logits = x @ kernel + bias
        logits -= logits.max(1, keepdims=True)
        scores = np.exp(logits)
        scores /= scores.sum(1, keepdims=True)
        error = (scores - targets) * counts[:, None]
        for value, step, gradient in (
            (kernel, momentum[0], x.T @ error + _WEIGHT_DECAY * kernel),
            (bias, momentum[1], error.sum(0)),
        ):
            step *= 0.9
            step -= rate * gradient
            value += step
    kernel = kernel / spread[:, None]
    model.get_layer("scores").set_weights([kernel, bias - mean @ kernel])
