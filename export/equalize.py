"""Channels brought nearer to each other, so that 8 bits for all of them serve each.

All channels of a layer share one range of 256 steps: one whose values reach a tenth of the largest
channel's has 25 of them. What lies between two convolutions can be multiplied channel by channel
by any number, if the weights behind divide by it, and no answer changes (cross-layer equalization,
Nagel et al. 2019; there with the weights' ranges, here with those of the values).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from export.convolutions import Convolutions
from export.graph import part_of
from export.session import cpu_session

__all__ = ["equalize_channels"]

# Half of the way, in powers. All of it leaves a channel no room beyond what calibration photos
# showed (with eight of them, a detector's error where it is sure was a third larger than by half of
# the way), and moves into the weights what it takes from the values.
_POWER = 0.5
_SMALLEST = 1 / 16  # of the largest channel; smaller ones are taken for it

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Between:
    """A value that convolutions alone make and read.

    Attributes:
        before: The convolution whose output it is, but for a ReLU.
        name: Of the value.
        behind: Dense and depthwise convolutions.
    """

    before: onnx.NodeProto
    name: str
    behind: list[onnx.NodeProto]


def equalize_channels(
    proto: onnx.ModelProto, photos: Iterable[npt.NDArray[np.uint8]]
) -> onnx.ModelProto:
    """Return the model with channels scaled by what photos make of them.

    Args:
        proto: fp32, with one input; initializers hold the weights.
        photos: Calibration inputs, each uint8 (1, H, W, 3).
    """
    out = onnx.ModelProto()
    out.CopyFrom(proto)
    layers = Convolutions(out)
    values = [found for node in out.graph.node if (found := _behind(layers, node)) is not None]
    if not values:
        return proto
    for value, largest in zip(values, _largest(proto, values, photos), strict=True):
        _scale(layers, value, _factors(largest))
    return out


def _behind(layers: Convolutions, node: onnx.NodeProto) -> _Between | None:
    """Return what a node makes, if it is a convolution and convolutions alone read that."""
    if layers.weights(node) is None:
        return None
    name = node.output[0]
    readers = layers.read_by(name)
    if len(readers) == 1 and readers[0].op_type == "Relu":
        name = readers[0].output[0]
        readers = layers.read_by(name)
    scalable = all(
        (layers.is_dense(r) or layers.is_depthwise(r)) and name not in r.input[1:] for r in readers
    )
    return _Between(node, name, readers) if readers and scalable else None


def _largest(
    proto: onnx.ModelProto, values: list[_Between], photos: Iterable[npt.NDArray[np.uint8]]
) -> list[Floats]:
    """Return the largest magnitude of each channel of each value."""
    names = [value.name for value in values]
    session = cpu_session(part_of(proto, names))
    source = session.get_inputs()[0].name
    largest: list[Any] = [np.float32(0)] * len(names)
    for photo in photos:
        made = session.run(names, {source: photo})
        seen = [np.maximum(v.max((0, 2, 3)), -v.min((0, 2, 3))) for v in made]
        largest = [np.maximum(a, b) for a, b in zip(largest, seen, strict=True)]
    return largest


def _factors(largest: Floats) -> Floats:
    """Return by what to multiply each channel; one that is always 0 stays."""
    if not largest.any():
        return np.ones_like(largest)
    shares = np.maximum(largest / largest.max(), np.float32(_SMALLEST))
    return np.asarray(np.where(largest > 0, shares**-_POWER, 1), np.float32)


def _scale(layers: Convolutions, value: _Between, factors: Floats) -> None:
    before = value.before
    layers.replace(before, 1, layers.weights(before) * factors[:, None, None, None])
    bias = layers.bias(before)
    if bias is not None:
        layers.replace(before, 2, bias * factors)
    for node in value.behind:
        # A depthwise convolution has its inputs where a dense one has its outputs.
        shape = (-1, 1, 1) if layers.is_dense(node) else (-1, 1, 1, 1)
        layers.replace(node, 1, layers.weights(node) / factors.reshape(shape))
