"""An anchor-free face detector with landmarks, strides 8, 16 and 32, decoded in the graph.

Each cell of a level predicts a score, the distances from its center to the four sides of a box
(as the exponential of its output, in strides) and where in that box the five landmarks are.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import layers, ops

from edge_runtime.model.card import InputSpec
from train.networks.layers import conv, depthwise

__all__ = [
    "STRIDES",
    "cell_centers",
    "decoded_model",
    "detector_network",
    "points_in_box",
    "raw_to_boxes",
]

STRIDES = (8, 16, 32)
# Landmarks of an average portrait as shares of its box, see `train/data/scene_faces.py`: what an
# output of 0 stands for.
_UPRIGHT = (0.27, 0.41, 0.73, 0.41, 0.5, 0.63, 0.31, 0.78, 0.69, 0.79)
_SPREAD = 0.1  # what an output of 1 adds: about as far as they are from there on tilted heads
_RAW = "raw"  # the layer that joins what the decoded model reads apart
_PRIOR = 0.01  # initial score of every cell, as focal-loss detectors start (RetinaNet)


def detector_network(spec: InputSpec, width: int = 64, deep: int = 112) -> keras.Model:
    """Build the network that is trained; its output `raw` is (N, A, 15).

    Channels of `raw`: 0 score logit, 1:5 logarithms of left, top, right, bottom distance in
    strides, 5:15 landmarks x, y as `points_in_box` reads them.

    Args:
        spec: Input size, both sides multiples of 32.
        width: Channels of the stride-8 level, and of all heads.
        deep: Channels of the levels beyond; with 64 and 112 the network has 147,805 parameters.
    """
    image = keras.Input((spec.height_px, spec.width_px, 3), dtype="uint8", name="image")
    x = layers.Rescaling(1 / 127.5, -1.0)(_blocks(image))
    x = conv(x, 32, 3, stride=2, padding="valid")
    x = depthwise(x, 32)
    x = depthwise(x, width, stride=2)
    for _ in range(3):
        x = depthwise(x, width)
    level8 = x
    x = depthwise(level8, deep, stride=2)
    for _ in range(3):
        x = depthwise(x, deep)
    level16 = x
    x = depthwise(level16, deep, stride=2)
    level32 = depthwise(x, deep)
    top32 = conv(level32, width, 1)
    top16 = layers.Add()([conv(level16, width, 1), _enlarged(top32)])
    top16 = depthwise(top16, width)
    top8 = layers.Add()([level8, _enlarged(top16)])
    top8 = depthwise(top8, width)
    heads = [_head(level, width) for level in (top8, top16, top32)]
    parts = [ops.concatenate(levels, axis=1) for levels in zip(*heads, strict=True)]
    return keras.Model(image, layers.Concatenate(name=_RAW)(parts))


def _blocks(image: Any) -> Any:
    """Turn each 2x2 pixels into one of 12 channels, as bytes, a pixel more at each edge.

    A convolution of 3x3 with stride 2 on them looks at 6x6 pixels around each 4x4, in int8 on the
    bytes as they came, and takes half the time of two layers with stride 2 on three channels. The
    edge is repeated here: zeros behind the scaling would keep it from being part of the weights.
    """
    rows = ops.concatenate([image[:, :1], image, image[:, -1:]], axis=1)
    padded = ops.concatenate([rows[:, :, :1], rows, rows[:, :, -1:]], axis=2)
    height, width = padded.shape[1:3]
    pairs = ops.reshape(padded, (-1, height // 2, 2, width * 3))
    shape = (-1, height // 2, width // 2, 6)
    return ops.concatenate([ops.reshape(pairs[:, :, i], shape) for i in range(2)], axis=-1)


def _enlarged(x: Any) -> Any:
    """Repeat each row and column, by copies of whole runs: ONNX's Resize takes 15 times as long."""
    height, width, channels = x.shape[1:]
    columns = ops.reshape(ops.concatenate([x, x], axis=-1), (-1, height, 2 * width * channels))
    rows = ops.concatenate([columns, columns], axis=-1)
    return ops.reshape(rows, (-1, 2 * height, 2 * width, channels))


