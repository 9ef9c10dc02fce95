"""A kernel of many pixels steps along an orthogonal matrix; everything else as SGD would."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow
keras = pytest.importorskip("keras")

RATE, MOMENTUM = 0.5, 0.85


def _spread(values: np.ndarray) -> np.ndarray:
    """What three rounds make of singular values: the polynomial, one number at a time."""
    x = values / np.sqrt((values**2).sum())
    for _ in range(3):
        x = 3.4445 * x - 4.7750 * x**3 + 2.0315 * x**5
    return x


def _matrix(kernel: np.ndarray) -> np.ndarray:
    return kernel.reshape(-1, kernel.shape[-1])


def _orthogonal(kernel: np.ndarray) -> np.ndarray:
    u, values, v = np.linalg.svd(_matrix(kernel), full_matrices=False)
    return ((u * _spread(values)) @ v).reshape(kernel.shape)


@pytest.mark.parametrize("shape", [(3, 3, 5, 8), (2, 2, 3, 4), (3, 3, 1, 16)])
def test_orthogonal_changes_singular_values_alone(shape):
    from train.muon import orthogonal

    kernel = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    found = np.asarray(orthogonal(keras.ops.convert_to_tensor(kernel)))
    np.testing.assert_allclose(found, _orthogonal(kernel), atol=1e-4)


def test_orthogonal_of_nothing_is_nothing():
    from train.muon import orthogonal

    found = np.asarray(orthogonal(keras.ops.zeros((3, 3, 2, 2))))
    np.testing.assert_array_equal(found, np.zeros((3, 3, 2, 2)))


def _steps(optimizer: Any, start: np.ndarray, gradients: list[np.ndarray]) -> np.ndarray:
    variable = keras.Variable(start)
    optimizer.build([variable])
    for gradient in gradients:
        optimizer.apply([keras.ops.convert_to_tensor(gradient)])
    return np.array(variable)


def _random(shape: tuple[int, ...]) -> tuple[np.ndarray, list[np.ndarray]]:
    rng = np.random.default_rng(1)
    start, *gradients = (rng.normal(size=shape).astype(np.float32) for _ in range(4))
    return start, gradients


def test_a_kernel_keeps_its_norm_and_gathers_momentum():
    from train.muon import Muon

    start, gradients = _random((3, 3, 4, 6))
    found = _steps(Muon(RATE, momentum=MOMENTUM, nesterov=True), start, gradients)
    expected, gathered = start.astype(np.float64), np.zeros(start.shape)
    for gradient in gradients:
        gathered = 0.6 * gathered + gradient
        expected *= np.sqrt(6) / np.linalg.norm(expected)
        expected -= 0.1 * RATE * _orthogonal(gradient + 0.6 * gathered)
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("shape", [(7,), (4, 6), (1, 1, 4, 6)], ids=["bias", "dense", "one pixel"])
def test_everything_else_is_sgd(shape):
    from train.muon import Muon

    settings: dict[str, Any] = {"momentum": MOMENTUM, "nesterov": True, "weight_decay": 0.01}
    start, gradients = _random(shape)
    found = _steps(Muon(RATE, **settings), start, gradients)
    np.testing.assert_array_equal(
        found, _steps(keras.optimizers.SGD(RATE, **settings), start, gradients)
    )
