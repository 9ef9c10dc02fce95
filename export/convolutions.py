"""The convolutions of a graph: their weights, who feeds them, and who reads what they make."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import onnx
from onnx import numpy_helper

from export.graph import attribute, makers, times_read

__all__ = ["Convolutions"]


class Convolutions:
    """Who makes and who reads each value of a model, and the weights of its 2-D convolutions."""

    def __init__(self, proto: onnx.ModelProto) -> None:
        """Take the model; `replace` changes it in place."""
        self._proto = proto
        self._constants = {i.name: i for i in proto.graph.initializer}
        self._maker = makers(proto)
        self._readers: dict[str, list[onnx.NodeProto]] = defaultdict(list)
        for node in proto.graph.node:
            for name in node.input:
                self._readers[name].append(node)
        self._times_read = times_read(proto)

    def weights(self, node: onnx.NodeProto) -> Any:
        """Return weights (outputs, inputs of a group, h, w); None where they are no constants."""
        if node.op_type != "Conv" or any(n not in self._constants for n in node.input[1:] if n):
            return None
        weights = numpy_helper.to_array(self._constants[node.input[1]])
        return weights if weights.ndim == 4 else None

    def bias(self, node: onnx.NodeProto) -> Any:
        """Return a convolution's bias (outputs,), None where it has none."""
        if len(node.input) < 3 or not node.input[2]:
            return None
        return numpy_helper.to_array(self._constants[node.input[2]])

    def is_dense(self, node: onnx.NodeProto) -> bool:
        """Return whether each output channel is made from all input channels."""
        return self.weights(node) is not None and attribute(node, "group", 1) == 1

    def is_depthwise(self, node: onnx.NodeProto) -> bool:
        """Return whether each output channel is made from one input channel."""
        weights = self.weights(node)
        return (
            weights is not None
            and weights.shape[1] == 1
            and attribute(node, "group", 1) == len(weights) > 1
        )

    def made_by(self, name: str) -> onnx.NodeProto | None:
        """Return the node that makes a value; None of inputs and constants."""
        return self._maker.get(name)

    def read_by(self, name: str) -> list[onnx.NodeProto]:
        """Return the nodes that read a value; none where others do too."""
        readers = self._readers[name]
        return readers if len(readers) == self._times_read[name] else []

    def replace(self, node: onnx.NodeProto, place: int, value: Any) -> None:
        """Give a node another constant, under a name of its own if others read the old one."""
        name = node.input[place]
        if self._times_read[name] > 1:
            self._times_read[name] -= 1
            name = f"{node.output[0]}/own{place}"
            self._constants[name] = self._proto.graph.initializer.add()
            self._times_read[name] = 1
            node.input[place] = name
        self._constants[name].CopyFrom(numpy_helper.from_array(value, name))
