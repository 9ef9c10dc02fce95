"""Momentum whose steps for a convolution's kernel turn all its directions equally far."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

__all__ = ["Muon", "orthogonal"]

_KERNEL_MOMENTUM = 0.6
_KERNEL_STEP = 0.1  # of the learning rate, which is that of the other variables
_NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # Jordan's: singular values to about 0.7 .. 1.2
_ROUNDS = 3
_TINY = 1e-7


@keras.saving.register_keras_serializable("edge_run")
class Muon(keras.optimizers.SGD):  # type: ignore[misc]
    """Muon for kernels of convolutions over more than a pixel, Nesterov SGD for the rest.

    After Jordan 2024, "Muon: an optimizer for hidden layers in neural networks", as his CIFAR-10
    runs use it: a kernel, read as a matrix of outputs by inputs, keeps the norm sqrt(outputs), and
    its step is the momentum brought near the closest orthogonal matrix. With steps twice as large
    `objects` learned less: after 17 epochs 0.66 of its mixed training photos right, against 0.72.
    `keras.optimizers.Muon` leaves kernels of four dimensions to AdamW.
    """

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Take a variable's step; `learning_rate` is the schedule's."""
        if len(variable.shape) != 4 or variable.shape[0] == 1:
            super().update_step(gradient, variable, learning_rate)
            return
        momentum = self.momentums[self._get_variable_index(variable)]
        gradient = ops.cast(gradient, variable.dtype)
        gathered = _KERNEL_MOMENTUM * momentum + gradient
        self.assign(momentum, gathered)
        step = orthogonal(gradient + _KERNEL_MOMENTUM * gathered)
        size = ops.sqrt(float(variable.shape[-1])) / (_norm(variable) + _TINY)
        rate = ops.cast(learning_rate, variable.dtype) * _KERNEL_STEP
        self.assign(variable, variable * size - rate * step)


def orthogonal(kernel: Any) -> Any:
    """Return a kernel, (height, width, inputs, outputs), with its singular values near 1.

    The matrix is that of outputs by all inputs, of norm 1. Three Newton-Schulz rounds bring its
    large singular values between 0.68 and 1.21 and make the smallest 41 times larger.
    """
    first, third, fifth = _NEWTON_SCHULZ
    x = ops.transpose(ops.reshape(kernel, (-1, kernel.shape[-1])))
    x = x / (_norm(x) + _TINY)
    for _ in range(_ROUNDS):
        gram = ops.matmul(x, ops.transpose(x))
        x = first * x + ops.matmul(third * gram + fifth * ops.matmul(gram, gram), x)
    return ops.reshape(ops.transpose(x), kernel.shape)


def _norm(x: Any) -> Any:
    return ops.sqrt(ops.sum(ops.square(x)))
