"""The teaching notebook's own network, kept so that the improvement is a measured line."""

from __future__ import annotations

import keras
from keras import layers

from edge_runtime.model.card import InputSpec

__all__ = ["seed_network"]


def seed_network(spec: InputSpec, classes: int) -> keras.Model:
    """Build three 3x3 convolutions with 2x2 max pooling, then a dense layer, as in the notebook.

    The notebook had 256 px inputs and one sigmoid output; here the size is the recipe's and the
    output a softmax, which for two classes is the same model.
    """
    image = keras.Input((spec.height_px, spec.width_px, 3), dtype="uint8", name="image")
    x = layers.Rescaling(1 / 255.0)(image)
    for filters in (16, 32, 16):
        x = layers.Conv2D(filters, 3, activation="relu")(x)
        x = layers.MaxPooling2D()(x)
    x = layers.Flatten()(x)
    x = layers.Dense(256, activation="relu")(x)
    scores = layers.Dense(classes, activation="softmax", name="scores")(x)
    return keras.Model(image, scores)
