"""Running a quantized ONNX graph in TensorFlow, so that its weights can be trained on.

Quantized values stay real numbers that are rounded to the steps onnxruntime rounds to; gradients
pass through the rounding as if it were not there (Bengio et al. 2013), but not where a value is
beyond the range. Ranges of values are trained too (Esser et al. 2020).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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

__all__ = ["TrainableGraph"]

_SEVEN_BITS = 64  # steps; see `export.quantize.Rung.reduce_range`
_PERCENT = 0.01
_RANGES = {np.dtype(np.int8): (-128, 127), np.dtype(np.uint8): (0, 255)}


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
        unknown = {n.op_type for n in proto.graph.node} - set(_OPERATORS) - {"DequantizeLinear"}
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
            done = _OPERATORS[node.op_type](node, inputs)
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
            steps = _rounded(steps, -stored.limit, stored.limit)
        return steps * stored.unit


def _limit(whole: npt.NDArray[Any]) -> int:
    """Return how many steps from 0 a value may be; weights in 7 bits stay so."""
    largest = int(np.iinfo(whole.dtype).max)
    few = whole.dtype == np.int8 and np.abs(whole.astype(np.int64)).max() <= _SEVEN_BITS
    return _SEVEN_BITS if few else largest


def _rounded(steps: Any, low: Any, high: Any) -> Any:
    """Round between two values; the gradient is that of the clipping alone."""
    inside = tf.clip_by_value(steps, low, high)
    return inside + tf.stop_gradient(tf.round(inside) - inside)


def _quantize(node: onnx.NodeProto, inputs: list[Any]) -> Any:
    x, scale, zero = inputs
    bottom, top = _RANGES[zero.dtype]
    zero = np.float32(zero)
    return _rounded(x / scale, bottom - zero, top - zero) * scale


def _conv(node: onnx.NodeProto, inputs: list[Any]) -> Any:
    x, weights = inputs[:2]
    groups = attribute(node, "group", 1)
    strides = attribute(node, "strides", [1, 1])
    dilations = attribute(node, "dilations", [1, 1])
    x = tf.transpose(_padded(node, x, weights.shape[2:], 0.0), (0, 2, 3, 1))
    if tuple(weights.shape[2:]) == (1, 1):
        # With a stride inside, TensorFlow 2.21 writes beyond its memory in the gradient on CPUs.
        x, strides = x[:, :: strides[0], :: strides[1]], [1, 1]
    if groups == 1:
        kernel = tf.transpose(weights, (2, 3, 1, 0))
        y = tf.nn.conv2d(x, kernel, strides, "VALID", dilations=dilations)
    elif groups == x.shape[3] and weights.shape[1] == 1:
        kernel = tf.reshape(weights, (groups, -1, *weights.shape[2:]))
        kernel = tf.transpose(kernel, (2, 3, 0, 1))
        y = tf.nn.depthwise_conv2d(x, kernel, [1, *strides, 1], "VALID", dilations=dilations)
    else:
        raise FinetuneError("convolutions in groups of several channels cannot be trained")
    y = y if len(inputs) < 3 else tf.nn.bias_add(y, inputs[2])
    return tf.transpose(y, (0, 3, 1, 2))


def _padded(node: onnx.NodeProto, x: Any, window: Sequence[int], value: float) -> Any:
    """Pad an image (N, C, H, W) as a node says."""
    automatic = attribute(node, "auto_pad", b"NOTSET").decode()
    if automatic in ("SAME_UPPER", "SAME_LOWER"):
        strides = attribute(node, "strides", [1, 1])
        dilations = attribute(node, "dilations", [1, 1])
        before, after = [], []
        for size, k, s, d in zip(x.shape[2:], window, strides, dilations, strict=True):
            lacking = max(0, (-(-size // s) - 1) * s + d * (k - 1) + 1 - size)
            before.append(lacking // 2 if automatic == "SAME_UPPER" else -(-lacking // 2))
            after.append(lacking - before[-1])
        pads = [*before, *after]
    else:
        pads = attribute(node, "pads", [0, 0, 0, 0])
    if not any(pads):
        return x
    edges = [(0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3])]
    return tf.pad(x, edges, constant_values=value)


def _max_pool(node: onnx.NodeProto, inputs: list[Any]) -> Any:
    window, strides = attribute(node, "kernel_shape", []), attribute(node, "strides", [1, 1])
    x = _padded(node, inputs[0], window, float("-inf"))
    y = tf.nn.max_pool2d(tf.transpose(x, (0, 2, 3, 1)), window, strides, "VALID")
    return tf.transpose(y, (0, 3, 1, 2))


def _average_pool(node: onnx.NodeProto, inputs: list[Any]) -> Any:
    window, strides = attribute(node, "kernel_shape", []), attribute(node, "strides", [1, 1])

    def pooled(x: Any) -> Any:
        x = tf.transpose(_padded(node, x, window, 0.0), (0, 2, 3, 1))
        return tf.transpose(tf.nn.avg_pool2d(x, window, strides, "VALID"), (0, 3, 1, 2))

    if attribute(node, "count_include_pad", 0):
        return pooled(inputs[0])
    return pooled(inputs[0]) / pooled(tf.ones_like(inputs[0][:1, :1]))


def _axes(node: onnx.NodeProto, inputs: list[Any]) -> list[int] | None:
    if len(inputs) > 1 and inputs[1] is not None:
        return [int(axis) for axis in inputs[1]]
    axes: list[int] | None = attribute(node, "axes", None)
    return axes


def _reduce_mean(node: onnx.NodeProto, inputs: list[Any]) -> Any:
    keep = bool(attribute(node, "keepdims", 1))
    return tf.reduce_mean(inputs[0], _axes(node, inputs), keepdims=keep)


def _reduce_sum(node: onnx.NodeProto, inputs: list[Any]) -> Any:
    keep = bool(attribute(node, "keepdims", 1))
    return tf.reduce_sum(inputs[0], _axes(node, inputs), keepdims=keep)


def _gemm(node: onnx.NodeProto, inputs: list[Any]) -> Any:
    y = tf.matmul(
        inputs[0],
        inputs[1],
        transpose_a=bool(attribute(node, "transA", 0)),
        transpose_b=bool(attribute(node, "transB", 0)),
    )
    y = y * attribute(node, "alpha", 1.0)
    return y if len(inputs) < 3 else y + attribute(node, "beta", 1.0) * inputs[2]


def _reshape(node: onnx.NodeProto, inputs: list[Any]) -> Any:
    x, shape = inputs
    if isinstance(shape, np.ndarray):
        shape = [tf.shape(x)[i] if n == 0 else int(n) for i, n in enumerate(shape)]
    return tf.reshape(x, shape)


def _squeeze(node: onnx.NodeProto, inputs: list[Any]) -> Any:
    return tf.squeeze(inputs[0], _axes(node, inputs))


def _unsqueeze(node: onnx.NodeProto, inputs: list[Any]) -> Any:
    x = inputs[0]
    for axis in sorted(_axes(node, inputs) or ()):
        x = tf.expand_dims(x, axis)
    return x


def _flatten(node: onnx.NodeProto, inputs: list[Any]) -> Any:
    if attribute(node, "axis", 1) != 1:
        raise FinetuneError("a Flatten of other axes than the first cannot be trained")
    return tf.reshape(inputs[0], (tf.shape(inputs[0])[0], -1))


def _pad(node: onnx.NodeProto, inputs: list[Any]) -> Any:
    mode = attribute(node, "mode", b"constant").decode()
    pads = [int(n) for n in inputs[1]]
    half = len(pads) // 2
    value = float(inputs[2]) if len(inputs) > 2 and inputs[2] is not None else 0.0
    edges = list(zip(pads[:half], pads[half:], strict=True))
    if mode == "constant":
        return tf.pad(inputs[0], edges, constant_values=value)
    if mode == "reflect":
        return tf.pad(inputs[0], edges, "REFLECT")
    raise FinetuneError(f"padding by {mode} cannot be trained")


def _slice(node: onnx.NodeProto, inputs: list[Any]) -> Any:
    x, starts, ends = inputs[:3]
    axes = inputs[3] if len(inputs) > 3 else range(len(starts))
    steps = inputs[4] if len(inputs) > 4 else [1] * len(starts)
    cuts = [slice(None)] * len(x.shape)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        far = abs(int(end)) > 1 << 30
        cuts[int(axis)] = slice(
            None if step < 0 and start in (-1,) else int(start),
            None if far else int(end),
            int(step),
        )
    return x[tuple(cuts)]


def _clip(node: onnx.NodeProto, inputs: list[Any]) -> Any:
    x = inputs[0]
    low, high = (inputs[i] if len(inputs) > i else None for i in (1, 2))
    x = x if low is None else tf.maximum(x, low)
    return x if high is None else tf.minimum(x, high)


def _cast(node: onnx.NodeProto, inputs: list[Any]) -> Any:
    kind = onnx.helper.tensor_dtype_to_np_dtype(attribute(node, "to", 1))
    return tf.cast(inputs[0], kind)


def _split(node: onnx.NodeProto, inputs: list[Any]) -> list[Any]:
    sizes = inputs[1].tolist() if len(inputs) > 1 else len(node.output)
    return list(tf.split(inputs[0], sizes, attribute(node, "axis", 0)))


def _hard_sigmoid(node: onnx.NodeProto, inputs: list[Any]) -> Any:
    alpha, beta = attribute(node, "alpha", 0.2), attribute(node, "beta", 0.5)
    return tf.clip_by_value(alpha * inputs[0] + beta, 0.0, 1.0)


def _hard_swish(node: onnx.NodeProto, inputs: list[Any]) -> Any:
    return inputs[0] * tf.clip_by_value(inputs[0] / 6 + 0.5, 0.0, 1.0)


_Operator = Callable[[onnx.NodeProto, list[Any]], Any]

_OPERATORS: dict[str, _Operator] = {
    "QuantizeLinear": _quantize,
    "Conv": _conv,
    "Gemm": _gemm,
    "MatMul": lambda node, inputs: tf.matmul(*inputs),
    "MaxPool": _max_pool,
    "AveragePool": _average_pool,
    "GlobalAveragePool": lambda node, inputs: tf.reduce_mean(inputs[0], (2, 3), keepdims=True),
    "GlobalMaxPool": lambda node, inputs: tf.reduce_max(inputs[0], (2, 3), keepdims=True),
    "ReduceMean": _reduce_mean,
    "ReduceSum": _reduce_sum,
    "Relu": lambda node, inputs: tf.nn.relu(inputs[0]),
    "LeakyRelu": lambda node, inputs: tf.nn.leaky_relu(inputs[0], attribute(node, "alpha", 0.01)),
    "Clip": _clip,
    "Sigmoid": lambda node, inputs: tf.sigmoid(inputs[0]),
    "Tanh": lambda node, inputs: tf.tanh(inputs[0]),
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _hard_swish,
    "Softmax": lambda node, inputs: tf.nn.softmax(inputs[0], attribute(node, "axis", -1)),
    "Add": lambda node, inputs: inputs[0] + inputs[1],
    "Sub": lambda node, inputs: inputs[0] - inputs[1],
    "Mul": lambda node, inputs: inputs[0] * inputs[1],
    "Div": lambda node, inputs: inputs[0] / inputs[1],
    "Sqrt": lambda node, inputs: tf.sqrt(inputs[0]),
    "Neg": lambda node, inputs: -inputs[0],
    "Exp": lambda node, inputs: tf.exp(inputs[0]),
    "Reciprocal": lambda node, inputs: 1 / inputs[0],
    "Pow": lambda node, inputs: tf.pow(inputs[0], tf.cast(inputs[1], inputs[0].dtype)),
    "Max": lambda node, inputs: tf.maximum(*inputs),
    "Min": lambda node, inputs: tf.minimum(*inputs),
    "Identity": lambda node, inputs: inputs[0],
    "Cast": _cast,
    "Concat": lambda node, inputs: tf.concat(inputs, attribute(node, "axis", 0)),
    "Split": _split,
    "Slice": _slice,
    "Pad": _pad,
    "Reshape": _reshape,
    "Flatten": _flatten,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Transpose": lambda node, inputs: tf.transpose(inputs[0], attribute(node, "perm", None)),
    "Shape": lambda node, inputs: tf.shape(inputs[0], tf.int64),
    "Gather": lambda node, inputs: tf.gather(inputs[0], inputs[1], axis=attribute(node, "axis", 0)),
}
