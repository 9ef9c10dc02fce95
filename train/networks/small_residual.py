"""A small residual network for small crops: what expression uses by default."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from edge_runtime.model.card import InputSpec
from train.networks.layers import conv, gray_standardized

__all__ = ["small_residual"]


def small_residual(
    spec: InputSpec, classes: int, widths: tuple[int, ...] = (24, 32, 64, 128), dropout: float = 0.3
) -> keras.Model:
    """Build it: a stem, then a stride-2 convolution and a residual block per further width.

    At 48 px and the default widths: 0.57 M parameters, 40 M multiply-accumulates.

    Args:
        spec: Input size.
        classes: Outputs.
        widths: Channels of the stem and of each stage.
        dropout: Before the classifier.
    """
    image = keras.Input((spec.height_px, spec.width_px, 3), dtype="uint8", name="image")
    x = conv(gray_standardized(image), widths[0])
    for width in widths[1:]:
        x = conv(x, width, stride=2)
        x = _residual(x, width)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(dropout)(x)
    scores = layers.Dense(classes, activation="softmax", name="scores", dtype="float32")(x)
    return keras.Model(image, scores)


def _residual(x: Any, width: int) -> Any:
    inner = conv(conv(x, width), width, relu=False)
    return layers.ReLU()(layers.Add()([x, inner]))
