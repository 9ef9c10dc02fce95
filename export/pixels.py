"""The first layer on pixels as they came: bytes, with no scaling before it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from export.graph import attribute, drop_unread_nodes, makers, times_read

__all__ = ["absorb_scaling", "convolution_of_bytes", "read_bytes"]

# Of fewer channels int8 kernels make no use; measured on a photo's 3, and on 12 and 48 of 2x2 and
# 4x4 pixels.
_CHANNELS = 12
# Of scaled pixels; a channel that never varied, scaled to one, is beyond what float32 adds up.
_LARGEST_OFFSET = 1e3
_LAYOUT = ("Reshape", "Transpose", "Squeeze", "Unsqueeze")
_PIXELS_MOVED = (*_LAYOUT, "Slice", "Split", "Concat")
_CHANNELS_FIRST = [0, 3, 1, 2]


def absorb_scaling(proto: onnx.ModelProto) -> None:
    """Let convolutions do the scaling of pixels right before them, in place.

    Exact where no border is padded: its zeros would stand for scaled pixels.
    """
    made = makers(proto)
    constants = {i.name: numpy_helper.to_array(i) for i in proto.graph.initializer}
    read = times_read(proto)
    for node in proto.graph.node:
        if not _takes_scaling(node, constants):
            continue
        weights = constants[node.input[1]]
        scaled = _Scaling(weights.shape[1])
        name, moved = node.input[0], None
        while name in made and read[name] == 1:
            before = made[name]
            if before.op_type == "Transpose" and moved is None:
                if attribute(before, "perm", []) != _CHANNELS_FIRST:
                    break
                moved = before
                name = before.input[0]
            elif (found := _constant_of(before, constants)) is not None:
                if not scaled.preceded_by(before, *found, channels_last=moved is not None):
                    break
                name = before.input[1 - found[1]]
            else:
                break
        # Further on than pixels, channels may differ more than 8 bits of weights hold.
        if not (scaled.is_any and name in made and made[name].op_type == "Cast"):
            continue
        if not scaled.fits(proto, made[name].input[0]):
            continue
        _replace(proto, node, weights * scaled.by[:, None, None], _bias(node, constants, scaled))
        if moved is not None:
            moved.input[0], name = name, moved.output[0]
        node.input[0] = name
    drop_unread_nodes(proto)


class _Scaling:
    """What is done to a value z of some channels: by * z + offset."""

    def __init__(self, channels: int) -> None:
        self.by = np.ones(channels, np.float64)
        self.offset = np.zeros(channels, np.float64)
        self.is_any = False
        self._differs = False

    def preceded_by(
        self, node: onnx.NodeProto, constant: Any, place: int, channels_last: bool
    ) -> bool:
        """Take in a step before this one, unless it is not one number a channel."""
        values = _a_channel(constant, len(self.by), channels_last)
        if values is None or (node.op_type == "Div" and place == 0):
            return False
        if node.op_type in ("Mul", "Div"):
            self.by = self.by * values if node.op_type == "Mul" else self.by / values
        else:
            sign = -1.0 if node.op_type == "Sub" and place == 1 else 1.0
            self.offset = self.offset + sign * self.by * values
            if node.op_type == "Sub" and place == 0:
                self.by = -self.by
        self.is_any = True
        self._differs |= constant.size > 1
        return True

    def fits(self, proto: onnx.ModelProto, pixels: str) -> bool:
        """Return whether weights can do this to the named pixels and stay exact."""
        image = proto.graph.input[0]
        sides = image.type.tensor_type.shape.dim
        # A number for each channel may also make several channels of one.
        known = image.name == pixels and sides[-1].dim_value == len(self.by)
        return (known or not self._differs) and bool(np.abs(self.offset).max() < _LARGEST_OFFSET)


def _a_channel(constant: Any, channels: int, last: bool) -> npt.NDArray[np.float64] | None:
    if constant.size == 1 and constant.ndim <= 4:
        return np.full(channels, constant.reshape(()), np.float64)
    shape = (*(1,) * (constant.ndim - 1), channels) if last else (channels, 1, 1)
    if constant.shape[-len(shape) :] != shape or constant.size != channels:
        return None
    return np.asarray(constant.reshape(channels), np.float64)


def _takes_scaling(node: onnx.NodeProto, constants: Mapping[str, Any]) -> bool:
    return (
        node.op_type == "Conv"
        and all(name in constants for name in node.input[1:] if name)
        and constants[node.input[1]].ndim == 4
        and attribute(node, "group", 1) == 1
        and attribute(node, "auto_pad", b"NOTSET") in (b"NOTSET", b"VALID")
        and not any(attribute(node, "pads", []))
    )


def _constant_of(node: onnx.NodeProto, constants: Mapping[str, Any]) -> tuple[Any, int] | None:
    """Return an elementwise step's constant, and which of the two inputs it is."""
    if node.op_type not in ("Mul", "Div", "Add", "Sub"):
        return None
    places = [i for i, name in enumerate(node.input) if name in constants]
    return (constants[node.input[places[0]]], places[0]) if len(places) == 1 else None


