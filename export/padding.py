"""Depthwise convolutions in whole portions of channels, as onnxruntime computes them fast in int8.

Its kernels take 16 channels at once and what is left over one by one. Channels of zeros fill the
last portion up; no answer changes.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from export.graph import attribute, drop_unread_weights, makers

__all__ = ["PORTION", "pad_depthwise"]

PORTION = 16
_ACTIVATIONS = ("Relu", "Clip")  # what they make of zero is read by weights of zero alone


def pad_depthwise(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model with the channels between a convolution and its depthwise one filled up.

    Filled up is what only convolutions read: a dense one before, the depthwise one, dense ones
    behind, each with weights that are constants, and nothing but ReLU or Clip between them.

    Args:
        proto: fp32.
    """
    out = onnx.ModelProto()
    out.CopyFrom(proto)
    graph = _Graph(out)
    changed = False
    for node in out.graph.node:
        weights = graph.weights(node)
        if weights is None or not _is_depthwise(node, weights):
            continue
        missing = -len(weights) % PORTION
        before, behind = graph.dense_before(node), graph.dense_behind(node)
        if not missing or before is None or not behind:
            continue
        graph.pad(before, 0, missing)
        graph.pad(node, 0, missing)
        next(a for a in node.attribute if a.name == "group").i += missing
        for reader in behind:
            graph.pad(reader, 1, missing)
        changed = True
    if not changed:
        return proto
    drop_unread_weights(out)
    del out.graph.value_info[:]  # it tells the shapes of before
    return onnx.shape_inference.infer_shapes(out)


def _is_depthwise(node: onnx.NodeProto, weights: Any) -> bool:
    return bool(weights.shape[1] == 1 and attribute(node, "group", 1) == len(weights) > 1)


class _Graph:
    """Who makes and who reads each value of a model, and the weights of its convolutions."""

    def __init__(self, proto: onnx.ModelProto) -> None:
        self._proto = proto
        self._constants = {i.name: i for i in proto.graph.initializer}
        self._maker = makers(proto)
        self._readers: dict[str, list[onnx.NodeProto]] = defaultdict(list)
        for node in proto.graph.node:
            for name in node.input:
                self._readers[name].append(node)
        self._answers = {o.name for o in proto.graph.output}

    def weights(self, node: onnx.NodeProto) -> Any:
        """Return a 2-D convolution's weights (outputs, inputs of a group, h, w), None of others."""
        if node.op_type != "Conv" or any(n not in self._constants for n in node.input[1:] if n):
            return None
        weights = numpy_helper.to_array(self._constants[node.input[1]])
        return weights if weights.ndim == 4 else None

    def dense_before(self, node: onnx.NodeProto) -> onnx.NodeProto | None:
        """Return the dense convolution that alone feeds a node, and nothing else."""
        name = node.input[0]
        while name in self._maker and len(self._readers[name]) == 1 and name not in self._answers:
            maker = self._maker[name]
            if maker.op_type not in _ACTIVATIONS:
                return maker if self._is_dense(maker) else None
            name = maker.input[0]
        return None

    def dense_behind(self, node: onnx.NodeProto) -> list[onnx.NodeProto]:
        """Return the dense convolutions that alone read a node; none where others read it too."""
        name = node.output[0]
        while True:
            readers = self._readers[name]
            if name in self._answers:
                return []
            if len(readers) != 1 or readers[0].op_type not in _ACTIVATIONS:
                return readers if all(self._is_dense(reader) for reader in readers) else []
            name = readers[0].output[0]

    def _is_dense(self, node: onnx.NodeProto) -> bool:
        return self.weights(node) is not None and attribute(node, "group", 1) == 1

    def pad(self, node: onnx.NodeProto, axis: int, count: int) -> None:
        """Add channels of zeros to a convolution: outputs at axis 0, inputs at axis 1."""
        padding = [(0, count) if i == axis else (0, 0) for i in range(4)]
        self._replace(node, 1, np.pad(self.weights(node), padding))
        if axis == 0 and len(node.input) > 2:
            bias = numpy_helper.to_array(self._constants[node.input[2]])
            self._replace(node, 2, np.pad(bias, (0, count)))

    def _replace(self, node: onnx.NodeProto, place: int, value: Any) -> None:
        # Under a name of its own: another node may read the same constant.
        name = f"{node.output[0]}/padded{place}"
        known = self._constants.get(name)
        if known is None:
            known = self._proto.graph.initializer.add()
            self._constants[name] = known
        known.CopyFrom(numpy_helper.from_array(value, name))
        node.input[place] = name
