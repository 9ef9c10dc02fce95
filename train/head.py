"""The new head of a backbone, trained on features that are computed once."""

from __future__ import annotations

import keras
import numpy as np
import numpy.typing as npt

from train.networks.transfer import hidden_layers

__all__ = ["train_head"]

_EPOCHS = 300
_WEIGHT_DECAY = 1e-2
_DENSE_EPOCHS = 30


def train_head(
    model: keras.Model,
    features: npt.NDArray[np.float32],
    targets: npt.NDArray[np.float32],
    weights: npt.NDArray[np.float32] | None,
) -> None:
    """Fit what follows the features of a transfer network, the rest as it is.

    Logistic regression on standardized features, by gradient descent over all photos at once:
    seconds, where training through the backbone takes minutes and starts from noise. A network
    with a hidden layer is trained photo by photo instead, as the notebooks' own are.

    Args:
        model: See `train.networks.transfer.transfer_network`.
        features: float32 (N, C), what the backbone makes of the photos.
        targets: float32 (N, K).
        weights: float32 (N,), how much each photo counts, or None.
    """
    if after := hidden_layers(model):
        _train_dense(after, features, targets, weights)
        return
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


def _train_dense(
    after: list[keras.layers.Layer],
    features: npt.NDArray[np.float32],
    targets: npt.NDArray[np.float32],
    weights: npt.NDArray[np.float32] | None,
) -> None:
    head = keras.Sequential([keras.Input(features.shape[1:]), *after])
    head.compile(keras.optimizers.Adam(1e-3), "categorical_crossentropy")
    head.fit(
        features, targets, batch_size=64, epochs=_DENSE_EPOCHS, sample_weight=weights, verbose=0
    )
