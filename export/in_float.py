"""What of a network stays in float: the preparing of pixels, the first layer, the decoding."""

from __future__ import annotations

import onnx

from export.graph import attribute, times_read
from export.pixels import convolution_of_bytes

__all__ = ["WITH_WEIGHTS", "kept_in_float", "pool_the_first_layer"]

WITH_WEIGHTS = ("Conv", "Gemm", "MatMul")


def kept_in_float(proto: onnx.ModelProto) -> list[str]:
    """Return the names of nodes that are not quantized: up to the first layer, after the last."""
    return _up_to_the_first_layer(proto) + _after_the_last_weights(proto)


def _up_to_the_first_layer(proto: onnx.ModelProto) -> list[str]:
    """Return the nodes that prepare the input (scaling, colors to gray, contrast) and the first.

    The first layer is the first convolution that makes more channels than it is given. Of a photo's
    three channels, kernels for int8 make no use: float is no slower. And where a network stretches
    a photo's contrast before it, 8 bits for all photos leave a dull one few steps. Only a layer of
    enough channels of bytes (`convolution_of_bytes`), as of blocks of pixels, is in int8 itself.
    """
    if convolution_of_bytes(proto) is not None:
        return []
    names: list[str] = []
    first = _first_layer(proto)
    if first is None:
        return names  # nothing is known to be preparation
    for node in proto.graph.node:
        names.append(node.name)
        if node.name == first.name:
            break
    return names + [node.name for node in _pooling_behind(proto, first)]


def _first_layer(proto: onnx.ModelProto) -> onnx.NodeProto | None:
    shapes = {i.name: i.dims for i in proto.graph.initializer}
    for node in proto.graph.node:
        shape = shapes.get(node.input[1]) if node.op_type == "Conv" else None
        if shape is not None and shape[0] > shape[1] * attribute(node, "group", 1):
            return node
    return None


def pool_the_first_layer(proto: onnx.ModelProto) -> None:
    """Pool the maxima of a first layer in float before its ReLU, in place: to the same numbers.

    Right behind a pooling onnxruntime would round before it, and bytes that do not lie channels
    last it pools 40 times as slowly as real numbers.
    """
    first = _first_layer(proto)
    if first is None or convolution_of_bytes(proto) is not None:
        return
    kinds = [node.op_type for node in _pooling_behind(proto, first)]
    if kinds != ["Relu", "MaxPool"]:
        return
    relu, pool = _pooling_behind(proto, first)
    pool.input[0], relu.input[0] = relu.input[0], relu.output[0]
    pool.output[0], relu.output[0] = relu.output[0], pool.output[0]
    nodes = list(proto.graph.node)
    i, j = nodes.index(relu), nodes.index(pool)
    nodes[i], nodes[j] = nodes[j], nodes[i]
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
    for value in [v for v in proto.graph.value_info if v.name == relu.input[0]]:
        proto.graph.value_info.remove(value)  # it has other sides now


def _pooling_behind(proto: onnx.ModelProto, layer: onnx.NodeProto) -> list[onnx.NodeProto]:
    """Return the ReLU and the pooling of maxima that alone read a layer, in order, or nothing."""
    read = times_read(proto)
    behind = [layer]
    while len(behind) < 3 and read[behind[-1].output[0]] == 1:
        value = behind[-1].output[0]
        behind += [node for node in proto.graph.node if value in node.input]
    kinds = {node.op_type for node in behind[1:]}
    alone = all(len(node.output) == 1 for node in behind)  # a pooling may tell places too
    return behind[1:] if alone and kinds == {"Relu", "MaxPool"} else []


def _after_the_last_weights(proto: onnx.ModelProto) -> list[str]:
    """Return the nodes from which no layer with weights is reached: decoding, softmax.

    Their numbers are answers (pixels, probabilities); 8 bits would round a box to whole pixels.
    """
    leads_to_weights: set[str] = set()
    excluded = []
    for node in reversed(proto.graph.node):
        feeds = node.op_type in WITH_WEIGHTS or bool(leads_to_weights & set(node.output))
        if feeds:
            leads_to_weights |= set(node.input)
        else:
            excluded.append(node.name)
    return excluded
