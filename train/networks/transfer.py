"""A backbone with a new head: what a few photos a class are enough for."""

from __future__ import annotations

import keras
from keras import layers, ops

from edge_runtime.model.card import InputSpec
from train.networks.backbones import backbone_features

__all__ = ["freeze_backbone", "head_input", "transfer_network", "unfreeze_backbone"]

_FEATURES = "features"


def transfer_network(
    spec: InputSpec,
    classes: int,
    backbone: str,
    weights: str,
    enlarged_px: int = 0,
    dropout: float = 0.2,
) -> keras.Model:
    """Build a backbone, an average over its last map, dropout and one dense layer.

    Args:
        spec: Input size.
        classes: Outputs.
        backbone: See `train.networks.backbones.BACKBONES`.
        weights: `imagenet`, `none` or a file.
        enlarged_px: Side of what the backbone sees; 0 for the input itself.
        dropout: Before the head.
    """
    image = keras.Input((spec.height_px, spec.width_px, 3), dtype="uint8", name="image")
    seen = image
    if enlarged_px:
        side = (enlarged_px, enlarged_px)
        seen = ops.image.resize(ops.cast(image, "float32"), side, interpolation="bilinear")
    x = backbone_features(backbone, weights, seen)
    x = layers.GlobalAveragePooling2D(name=_FEATURES)(x)
    x = layers.Dropout(dropout)(x)
    scores = layers.Dense(classes, activation="softmax", name="scores", dtype="float32")(x)
    return keras.Model(image, scores)


def head_input(model: keras.Model) -> keras.Model:
    """Return the part of a transfer network before its head: photos to features (N, C)."""
    return keras.Model(model.input, model.get_layer(_FEATURES).output)


def freeze_backbone(model: keras.Model) -> None:
    """Let only the head learn."""
    for layer in model.layers:
        layer.trainable = layer.name == "scores"


def unfreeze_backbone(model: keras.Model, statistics: bool) -> None:
    """Let all learn; batch normalization and its statistics only where asked."""
    for layer in model.layers:
        layer.trainable = statistics or not isinstance(layer, layers.BatchNormalization)
