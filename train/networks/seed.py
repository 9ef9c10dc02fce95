"""The teaching notebooks' own networks, kept so that the improvement is a measured line."""

from __future__ import annotations

import keras
from keras import layers

from edge_runtime.model.card import InputSpec

__all__ = ["seed_digits", "seed_expression", "seed_objects"]


def seed_objects(
    spec: InputSpec,
    classes: int,
    convolutions: bool = True,
    pooling: bool = True,
    dropout: bool = True,
) -> keras.Model:
    """Build two blocks of 3x3 convolutions, 2x2 max pooling and 25% dropout, then dense layers.

    Args:
        spec: Input size.
        classes: Outputs.
        convolutions: The notebook's second step; without, dense layers look at pixels.
        pooling: Its third.
        dropout: Its fourth.
    """
    image = keras.Input((spec.height_px, spec.width_px, 3), dtype="uint8", name="image")
    x = layers.Rescaling(1 / 255.0)(image)
    for filters in (32, 64) if convolutions else ():
        x = layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
        x = layers.Conv2D(filters, 3, activation="relu")(x)
        x = layers.MaxPooling2D()(x) if pooling else x
        x = layers.Dropout(0.25)(x) if dropout else x
    x = layers.Flatten()(x)
    x = layers.Dense(512, activation="relu")(x)
    x = layers.Dropout(0.5)(x) if dropout else x
    scores = layers.Dense(classes, activation="softmax", name="scores", dtype="float32")(x)
    return keras.Model(image, scores)


def seed_digits(spec: InputSpec, classes: int) -> keras.Model:
    """Build two 3x3 convolutions, 2x2 max pooling and two dense layers, as MNIST examples do."""
    image = keras.Input((spec.height_px, spec.width_px, 3), dtype="uint8", name="image")
    x = layers.Rescaling(1 / 255.0)(image)
    for filters in (32, 64):
        x = layers.Conv2D(filters, 3, activation="relu")(x)
    x = layers.MaxPooling2D()(x)
    x = layers.Dropout(0.25)(x)
    x = layers.Flatten()(x)
    x = layers.Dense(128, activation="relu")(x)
    x = layers.Dropout(0.5)(x)
    scores = layers.Dense(classes, activation="softmax", name="scores", dtype="float32")(x)
    return keras.Model(image, scores)


def seed_expression(spec: InputSpec, classes: int) -> keras.Model:
    """Build three 3x3 convolutions with 2x2 max pooling, then a dense layer.

    The notebook had one sigmoid output; a softmax is the same model for two classes, and serves
    any number.
    """
    image = keras.Input((spec.height_px, spec.width_px, 3), dtype="uint8", name="image")
    x = layers.Rescaling(1 / 255.0)(image)
    for filters in (16, 32, 16):
        x = layers.Conv2D(filters, 3, activation="relu")(x)
        x = layers.MaxPooling2D()(x)
    x = layers.Flatten()(x)
    x = layers.Dense(256, activation="relu")(x)
    scores = layers.Dense(classes, activation="softmax", name="scores", dtype="float32")(x)
    return keras.Model(image, scores)
