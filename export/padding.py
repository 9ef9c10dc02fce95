"""Depthwise convolutions in whole portions of channels, as onnxruntime computes them fast in int8.

Its kernels take 16 channels at once and what is left over one by one. Channels of zeros fill the
last portion up; no answer changes.
"""

from __future__ import annotations

import numpy as np
import onnx

from export.convolutions import Convolutions

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
    layers = Convolutions(out)
    changed = False
    for node in out.graph.node:
        if not layers.is_depthwise(node):
            continue
        missing = -len(layers.weights(node)) % PORTION
        before, behind = _dense_before(layers, node), _dense_behind(layers, node)
        if not missing or before is None or not behind:
            continue
        _pad(layers, before, 0, missing)
        _pad(layers, node, 0, missing)
        next(a for a in node.attribute if a.name == "group").i += missing
        for reader in behind:
            _pad(layers, reader, 1, missing)
        changed = True
    if not changed:
        return proto
    del out.graph.value_info[:]  # it tells the shapes of before
    return onnx.shape_inference.infer_shapes(out)


def _dense_before(layers: Convolutions, node: onnx.NodeProto) -> onnx.NodeProto | None:
    """Return the dense convolution that alone feeds a node, and nothing else."""
    name = node.input[0]
    maker = layers.made_by(name)
    while maker is not None and len(layers.read_by(name)) == 1:
        if maker.op_type not in _ACTIVATIONS:
            return maker if layers.is_dense(maker) else None
        name = maker.input[0]
        maker = layers.made_by(name)
    return None


def _dense_behind(layers: Convolutions, node: onnx.NodeProto) -> list[onnx.NodeProto]:
    """Return the dense convolutions that alone read a node; none where others read it too."""
    readers = layers.read_by(node.output[0])
    while len(readers) == 1 and readers[0].op_type in _ACTIVATIONS:
        readers = layers.read_by(readers[0].output[0])
    return readers if all(layers.is_dense(reader) for reader in readers) else []


def _pad(layers: Convolutions, node: onnx.NodeProto, axis: int, count: int) -> None:
    """Add channels of zeros to a convolution: outputs at axis 0, inputs at axis 1."""
    padding = [(0, count) if i == axis else (0, 0) for i in range(4)]
    layers.replace(node, 1, np.pad(layers.weights(node), padding))
    bias = layers.bias(node)
    if axis == 0 and bias is not None:
        layers.replace(node, 2, np.pad(bias, (0, count)))