def _head(x: Any, width: int) -> list[Any]:
    """Return a level's logits, distances and landmarks, (N, cells, 1), (N, cells, 4), ..., 10)."""
    x = depthwise(x, width)
    # Three convolutions, not one: each output gets a quantization range of its own.
    bias = keras.initializers.Constant(-float(np.log((1 - _PRIOR) / _PRIOR)))
    parts = [
        layers.Conv2D(1, 1, bias_initializer=bias)(x),
        layers.Conv2D(4, 1)(x),
        layers.Conv2D(10, 1)(x),
    ]
    # Not `layers.Reshape`, which asks for the size of the batch in the graph.
    return [ops.reshape(p, (-1, p.shape[1] * p.shape[2], p.shape[3])) for p in parts]


def cell_centers(spec: InputSpec) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return the centers (A, 2) of all cells in input pixels and their strides (A, 1)."""
    centers, strides = [], []
    for stride in STRIDES:
        rows, columns = spec.height_px // stride, spec.width_px // stride
        y, x = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")
        centers.append((np.stack([x, y], 2).reshape(-1, 2) + 0.5) * stride)
        strides.append(np.full((rows * columns, 1), stride))
    return np.concatenate(centers).astype(np.float32), np.concatenate(strides).astype(np.float32)


def raw_to_boxes(distances: Any, centers: Any, strides: Any, axis: int = -1) -> Any:
    """Turn distance logarithms, four along an axis, into boxes x1, y1, x2, y2 in input pixels."""
    # The clip keeps an untrained network finite; e^4 strides is over five input heights.
    reach = ops.exp(ops.clip(distances, -4.0, 4.0)) * strides
    before, behind = ops.split(reach, 2, axis)
    # Not `centers - ...`: NumPy would try to turn a symbolic tensor into numbers.
    return ops.concatenate([ops.subtract(centers, before), ops.add(centers, behind)], axis)


def points_in_box(raw: Any) -> Any:
    """Turn (N, A, 10) outputs into landmarks x, y as shares of their box, from its upper left."""
    return raw * _SPREAD + np.array(_UPRIGHT, np.float32)


def decoded_model(trained: keras.Model, spec: InputSpec) -> keras.Model:
    """Return the model that is saved and exported: `boxes`, `scores`, `landmarks`.

    Plain operations, no layer of our own, so that the file loads wherever Keras does.

    Args:
        trained: From `detector_network`.
        spec: Its input size.

    Returns:
        Outputs boxes (N, A, 4) and landmarks (N, A, 10) in input pixels, scores (N, A).
    """
    image = keras.Input((spec.height_px, spec.width_px, 3), dtype="uint8", name="image")
    # The same layers without what compiling added: a saved loss of ours would not load elsewhere.
    network = keras.Model(trained.input, trained.get_layer(_RAW).input, name="network")
    logits, distances, points = network(image)
    centers, strides = cell_centers(spec)
    cells = len(centers)
    # All cells of a coordinate side by side: in rows of two and four numbers it takes 3 times as
    # long.
    boxes = raw_to_boxes(
        ops.transpose(distances, (0, 2, 1)), centers.T[None], strides.T[None], axis=1
    )
    corners, opposite = ops.split(boxes, 2, axis=1)
    shares = ops.transpose(points_in_box(points), (0, 2, 1))
    places = ops.reshape(shares, (-1, 5, 2, cells)) * (opposite - corners)[:, None]
    landmarks = ops.reshape(places + corners[:, None], (-1, 10, cells))
    outputs = {
        "boxes": ops.transpose(boxes, (0, 2, 1)),
        "scores": ops.sigmoid(ops.reshape(logits, (-1, cells))),
        "landmarks": ops.transpose(landmarks, (0, 2, 1)),
    }
    return keras.Model(image, outputs)
