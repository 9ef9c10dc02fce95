"""Keras to fp32 ONNX, and the proof that both answer alike."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime

from edge_runtime.errors import EdgeError
from export.errors import ParityError

__all__ = ["OPSET", "check_parity", "keras_to_onnx", "load_keras"]

# onnxruntime reads 17 since 1.12 (2022), the oldest one vendors still ship for their boards.
OPSET = 17

# Largest difference allowed between Keras and fp32 ONNX: probabilities, and pixels of boxes.
_TOLERANCE = {"scores": 1e-4, "embedding": 1e-4, "cosines": 1e-4, "boxes": 0.05, "landmarks": 0.05}


def load_keras(path: Path) -> keras.Model:
    """Load a .keras file.

    Raises:
        EdgeError: Keras cannot load it, or has another backend than TensorFlow.
    """
    if keras.backend.backend() != "tensorflow":
        raise EdgeError(
            "the exporter needs Keras on TensorFlow; unset KERAS_BACKEND or set it to tensorflow"
        )
    try:
        return keras.saving.load_model(path, compile=False)
    except (ValueError, TypeError, OSError) as error:
        raise EdgeError(f"{path}: Keras cannot load it ({str(error).splitlines()[0]})") from None


def keras_to_onnx(model: keras.Model) -> onnx.ModelProto:
    """Convert a model with one uint8 image input.

    `tf2onnx.convert.from_keras` fails on Keras 3 models; from a function it works and lets us
    name input and outputs.

    Args:
        model: Input uint8 (N, H, W, 3). One output becomes `scores`; a dict keeps its names.

    Returns:
        A checked model with N free.
    """
    import tensorflow as tf
    import tf2onnx

    height, width = model.input_shape[1:3]
    signature = [tf.TensorSpec((None, height, width, 3), tf.uint8, name="image")]

    @tf.function(input_signature=signature)  # type: ignore[untyped-decorator]
    def answer(image: Any) -> dict[str, Any]:
        out = model(image, training=False)
        named = out if isinstance(out, dict) else {"scores": out}
        return {name: tf.identity(value, name=name) for name, value in named.items()}

    proto, _ = tf2onnx.convert.from_function(answer, input_signature=signature, opset=OPSET)
    names = list(model.output) if isinstance(model.output, dict) else ["scores"]
    _rename_outputs(proto, sorted(names))
    proto = _folded(proto)
    proto = onnx.shape_inference.infer_shapes(proto)
    onnx.checker.check_model(proto, full_check=True)
    return proto


def _folded(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Let convolutions absorb the normalizations that tf2onnx leaves behind depthwise ones."""
    with tempfile.TemporaryDirectory(prefix="edge-fold-") as folder:
        target = Path(folder) / "folded.onnx"
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(target)
        onnxruntime.InferenceSession(
            proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        return onnx.load(target)


def check_parity(
    model: keras.Model, proto: onnx.ModelProto, images: npt.NDArray[np.uint8]
) -> dict[str, float]:
    """Compare Keras and ONNX on real inputs, uint8 (N, H, W, 3).

    Returns:
        The largest absolute difference of each output.

    Raises:
        ParityError: One is above what is allowed, or Keras answers with what is no number.
    """
    session = onnxruntime.InferenceSession(
        proto.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    names = [o.name for o in session.get_outputs()]
    got = dict(zip(names, session.run(names, {"image": images}), strict=True))
    out = model(images, training=False)
    reference = out if isinstance(out, dict) else {"scores": out}
    differences = {}
    for name, value in reference.items():
        expected = np.asarray(value)
        if got[name].shape != expected.shape:
            raise ParityError(
                f"output {name}: shape {got[name].shape} (ONNX), {expected.shape} (Keras)"
            )
        if not np.isfinite(expected).all():
            raise ParityError(
                f"output {name}: Keras answers with what is no finite number; the training "
                "diverged: train again with a smaller learning rate"
            )
        differences[name] = float(np.abs(got[name] - expected).max())
        if not differences[name] <= _TOLERANCE[name]:  # also where ONNX answers with no number
            raise ParityError(
                f"output {name}: ONNX differs from Keras by {differences[name]:.2g}, allowed "
                f"{_TOLERANCE[name]:.2g}; report the model's layers"
            )
    return differences


def _rename_outputs(proto: onnx.ModelProto, names: list[str]) -> None:
    """Give the outputs our names; TensorFlow returns a dict's values in order of its keys."""
    current = [o.name for o in proto.graph.output]
    if len(current) != len(names):
        raise ParityError(f"the graph has outputs {current}, expected {names}")
    new = {old: name for old, name in zip(current, names, strict=True) if old != name}
    for node in proto.graph.node:
        for values in (node.input, node.output):
            for i, value in enumerate(values):
                values[i] = new.get(value, value)
    for output in proto.graph.output:
        output.name = new.get(output.name, output.name)
