"""How much arithmetic a model asks for, counted from its graph."""

from __future__ import annotations

import math
from pathlib import Path

import onnx
from onnx import numpy_helper

__all__ = ["count_macs"]


def count_macs(path: Path) -> int:
    """Return the multiply-accumulates of one picture: convolutions and matrix products.

    A graph that looks at a picture twice (itself and its mirror image) counts both.
    """
    proto = onnx.load(path)
    for value in proto.graph.input:
        value.type.tensor_type.shape.dim[0].dim_value = 1
    del proto.graph.value_info[:]
    proto = onnx.shape_inference.infer_shapes(proto, data_prop=True)
    known = [*proto.graph.value_info, *proto.graph.output, *proto.graph.input]
    shapes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in known}
    constants = {t.name: numpy_helper.to_array(t).shape for t in proto.graph.initializer}
    made_by = {out: node for node in proto.graph.node for out in node.output}

    def shape(name: str) -> tuple[int, ...]:
        if name in constants:
            return tuple(constants[name])
        if name in made_by and made_by[name].op_type == "DequantizeLinear":
            return shape(made_by[name].input[0])
        return tuple(shapes[name])

    total = 0
    for node in proto.graph.node:
        if node.op_type == "Conv":
            # Each output value is a sum over one filter.
            total += math.prod(shape(node.output[0])) * math.prod(shape(node.input[1])[1:])
        elif node.op_type in ("MatMul", "Gemm"):
            across = shape(node.input[0])[-1]
            total += math.prod(shape(node.output[0])) * across
    return total
