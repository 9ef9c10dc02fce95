"""Who is it: a backbone, an embedding of unit length, and cosines to the people known."""

from __future__ import annotations

from typing import Any, TypeAlias

import keras
import numpy as np
import numpy.typing as npt
from keras import layers, ops

from edge_runtime.model.card import InputSpec
from train.networks.backbones import backbone_features

__all__ = ["EMBEDDING", "SCALE", "MarginSoftmax", "answering_model", "embedding_network",
           "mirrored_embedding", "move_embedding", "set_affine"]  # fmt: skip

Array: TypeAlias = npt.NDArray[np.float32]

FEATURES = 6912  # before the embedding: what discriminants can be solved for in seconds
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
    spec: InputSpec, people: int, backbone: str, weights: str, dropout: float = 0.3
) -> keras.Model:
    """Build the network that is trained: photos to cosines, (N, people).

    The first half of a backbone, fewer channels, and one weight a place and channel: a mouth and
    a forehead are not to be averaged.

    Args:
        spec: Input size.
        people: How many it is trained on.
        backbone: See `train.networks.backbones`.
        weights: What the backbone starts from.
        dropout: Before the embedding.
    """
    image = keras.Input((spec.height_px, spec.width_px, 3), dtype="uint8", name="image")
    x = backbone_features(backbone, weights, image, middle=True)
    channels = min(FEATURES // (x.shape[1] * x.shape[2]), x.shape[3])
    x = layers.Conv2D(channels, 1, use_bias=False, name="fewer")(x)
    x = layers.BatchNormalization(momentum=_MOMENTUM, name="fewer_normal")(x)
    x = layers.Dropout(dropout)(x)
    x = layers.Conv2D(EMBEDDING, x.shape[1:3], use_bias=False, name="project")(x)
    x = layers.BatchNormalization(momentum=_MOMENTUM, name="project_normal")(x)
    x = layers.Flatten(name="unscaled")(x)
    embedding = layers.UnitNormalization(name="embedding", dtype="float32")(x)
    cosines = Cosine(people, name="cosines", dtype="float32")(embedding)
    return keras.Model(image, cosines)


def set_affine(model: keras.Model, name: str, kernel: Array, offset: Array) -> None:
    """Let a convolution and its normalization compute x @ kernel + offset.

    Args:
        model: See `embedding_network`.
        name: fewer or project.
        kernel: float32 (inputs, outputs), inputs in the order of height, width, channel.
        offset: float32 (outputs,).
    """
    layer, normal = model.get_layer(name), model.get_layer(f"{name}_normal")
    layer.set_weights([kernel.reshape(layer.kernel.shape)])
    ones, zeros = np.ones_like(offset), np.zeros_like(offset)
    normal.set_weights([ones, offset, zeros, ones * (1 - normal.epsilon)])


def mirrored_embedding(trained: keras.Model) -> keras.Model:
    """Return photos to embeddings of unit length, (N, 128).

    The face and its mirror image are both looked at: twice the work, and a better answer.

    Args:
        trained: See `embedding_network`.
    """
    part = keras.Model(trained.input, trained.get_layer("unscaled").output)
    image = keras.Input(trained.input.shape[1:], dtype="uint8", name="image")
    one, other = ops.split(part(ops.concatenate([image, image[:, :, ::-1]], axis=0)), 2, axis=0)
    summed = layers.Add()([one, other])
    embedding = layers.UnitNormalization(name="embedding", dtype="float32")(summed)
    return keras.Model(image, embedding)


def move_embedding(trained: keras.Model, middle: Array, matrix: Array) -> None:
    """Let a network's embedding, before it is scaled to unit length, become (x - middle) @ matrix.

    Args:
        trained: See `embedding_network`; `mirrored_embedding` of it changes too.
        middle: float32 (128,), as `mirrored_embedding` sums it up from a face and its mirror image.
        matrix: float32 (128, 128).
    """
    layer, normal = trained.get_layer("project"), trained.get_layer("project_normal")
    strength, offset, mean, variance = normal.get_weights()
    strength = strength / np.sqrt(variance + normal.epsilon)
    kernel = np.asarray(layer.kernel, np.float32).reshape(-1, len(strength)) * strength
    offset = offset - mean * strength - middle / 2
    set_affine(trained, "project", kernel @ matrix, np.asarray(offset @ matrix, np.float32))


def answering_model(embedder: keras.Model, directions: Array, scale: float) -> keras.Model:
    """Return the model that is exported: `embedding`, and how near each person is.

    Outputs embedding (N, 128), cosines (N, people) to each person's direction, and scores
    (N, people).

    Args:
        embedder: See `mirrored_embedding`.
        directions: float32 (128, people), where each person's embeddings point.
        scale: Of the cosines before the softmax.
    """
    people = directions.shape[1]
    nearness = layers.Dense(people, use_bias=False, name="cosines")
    head = layers.Dense(people, use_bias=False, activation="softmax", name="scores")
    outputs = {
        "embedding": embedder.output,
        "cosines": nearness(embedder.output),
        "scores": head(embedder.output),
    }
    unit = directions / np.linalg.norm(directions, axis=0)
    nearness.set_weights([unit])
    head.set_weights([unit * scale])
    return keras.Model(embedder.input, outputs)
