"""Who is it: a backbone, an embedding of unit length, and cosines to the people known."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import layers, ops

from edge_runtime.model.card import InputSpec
from train.networks.backbones import backbone_features

__all__ = ["SCALE", "MarginSoftmax", "answering_model", "embedding_network"]

EMBEDDING = 128
_MOMENTUM = 0.9  # a family's photos make some dozens of steps, too few for Keras's 0.99
SCALE = 30.0  # of cosines before the softmax


class MarginSoftmax(keras.losses.Loss):  # type: ignore[misc]
    """Cross-entropy of scaled cosines, the right one less a margin (CosFace, Wang et al. 2018)."""

    def __init__(self, scale: float = SCALE, margin: float = 0.3) -> None:
        """Take how sharp the softmax is and how much closer the right person must be."""
        super().__init__(name="margin_softmax")
        self._scale = scale
        self._margin = margin

    def call(self, target: Any, cosines: Any) -> Any:
        """Return the loss (N,) for one-hot targets and cosines, both (N, K)."""
        logits = self._scale * (cosines - self._margin * target)
        return ops.categorical_crossentropy(target, logits, from_logits=True)


@keras.saving.register_keras_serializable("edge-run")
class Cosine(layers.Layer):  # type: ignore[misc]
    """Cosines of embeddings to one learned direction a person."""

    def __init__(self, people: int, **more: Any) -> None:
        """Take how many people there are."""
        super().__init__(**more)
        self.people = people

    def build(self, shape: tuple[int, ...]) -> None:
        """Make a direction a person."""
        self.directions = self.add_weight(
            (shape[-1], self.people), initializer="glorot_normal", name="directions"
        )

    def call(self, embedding: Any) -> Any:
        """Return (N, people) for embeddings of unit length (N, D)."""
        return ops.matmul(embedding, ops.normalize(self.directions, axis=0))


def embedding_network(
    spec: InputSpec, people: int, backbone: str, weights: str, dropout: float = 0.1
) -> keras.Model:
    """Build the network that is trained: photos to cosines, (N, people).

    Args:
        spec: Input size.
        people: How many it is trained on.
        backbone: See `train.networks.backbones`.
        weights: What the backbone starts from.
        dropout: Before the embedding.
    """
    image = keras.Input((spec.height_px, spec.width_px, 3), dtype="uint8", name="image")
    x = backbone_features(backbone, weights, image)
    # One weight a place and channel: a mouth and a forehead are not to be averaged.
    x = layers.DepthwiseConv2D(x.shape[1:3], use_bias=False)(x)
    x = layers.BatchNormalization(momentum=_MOMENTUM)(x)
    x = layers.Dropout(dropout)(x)
    x = layers.Conv2D(EMBEDDING, 1, use_bias=False)(x)
    x = layers.BatchNormalization(momentum=_MOMENTUM)(x)
    x = layers.Flatten()(x)
    embedding = layers.UnitNormalization(name="embedding", dtype="float32")(x)
    cosines = Cosine(people, name="cosines", dtype="float32")(embedding)
    return keras.Model(image, cosines)


def answering_model(
    trained: keras.Model, directions: npt.NDArray[np.float32], scale: float
) -> keras.Model:
    """Return the model that is exported: `embedding` (N, 128) and `scores` (N, people).

    Args:
        trained: See `embedding_network`.
        directions: float32 (128, people), where each person's embeddings point.
        scale: Of the cosines before the softmax.
    """
    embedding = trained.get_layer("embedding").output
    people = directions.shape[1]
    head = layers.Dense(people, use_bias=False, activation="softmax", name="scores")
    scores = head(embedding)
    head.set_weights([directions / np.linalg.norm(directions, axis=0) * scale])
    return keras.Model(trained.input, {"embedding": embedding, "scores": scores})
