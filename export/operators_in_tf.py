"""What ONNX's operators compute, in TensorFlow, which gives gradients; images are (N, C, H, W)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
import tensorflow as tf

from export.errors import FinetuneError
from export.graph import attribute

__all__ = ["OPERATORS", "rounded"]

# From a node and its inputs to its output; a list of outputs of several.
_Operator = Callable[[onnx.NodeProto, list[Any]], Any]

_RANGES = {np.dtype(np.int8): (-128, 127), np.dtype(np.uint8): (0, 255)}


def rounded(steps: Any, low: Any, high: Any) -> Any:
    """Round between two values; the gradient is that of the clipping alone."""
    inside = tf.clip_by_value(steps, low, high)
    return inside + tf.stop_gradient(tf.round(inside) - inside)


def _quantize(node: onnx.NodeProto, inputs: list[Any]) -> Any:
    x, scale, zero = inputs
    bottom, top = _RANGES[zero.dtype]
    zero = np.float32(zero)
    return rounded(x / scale, bottom - zero, top - zero) * scale


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


def _reduced(reduce: Callable[..., Any]) -> _Operator:
    def operator(node: onnx.NodeProto, inputs: list[Any]) -> Any:
        keep = bool(attribute(node, "keepdims", 1))
        return reduce(inputs[0], _axes(node, inputs), keepdims=keep)

    return operator


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
            None if step < 0 and start == -1 else int(start),
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


OPERATORS: dict[str, _Operator] = {
    "QuantizeLinear": _quantize,
    "Conv": _conv,
    "Gemm": _gemm,
    "MatMul": lambda node, inputs: tf.matmul(*inputs),
    "MaxPool": _max_pool,
    "AveragePool": _average_pool,
    "GlobalAveragePool": lambda node, inputs: tf.reduce_mean(inputs[0], (2, 3), keepdims=True),
    "GlobalMaxPool": lambda node, inputs: tf.reduce_max(inputs[0], (2, 3), keepdims=True),
    "ReduceMean": _reduced(tf.reduce_mean),
    "ReduceSum": _reduced(tf.reduce_sum),
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
