"""A plain convolutional network for photos, from nothing: what a couple of thousand can teach."""

from __future__ import annotations

import keras
from keras import layers

from edge_runtime.model.card import InputSpec
from train.networks.layers import conv, standardized

__all__ = ["basic_network"]

_WIDTHS = (32, 64, 96, 128, 192)


def basic_network(spec: InputSpec, classes: int, dropout: float = 0.3) -> keras.Model:
    """Build for each width a 3x3 convolution and a pooling, in the deeper ones two, and a mean.

    Args:
        spec: Input size, 96 to 224 px in mind.
        classes: Outputs.
        dropout: Before the classifier.
    """
    image = keras.Input((spec.height_px, spec.width_px, 3), dtype="uint8", name="image")
    x = standardized(image)
    for i, width in enumerate(_WIDTHS):
        x = conv(x, width, stride=2 if i == 0 else 1)
        if i:
            x = layers.MaxPooling2D()(conv(x, width))
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(dropout)(x)
    scores = layers.Dense(classes, activation="softmax", name="scores", dtype="float32")(x)
    return keras.Model(image, scores)
