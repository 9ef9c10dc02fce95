"""Blocks shared by the networks, in the order that folds: Conv -> BatchNorm -> ReLU."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import layers

__all__ = ["conv", "depthwise", "gray_standardized", "standardized"]

# Keras's 0.99 needs some hundred steps to know the data; a few dozen photos give no such number.
_MOMENTUM = 0.9
_CENTER, _SPREAD = 125.0, 62.0  # of natural photos' gray levels, about


def conv(x: Any, filters: int, size: int = 3, stride: int = 1, padding: str = "same") -> Any:
    """Convolution, batch normalization, ReLU; folds into one quantized convolution."""
    x = layers.Conv2D(filters, size, stride, padding, use_bias=False)(x)
    x = layers.BatchNormalization(momentum=_MOMENTUM)(x)
    return layers.ReLU()(x)


def depthwise(x: Any, filters: int, stride: int = 1) -> Any:
    """Depthwise 3x3 then pointwise convolution, each with batch normalization and ReLU."""
    x = layers.DepthwiseConv2D(3, stride, "same", use_bias=False)(x)
    x = layers.BatchNormalization(momentum=_MOMENTUM)(x)
    x = layers.ReLU()(x)
    return conv(x, filters, 1)


def gray_standardized(image: Any) -> Any:
    """uint8 RGB to gray (ITU-R BT.601 weights), zero mean and unit variance per picture.

    Inside the graph, so that a color webcam and a gray photo look alike to the network and no
    scale exists outside the model file.
    """
    x = layers.Rescaling(1 / 255.0)(image)
    gray = layers.Conv2D(1, 1, use_bias=False, trainable=False, name="luma")
    x = gray(x)
    gray.set_weights([np.array([[[[0.299], [0.587], [0.114]]]], np.float32)])
    return layers.GroupNormalization(1, epsilon=1e-3, center=False, scale=False, name="light")(x)


def standardized(image: Any) -> Any:
    """uint8 to about zero mean and unit variance over photos in general."""
    return layers.Rescaling(1 / _SPREAD, -_CENTER / _SPREAD)(image)
