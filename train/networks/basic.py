"""A plain convolutional network for photos, from nothing: what a couple of thousand can teach."""

from __future__ import annotations

import keras
from keras import layers

from edge_runtime.model.card import InputSpec
from train.networks.layers import conv, standardized

__all__ = ["basic_network"]

_WIDTHS = (32, 64, 96, 128, 192)


def basic_network(spec: InputSpec, classes: int, dropout: float = 0.3) -> keras.Model:
    """Build for each width two 3x3 convolutions and a pooling, one in the first, and a mean.

    The first works on half of the side and is pooled too: where photos are few, more pixels cost
    time and teach little.

    Args:
        spec: Input size, 96 to 224 px in mind.
        classes: Outputs.
        dropout: Before the classifier.
    """
    image = keras.Input((spec.height_px, spec.width_px, 3), dtype="uint8", name="image")
    x = standardized(image)
    for i, width in enumerate(_WIDTHS):
        x = conv(x, width, stride=1 if i else 2)
        x = layers.MaxPooling2D(padding="same")(conv(x, width) if i else x)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(dropout)(x)
    scores = layers.Dense(classes, activation="softmax", name="scores", dtype="float32")(x)
    return keras.Model(image, scores)
