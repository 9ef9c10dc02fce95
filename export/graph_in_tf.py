"""Running a quantized ONNX graph in TensorFlow, so that its weights can be trained on.

Quantized values stay real numbers that are rounded to the steps onnxruntime rounds to; gradients
pass through the rounding as if it were not there (Bengio et al. 2013), but not where a value is
beyond the range. Ranges of values are trained too (Esser et al. 2020).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import onnx
import tensorflow as tf
from onnx import numpy_helper

from export.errors import FinetuneError
from export.graph import attribute
from export.operators_in_tf import OPERATORS, rounded

__all__ = ["TrainableGraph"]

_SEVEN_BITS = 64  # steps; see `export.quantize.Rung.reduce_range`
_PERCENT = 0.01


@dataclass(frozen=True, slots=True)
class _Stored:
    """How the whole numbers of an initializer become a trained value, and back.

    Attributes:
        scale: Of a step, shaped to be broadcast.
        zero: Which whole number 0 is.
        unit: What the variable counts in: steps of weights, or 1/64 of the largest bias.
        dtype: Of the whole numbers.
        limit: Steps from 0 that a value may be at most.
    """

    scale: Any
    zero: Any
    unit: Any
    dtype: np.dtype[Any]
    limit: int


class TrainableGraph:
    """The function a QDQ graph computes, with weights, biases and ranges as variables.

    Attributes:
        variables: What can be trained, by the name of its initializer, all in units in which one
            rate of learning fits: weights and biases in steps, ranges in percent of change.
    """

    def __init__(self, proto: onnx.ModelProto) -> None:
        """Read the graph.

        Raises:
            FinetuneError: It has an operator that is not known here.
        """
        self._proto = proto
        self._constants = {i.name: numpy_helper.to_array(i) for i in proto.graph.initializer}
        self._input = proto.graph.input[0].name
        unknown = {n.op_type for n in proto.graph.node} - set(OPERATORS) - {"DequantizeLinear"}
        if unknown:
            raise FinetuneError(
                "this network has operators that cannot be trained here "
                f"({', '.join(sorted(unknown))})"
            )
        self.variables: dict[str, keras.Variable] = {}
        self._stored: dict[str, _Stored] = {}
        self._ranges: list[str] = []
        for node in proto.graph.node:
            if node.op_type == "DequantizeLinear" and node.input[0] in self._constants:
                self._add_constant(node)
            elif node.op_type == "QuantizeLinear" and node.input[1] not in self.variables:
                if self._constants[node.input[1]] == 1:
                    continue  # pixels, whose bytes are read as they are: see `export.pixels`
                self._ranges.append(node.input[1])
                self.variables[node.input[1]] = keras.Variable(np.float32(0))

    def __call__(self, images: Any, names: Sequence[str]) -> list[Any]:
        """Return the named values for images, uint8 (N, H, W, 3)."""
        values: dict[str, Any] = {**self._constants, self._input: images}
        for name in self._ranges:
            values[name] = self._constants[name] * tf.exp(_PERCENT * self.variables[name].value)
        for node in self._proto.graph.node:
            if node.op_type == "DequantizeLinear":
                values[node.output[0]] = self._dequantized(node, values)
                continue
            inputs = [values[name] if name else None for name in node.input]
            done = OPERATORS[node.op_type](node, inputs)
            made = done if isinstance(done, list) else [done]
            values.update(zip(node.output, made, strict=True))
        return [values[name] for name in names]

    def trained(self) -> onnx.ModelProto:
        """Return the graph with the variables as they are now, rounded to whole steps."""
        new: dict[str, npt.NDArray[Any]] = {}
        for name in self._ranges:
            grown = np.exp(_PERCENT * np.asarray(self.variables[name]))
            new[name] = (self._constants[name] * grown).astype(np.float32)
        for name, stored in self._stored.items():
            real = np.asarray(self.variables[name], np.float64) * stored.unit
            steps = np.clip(np.round(real / stored.scale), -stored.limit, stored.limit)
            new[name] = (steps + stored.zero).astype(stored.dtype)
        new |= self._biases(new)
        out = onnx.ModelProto()
        out.CopyFrom(self._proto)
        for initializer in out.graph.initializer:
            if initializer.name in new:
                initializer.CopyFrom(
                    numpy_helper.from_array(new[initializer.name], initializer.name)
                )
        return out

    def _biases(self, new: dict[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        """Return biases and their scales, which are those of input and weights multiplied."""
        made = {node.output[0]: node for node in self._proto.graph.node}
        found: dict[str, npt.NDArray[Any]] = {}
        for node in self._proto.graph.node:
            sources = [made.get(name) for name in node.input]
            if node.op_type not in ("Conv", "Gemm") or len(sources) < 3:
                continue
            given = [s.input for s in sources if s is not None and s.op_type == "DequantizeLinear"]
            if len(given) < 3 or given[2][0] not in self._stored:
                continue
            scales = [new.get(names[1], self._constants[names[1]]) for names in given[:2]]
            scale = (scales[0] * scales[1]).astype(np.float32)
            stored = self._stored[given[2][0]]
            real = np.asarray(self.variables[given[2][0]], np.float64) * stored.unit
            found[given[2][0]] = np.round(real / scale.reshape(-1)).astype(np.int32)
            found[given[2][1]] = scale.reshape(self._constants[given[2][1]].shape)
        return found

    def _add_constant(self, node: onnx.NodeProto) -> None:
        name = node.input[0]
        whole = self._constants[name]
        scale, zero = self._scale(node, whole.ndim)
        real = (whole.astype(np.float64) - zero) * scale
        coarse = np.float32(np.abs(real).max() / _SEVEN_BITS or 1.0)
        unit = scale if whole.dtype == np.int8 else coarse
        self._stored[name] = _Stored(scale, zero, unit, whole.dtype, _limit(whole))
        self.variables[name] = keras.Variable((real / unit).astype(np.float32))

    def _scale(self, node: onnx.NodeProto, rank: int) -> tuple[Any, Any]:
        """Return scale and zero point, shaped for a channel axis."""
        scale = self._constants[node.input[1]].astype(np.float32)
        zero = self._constants[node.input[2]] if len(node.input) > 2 else np.zeros_like(scale)
        if scale.ndim:
            shape = [1] * rank
            shape[attribute(node, "axis", 1)] = -1
            scale, zero = scale.reshape(shape), zero.reshape(shape)
        return scale, zero.astype(np.float32)

    def _dequantized(self, node: onnx.NodeProto, values: dict[str, Any]) -> Any:
        name = node.input[0]
        if name not in self.variables:
            return values[name]  # QuantizeLinear rounded it already
        stored, steps = self._stored[name], self.variables[name].value
        if stored.dtype == np.int8:
            steps = rounded(steps, -stored.limit, stored.limit)
        return steps * stored.unit


def _limit(whole: npt.NDArray[Any]) -> int:
    """Return how many steps from 0 a value may be; weights in 7 bits stay so."""
    largest = int(np.iinfo(whole.dtype).max)
    few = whole.dtype == np.int8 and np.abs(whole.astype(np.int64)).max() <= _SEVEN_BITS
    return _SEVEN_BITS if few else largest