def _bias(node: onnx.NodeProto, constants: Mapping[str, Any], scaled: _Scaling) -> Any:
    weights = constants[node.input[1]].astype(np.float64)
    known = constants[node.input[2]] if len(node.input) > 2 and node.input[2] else 0.0
    return known + np.einsum("oihw,i->o", weights, scaled.offset)


def _replace(proto: onnx.ModelProto, node: onnx.NodeProto, weights: Any, bias: Any) -> None:
    # Under names of their own: another node may read the same constants.
    names = [f"{node.output[0]}/of_pixels/{kind}" for kind in ("weights", "bias")]
    for name, value in zip(names, (weights, bias), strict=True):
        proto.graph.initializer.append(numpy_helper.from_array(value.astype(np.float32), name))
    node.input[:] = [node.input[0], *names]


def convolution_of_bytes(proto: onnx.ModelProto) -> onnx.NodeProto | None:
    """Return the first convolution if it reads bytes, and enough channels of them for int8."""
    shapes = {i.name: i.dims for i in proto.graph.initializer}
    made = makers(proto)
    first = next((node for node in proto.graph.node if node.op_type == "Conv"), None)
    if first is None or len(shapes.get(first.input[1], ())) != 4:
        return None
    node = made.get(first.input[0])
    while node is not None and node.op_type in _LAYOUT:
        node = made.get(node.input[0])
    if node is None or node.op_type != "Cast" or not _are_pixels(proto, made, node.input[0]):
        return None
    return first if shapes[first.input[1]][1] >= _CHANNELS else None


def _are_pixels(proto: onnx.ModelProto, made: Mapping[str, onnx.NodeProto], name: str) -> bool:
    """Return whether a value is the input's pixels, moved at most."""
    constants = {i.name for i in proto.graph.initializer}
    waiting = [name]
    while waiting:
        name = waiting.pop()
        if name in constants or name == proto.graph.input[0].name:
            continue
        node = made.get(name)
        if node is None or node.op_type not in _PIXELS_MOVED:
            return False
        waiting += node.input
    return True


def read_bytes(proto: onnx.ModelProto) -> None:
    """Let a quantized first layer read the pixels' bytes themselves, in place.

    They were made real numbers, and those rounded to steps of 1 from 0 on: to the same bytes.
    """
    made = makers(proto)
    constants = {i.name: numpy_helper.to_array(i) for i in proto.graph.initializer}
    read = times_read(proto)
    for rounding in [node for node in proto.graph.node if node.op_type == "QuantizeLinear"]:
        path = [rounding]
        while (before := made.get(path[-1].input[0])) is not None and before.op_type in _LAYOUT:
            path.append(before)
        if before is None or before.op_type != "Cast" or not _to_bytes(rounding, constants):
            continue
        alone = all(read[node.input[0]] == 1 for node in path)
        if alone and _are_pixels(proto, made, before.input[0]):
            path[-1].input[0] = before.input[0]
            # Whatever read the rounded numbers reads the bytes, however they were moved.
            for node in proto.graph.node:
                renamed = [
                    rounding.input[0] if name == rounding.output[0] else name for name in node.input
                ]
                node.input[:] = renamed
            proto.graph.node.remove(rounding)
            proto.graph.node.remove(before)
            del proto.graph.value_info[:]  # what it tells of real numbers are bytes now


def _to_bytes(rounding: onnx.NodeProto, constants: Mapping[str, Any]) -> bool:
    """Return whether whole numbers of 0 to 255 stay as they are."""
    scale, zero, *_ = (*(constants.get(name) for name in rounding.input[1:]), None, None)
    if scale is None or zero is None or scale.size != 1:
        return False
    return bool(zero.dtype == np.uint8 and scale.item() == 1 and zero.item() == 0)
