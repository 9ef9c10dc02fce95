"""A backbone with a new head: what a few photos a class are enough for."""

from __future__ import annotations

import keras
from keras import layers, ops

from edge_runtime.model.card import InputSpec
from train.networks.backbones import backbone_features
from train.networks.views import mean_of_views, views_of

__all__ = [
    "freeze_backbone", "head_input", "hidden_layers", "transfer_network", "unfreeze_backbone",
]  # fmt: skip

_FEATURES, _HIDDEN = "features", "hidden"


def transfer_network(
    spec: InputSpec,
    classes: int,
    backbone: str,
    weights: str,
    enlarged_px: int = 0,
    hidden: int = 0,
    views: int = 1,
) -> keras.Model:
    """Build a backbone, an average over its last map, dropout and one dense layer, or two.

    Args:
        spec: Input size.
        classes: Outputs.
        backbone: See `train.networks.backbones.BACKBONES`.
        weights: `imagenet`, `none` or a file.
        enlarged_px: Side of what the backbone sees; 0 for the input itself.
        hidden: Units of a dense layer before the last; 0 for none.
        views: Whose features are averaged; see `train.networks.views`.
    """
    image = keras.Input((spec.height_px, spec.width_px, 3), dtype="uint8", name="image")
    seen = views_of(image, views)
    if enlarged_px:
        side = (enlarged_px, enlarged_px)
        seen = ops.image.resize(ops.cast(seen, "float32"), side, interpolation="bilinear")
    x = backbone_features(backbone, weights, seen)
    x = layers.GlobalAveragePooling2D(name=_FEATURES)(x)
    x = mean_of_views(x, views)
    if hidden:
        x = layers.Dense(hidden, activation="relu", name=_HIDDEN)(x)
    x = layers.Dropout(0.5 if hidden else 0.2, name="dropout")(x)
    scores = layers.Dense(classes, activation="softmax", name="scores", dtype="float32")(x)
    return keras.Model(image, scores)


def head_input(model: keras.Model) -> keras.Model:
    """Return the part of a transfer network before its head: photos to features (N, C)."""
    return keras.Model(model.input, model.get_layer(_FEATURES).output)


def hidden_layers(model: keras.Model) -> list[keras.layers.Layer]:
    """Return the layers from a hidden one to the last; none where there is no hidden one."""
    names = [layer.name for layer in model.layers]
    return list(model.layers[names.index(_HIDDEN) :]) if _HIDDEN in names else []


def freeze_backbone(model: keras.Model) -> None:
    """Let only the head learn."""
    for layer in model.layers:
        layer.trainable = layer.name in ("scores", _HIDDEN)


def unfreeze_backbone(model: keras.Model, statistics: bool) -> None:
    """Let all learn; batch normalization and its statistics only where asked."""
    for layer in model.layers:
        layer.trainable = statistics or not isinstance(layer, layers.BatchNormalization)
