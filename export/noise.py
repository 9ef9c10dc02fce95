"""Which layers quantization hurts: signal to noise of each layer's output, int8 against fp32."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from export.graph import makers, part_from, part_of, times_read
from export.in_float import WITH_WEIGHTS
from export.session import cpu_session

__all__ = ["CLEANEST", "LayerNoise", "layer_noise"]

_AT_ONCE = 16  # layers whose values are held in memory
# What onnxruntime's quantizer appends to a value that is rounded and is an output of the graph too.
_RENAMED = "_QuantizeLinear_Input"
CLEANEST = 99.0  # dB; a layer that was left in float has no noise of its own

Photos = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class LayerNoise:
    """Signal to quantization noise of one layer's output, in dB; 20 is a tenth of the signal.

    Attributes:
        layer: Name of its node.
        title: For people, by the Keras layer it came from.
        own: Of the layer alone, given what fp32 gives it.
        reached: With the noise of all layers before it.
    """

    layer: str
    title: str
    own: float
    reached: float


def layer_noise(fp32: onnx.ModelProto, int8: onnx.ModelProto, photos: Photos) -> list[LayerNoise]:
    """Measure each layer with weights, the one that adds most noise first.

    Args:
        fp32: The graph the other was made from, so that values have the same names.
        int8: With QuantizeLinear and DequantizeLinear around its layers.
        photos: uint8 (N, H, W, 3); all are run at once.
    """
    made = makers(int8)
    constants = {i.name: numpy_helper.to_array(i) for i in int8.graph.initializer}
    known = makers(fp32)
    layers = [
        (node.name, _before_quantizing(node.input[0], made), node.output[0])
        for node in int8.graph.node
        if node.op_type in WITH_WEIGHTS
        and _called(node.output[0]) in known
        and _before_quantizing(node.input[1], made) in constants
    ]
    ranges = _ranges(int8, constants)
    rectified = _rectified(fp32)
    titles = _titles(fp32)
    found = []
    for start in range(0, len(layers), _AT_ONCE):
        some = layers[start : start + _AT_ONCE]
        exact = _values(fp32, [_called(name) for _, *ends in some for name in ends], photos)
        reached = _values(int8, [out for _, _, out in some], photos)
        for layer, source, out in some:
            given, wanted = exact[_called(source)], exact[_called(out)]
            (own,) = _run(part_from(int8, {source: given}, out), given)
            low, high = ranges.get(out, (-np.inf, np.inf))
            if _called(out) in rectified:  # nobody sees what is below 0
                low, wanted = max(low, 0.0), np.maximum(wanted, 0)
            noises = (_ratio_db(wanted, np.clip(value, low, high)) for value in (own, reached[out]))
            found.append(LayerNoise(layer, titles.get(layer, layer), *noises))
    return sorted(found, key=lambda noise: noise.own)


def _called(name: str) -> str:
    """Return what fp32 calls a value of int8."""
    return name.removesuffix(_RENAMED)


def _ranges(int8: onnx.ModelProto, constants: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
    """Return what values are clipped to when they are rounded: a ReLU is done by that alone."""
    ranges = {}
    for node in int8.graph.node:
        if node.op_type == "QuantizeLinear":
            scale, zero = float(constants[node.input[1]]), constants[node.input[2]]
            limits = np.iinfo(zero.dtype)
            ranges[node.input[0]] = (
                (limits.min - int(zero)) * scale, (limits.max - int(zero)) * scale
            )  # fmt: skip
    return ranges


def _rectified(proto: onnx.ModelProto) -> set[str]:
    """Return the values that a ReLU alone reads."""
    read = times_read(proto)
    relus = (node.input[0] for node in proto.graph.node if node.op_type == "Relu")
    return {name for name in relus if read[name] == 1}


def _titles(proto: onnx.ModelProto) -> dict[str, str]:
    """Return what to call each node: its Keras path, or what it follows where that was lost."""
    named = [n.output[0] for n in proto.graph.node if "/" in n.output[0]]
    shared = os.path.commonpath(named) + "/" if named else ""
    paths: dict[str, str] = {}
    titles = {}
    for node in proto.graph.node:
        out = node.output[0]
        before = paths.get(node.input[0], "") if node.input else ""
        path = out.removeprefix(shared).removesuffix(":0") if "/" in out else before
        paths[out] = path
        lost = "/" not in out and path
        titles[node.name] = f"{node.op_type} after {path}" if lost else path or out
    return titles


def _values(proto: onnx.ModelProto, names: Sequence[str], photos: Photos) -> dict[str, Any]:
    """Return the named values of a graph for photos."""
    different = list(dict.fromkeys(names))
    return dict(zip(different, _run(part_of(proto, different), photos), strict=True))


def _before_quantizing(name: str, made: dict[str, onnx.NodeProto]) -> str:
    """Return the float value that a quantized one stands for."""
    while name in made and made[name].op_type in ("DequantizeLinear", "QuantizeLinear"):
        name = made[name].input[0]
    return name


def _ratio_db(exact: Any, rough: Any) -> float:
    signal = float((exact.astype(np.float64) ** 2).sum())
    noise = float(((exact.astype(np.float64) - rough) ** 2).sum())
    if noise == 0 or signal == 0:
        return CLEANEST
    return round(min(CLEANEST, 10 * float(np.log10(signal / noise))), 1)


def _run(proto: onnx.ModelProto, values: Any) -> Sequence[Any]:
    # Optimized, a convolution would be merged with its ReLU, and its own output were gone.
    session = cpu_session(proto, optimized=False)
    answer: Sequence[Any] = session.run(None, {session.get_inputs()[0].name: values})
    return answer
