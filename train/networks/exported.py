"""An exported model as a starting point: its weights, int8 or not, back in a Keras network."""

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
from train.networks.places import Graph, keras_graph, onnx_graph, same_places
from train.recipe import SHIPPED

__all__ = ["exported_card", "exported_file", "load_exported"]

_ARITHMETIC = frozenset({"Add", "Div", "Mul", "Sub"})


def exported_file(weights: str, shipped: str = "faces") -> Path:
    """Return the file that `--weights` names.

    Args:
        weights: An .onnx, or `shipped`.
        shipped: Which of the shipped models that is.

    Raises:
        ModelError: There is none.
    """
    return shipped_models()[shipped] if weights == SHIPPED else find_model(weights)


def exported_card(weights: str) -> ModelCard:
    """Return what the face model that `--weights` names says of itself.

    Raises:
        EdgeError: It has no card.
    """
    return load_model_file(exported_file(weights)).card


def load_exported(model: keras.Model, path: Path, options: str = "network") -> None:
    """Give a network the convolutions of an exported file of the same architecture.

    In the file batch normalization is part of the convolutions; here it is set to add their bias
    and do nothing else. Where the scaling of the input is part of them too, it is taken out again.

    Args:
        model: Its convolutions are normalized or have a bias.
        path: An .onnx, quantized or not.
        options: What decides the architecture, for who named a file of another.

    Raises:
        EdgeError: The file cannot be read, or is of another architecture.
    """
    import onnx  # only here: who trains from other weights needs none

    try:
        proto = onnx.load(path)
    except Exception as error:  # protobuf raises its own kinds
        raise EdgeError(f"{path}: cannot be read as ONNX ({error})") from None
    file, network = onnx_graph(proto), keras_graph(model)
    if len(file.convolutions) != len(network.convolutions):
        raise EdgeError(
            f"{path}: has {len(file.convolutions)} convolutions, the network "
            f"{len(network.convolutions)}; it was exported from another {options}"
        )
    stored = _Stored(proto)
    loaded = {}  # all is found before any is set
    for name, there in same_places(network, file).items():
        shape = tuple(model.get_layer(name).kernel.shape)
        kernels = {n: stored.kernel(n, shape, depthwise=network.convolutions[name]) for n in there}
        fitting = [n for n, kernel in kernels.items() if kernel.shape == shape]
        if len(fitting) != 1:
            other = f"a convolution is {kernels[there[0]].shape}" if there else "no convolution is"
            raise EdgeError(
                f"{path}: {other}, the network's {shape}; it was exported from another {options}"
            )
        kernel, bias = kernels[fitting[0]], stored.bias(fitting[0])
        if not any(file.kinds[step] in _ARITHMETIC for step in file.behind(fitting[0])[1]):
            kernel, bias = _without_scaling(kernel, bias, model, network, name)
        loaded[name] = (kernel, bias)
    normals = _normals(model, network)
    for name, (kernel, bias) in loaded.items():
        convolution, normal = model.get_layer(name), normals.get(name)
        bias = bias[: (normal.beta if normal else convolution.bias).shape[0]]
        if normal is None:
            convolution.set_weights([kernel, bias])
            continue
        convolution.set_weights([kernel])
        ones, zeros = np.ones_like(bias), np.zeros_like(bias)
        normal.set_weights([ones, bias, zeros, ones * (1 - normal.epsilon)])


def _normals(model: keras.Model, network: Graph) -> dict[str, Any]:
    """Return the batch normalization that follows each convolution, by its name."""
    normals = {}
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            (convolution,) = network.behind(layer.name)[0]
            normals[convolution] = layer
    return normals


def _without_scaling(
    kernel: npt.NDArray[np.float32],
    bias: npt.NDArray[np.float32],
    model: keras.Model,
    network: Graph,
    name: str,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return weights for scaled input from those for bytes, where a scaling stands before them."""
    before, passed = network.behind(name)
    scalings = [] if before else [n for n in passed if network.kinds[n] == "Rescaling"]
    for scaling in map(model.get_layer, scalings):
        kernel = kernel / np.float32(scaling.scale)
        bias = bias - np.float32(scaling.offset) * kernel.sum((0, 1, 2))
    return kernel, bias


class _Stored:
    """Weights of an ONNX model's convolutions, as float32 whatever they are stored as."""

    def __init__(self, proto: Any) -> None:
        from onnx import numpy_helper

        self._constants = {t.name: numpy_helper.to_array(t) for t in proto.graph.initializer}
        self._made_by = {made: node for node in proto.graph.node for made in node.output}

    def kernel(
        self, name: str, shape: tuple[int, ...], *, depthwise: bool
    ) -> npt.NDArray[np.float32]:
        """Return a convolution's kernel as Keras has it, without channels to fill up `shape`."""
        kernel = self._value(self._made_by[name].input[1])
        kernel = kernel.transpose((2, 3, 0, 1) if depthwise else (2, 3, 1, 0))
        kept = kernel[tuple(slice(size) for size in shape)]
        # Exporting may fill them up with zeros.
        return kept if np.count_nonzero(kept) == np.count_nonzero(kernel) else kernel

    def bias(self, name: str) -> npt.NDArray[np.float32]:
        """Return a convolution's bias, (outputs,)."""
        return self._value(self._made_by[name].input[2])

    def _value(self, name: str) -> npt.NDArray[np.float32]:
        if name in self._constants:
            return np.asarray(self._constants[name], np.float32)
        node = self._made_by[name]
        stored, scale, zero = (self._constants[n] for n in node.input)
        axis = next((a.i for a in node.attribute if a.name == "axis"), 1)
        shape = [1] * stored.ndim
        if scale.ndim:
            shape[min(axis, stored.ndim - 1)] = -1  # a bias has one axis, whatever is said
        whole = stored.astype(np.float32) - zero.astype(np.float32).reshape(shape)
        return np.asarray(whole * scale.reshape(shape), np.float32)
