"""An exported face model as a starting point: its int8 weights back in a Keras network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import layers

from edge_runtime.errors import EdgeError
from edge_runtime.model.card import ModelCard
from edge_runtime.model.catalog import find_model, shipped_models
from edge_runtime.model.onnx_file import load_model_file
from train.recipe import SHIPPED

__all__ = ["exported_card", "exported_file", "load_exported"]


def exported_file(weights: str) -> Path:
    """Return the file that `--weights` names: `shipped`, or an .onnx.

    Raises:
        ModelError: There is none.
    """
    return shipped_models()["faces"] if weights == SHIPPED else find_model(weights)


def exported_card(weights: str) -> ModelCard:
    """Return what the file that `--weights` names says of itself.

    Raises:
        EdgeError: It has no card.
    """
    return load_model_file(exported_file(weights)).card


def load_exported(model: keras.Model, weights: str | Path) -> None:
    """Give a network the convolutions of an exported file of the same architecture.

    In the file batch normalization is part of the convolutions; here it is set to add their bias
    and do nothing else.

    Args:
        model: See `train.networks.face_embedding.embedding_network`.
        weights: An .onnx, quantized or not, or `shipped`.

    Raises:
        EdgeError: The file cannot be read, or is of another architecture.
    """
    import onnx  # only here: who trains from other weights needs none
    from onnx import numpy_helper

    path = exported_file(str(weights))
    try:
        proto = onnx.load(path)
    except Exception as error:  # protobuf raises its own kinds
        raise EdgeError(f"{path}: cannot be read as ONNX ({error})") from None
    values = {t.name: numpy_helper.to_array(t) for t in proto.graph.initializer}
    made_by = {out: node for node in proto.graph.node for out in node.output}
    nodes = [n for n in proto.graph.node if n.op_type == "Conv" and len(n.input) == 3]
    pairs = _convolutions(model)
    if len(nodes) != len(pairs):
        raise EdgeError(
            f"{path}: has {len(nodes)} convolutions, the network {len(pairs)}; it was exported "
            "from another --backbone or --size"
        )
    for node, (convolution, normal) in zip(nodes, pairs, strict=True):
        kernel, bias = (_value(name, values, made_by) for name in node.input[1:])
        place = (2, 3, 0, 1) if isinstance(convolution, layers.DepthwiseConv2D) else (2, 3, 1, 0)
        turned = _unpadded(kernel.transpose(place), convolution.kernel.shape)
        if turned.shape != tuple(convolution.kernel.shape):
            raise EdgeError(
                f"{path}: a convolution is {turned.shape}, the network's "
                f"{tuple(convolution.kernel.shape)}; it was exported from another --backbone"
            )
        convolution.set_weights([turned])
        bias = bias[: normal.beta.shape[0]]
        ones, zeros = np.ones_like(bias), np.zeros_like(bias)
        normal.set_weights([ones, bias, zeros, ones * (1 - normal.epsilon)])


def _unpadded(kernel: npt.NDArray[np.float32], shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """Return a kernel without the channels of zeros that exporting fills it up with."""
    kept = kernel[tuple(slice(size) for size in shape)]
    return kept if np.count_nonzero(kept) == np.count_nonzero(kernel) else kernel


def _convolutions(model: keras.Model) -> list[tuple[Any, Any]]:
    kinds = (layers.Conv2D, layers.DepthwiseConv2D)
    convolutions = [layer for layer in model.layers if isinstance(layer, kinds)]
    normals = [layer for layer in model.layers if isinstance(layer, layers.BatchNormalization)]
    if len(convolutions) != len(normals):
        raise EdgeError(
            "the backbone has convolutions without batch normalization, so an exported file cannot "
            "fill it; take a mobilenet"
        )
    return list(zip(convolutions, normals, strict=True))


def _value(
    name: str, values: dict[str, npt.NDArray[Any]], made_by: dict[str, Any]
) -> npt.NDArray[np.float32]:
    """Return a constant of the graph, dequantized where it is int8 or int32."""
    if name in values:
        return np.asarray(values[name], np.float32)
    node = made_by[name]
    stored, scale, zero = (values[n] for n in node.input)
    axis = next((a.i for a in node.attribute if a.name == "axis"), 1)
    shape = [1] * stored.ndim
    if scale.ndim:
        shape[axis] = -1
    whole = stored.astype(np.float32) - zero.astype(np.float32).reshape(shape)
    return np.asarray(whole * scale.reshape(shape), np.float32)
