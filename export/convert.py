"""Keras to fp32 ONNX, and the proof that both answer alike."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx import numpy_helper

from edge_runtime.libraries import in_one_line
from export.errors import KerasError, ParityError
from export.graph import attribute
from export.options import OPSET
from export.pixels import absorb_scaling
from export.session import ERRORS_ONLY, cpu_session

__all__ = ["check_parity", "keras_to_onnx"]

_ELEMENTWISE = {"Add", "Sub", "Mul", "Div", "Max", "Min", "Pow"}

# Largest difference allowed between Keras and fp32 ONNX: probabilities, and pixels of boxes.
_TOLERANCE = {"scores": 1e-4, "embedding": 1e-4, "cosines": 1e-4, "boxes": 0.05, "landmarks": 0.05}


def keras_to_onnx(model: keras.Model, opset: int = OPSET) -> onnx.ModelProto:
    """Convert a model with one uint8 image input.

    `tf2onnx.convert.from_keras` fails on Keras 3 models; from a function it works and lets us
    name input and outputs.

    Args:
        model: Input uint8 (N, H, W, 3). One output becomes `scores`; a dict keeps its names.
        opset: Version of ONNX's operators.

    Returns:
        A checked model with N free.

    Raises:
        KerasError: A layer computes what ONNX cannot say.
    """
    import tensorflow as tf
    import tf2onnx
    from tf2onnx.graph import GraphUtil

    height, width = model.input_shape[1:3]
    signature = [tf.TensorSpec((None, height, width, 3), tf.uint8, name="image")]

    @tf.function(input_signature=signature)  # type: ignore[untyped-decorator]
    def answer(image: Any) -> dict[str, Any]:
        out = model(image, training=False)
        named = out if isinstance(out, dict) else {"scores": out}
        return {name: tf.identity(value, name=name) for name, value in named.items()}

    with _functions_in_line():
        function = answer.get_concrete_function(*signature)
    with _tf2onnx_silenced():
        try:
            proto, _ = tf2onnx.convert.from_function(answer, input_signature=signature, opset=opset)
        except Exception as error:  # whatever of its own, of NumPy or of TensorFlow
            raise KerasError(
                f"tf2onnx cannot convert this network ({in_one_line(error)})"
            ) from error
    _fill_in_constants(proto, function)
    _say_groups(proto, function)
    _replace_erfc(proto)
    _name_resizes(proto)
    _expect_known_operators(proto, opset)
    _expect_float32(proto)
    if _shape_scalars(proto):
        proto = GraphUtil.optimize_model_proto(proto)
    names = list(model.output) if isinstance(model.output, dict) else ["scores"]
    _rename_outputs(proto, sorted(names))
    proto = _folded(proto)
    absorb_scaling(proto)
    proto = onnx.shape_inference.infer_shapes(proto)
    onnx.checker.check_model(proto, full_check=True)
    return proto


@contextmanager
def _functions_in_line() -> Iterator[None]:
    """Let Keras write functions of its own, as for grouped convolutions, out where it calls them.

    The converter cannot look into a function that is compiled.
    """
    import tensorflow as tf

    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)


def _say_groups(proto: onnx.ModelProto, function: Any) -> None:
    """Say of grouped convolutions how many groups they have: TensorFlow knows by the shapes."""
    groups = {}
    for operation in function.graph.get_operations():
        if operation.type == "Conv2D":
            image, weights = (value.shape for value in operation.inputs)
            groups[operation.name] = image[-1] // weights[2]
    for node in proto.graph.node:
        if node.op_type == "Conv" and groups.get(node.name, 1) > 1:
            kept = [a for a in node.attribute if a.name != "group"]  # newer converters know it
            del node.attribute[:]
            node.attribute.extend([*kept, onnx.helper.make_attribute("group", groups[node.name])])


def _fill_in_constants(proto: onnx.ModelProto, function: Any) -> None:
    """Give their values to constants that layers hold beside their weights.

    `keras.layers.Normalization` does; the converter takes them for inputs.
    """
    inputs = {i.name: i for i in proto.graph.input}
    for value, placeholder in function.graph.captures:
        if placeholder.name in inputs:
            constant = numpy_helper.from_array(value.numpy(), placeholder.name)
            proto.graph.initializer.append(constant)
            proto.graph.input.remove(inputs[placeholder.name])


def _replace_erfc(proto: onnx.ModelProto) -> None:
    """Write erfc(x), of TensorFlow's GELU, as 1 - erf(x): ONNX has no other."""
    nodes = []
    for node in proto.graph.node:
        if node.op_type != "Erfc":
            nodes.append(node)
            continue
        (x,), (y,) = node.input, node.output
        one = f"{y}/one"
        proto.graph.initializer.append(numpy_helper.from_array(np.ones(1, np.float32), one))
        nodes += [
            onnx.helper.make_node("Erf", [x], [f"{y}/erf"], name=f"{node.name}/erf"),
            onnx.helper.make_node("Sub", [one, f"{y}/erf"], [y], name=node.name),
        ]
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)


def _name_resizes(proto: onnx.ModelProto) -> None:
    """Say how TensorFlow picks the nearest pixel in words that are not deprecated.

    floor((x + 0.5) / scale) is (x + 0.5) / scale - 0.5, rounded up from the middle on. Not every
    execution provider knows the old name.
    """
    for node in proto.graph.node:
        given = {a.name: a for a in node.attribute}
        mode = given.get("coordinate_transformation_mode")
        if node.op_type == "Resize" and mode is not None and mode.s == b"tf_half_pixel_for_nn":
            mode.s = b"half_pixel"
            given["nearest_mode"].s = b"round_prefer_ceil"


def _expect_known_operators(proto: onnx.ModelProto, opset: int) -> None:
    for node in proto.graph.node:
        if node.domain in ("", "ai.onnx") and not onnx.defs.has(node.op_type, opset):
            raise KerasError(
                f"layer {node.name}: computes {node.op_type}, which ONNX {opset} lacks; take "
                "another layer there, or a newer --opset"
            )


def _expect_float32(proto: onnx.ModelProto) -> None:
    """Refuse what was trained in mixed precision and cannot be told to compute otherwise."""
    halves = (onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16)
    casts = (attribute(n, "to", 0) for n in proto.graph.node if n.op_type == "Cast")
    if any(i.data_type in halves for i in proto.graph.initializer) or any(
        c in halves for c in casts
    ):
        raise KerasError(
            "computes in 16 bits, as trained in mixed precision; export the .keras file, whose "
            "layers can be told to compute in float32"
        )


def _shape_scalars(proto: onnx.ModelProto) -> bool:
    """Make numbers of elementwise operators vectors of one; return whether there were any.

    At a number tf2onnx's optimizer of transposes gives up, as at the 3 and the 1/6 of a hard
    sigmoid, and leaves two around each convolution.
    """
    readers: dict[str, set[str]] = {}
    for node in proto.graph.node:
        for name in node.input:
            readers.setdefault(name, set()).add(node.op_type)
    scalars = [
        i for i in proto.graph.initializer
        if not i.dims and readers.get(i.name, {""}) <= _ELEMENTWISE
    ]  # fmt: skip
    for scalar in scalars:
        scalar.dims.append(1)
    return bool(scalars)


@contextmanager
def _tf2onnx_silenced() -> Iterator[None]:
    """Keep the converter from telling, with a traceback, what it could not optimize."""
    logger = logging.getLogger("tf2onnx")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def _folded(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Let convolutions absorb the normalizations that tf2onnx leaves behind depthwise ones."""
    with tempfile.TemporaryDirectory(prefix="edge-fold-") as folder:
        target = Path(folder) / "folded.onnx"
        options = onnxruntime.SessionOptions()
        options.log_severity_level = ERRORS_ONLY
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
    session = cpu_session(proto)
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
                f"{_TOLERANCE[name]:.2g}; which layers it has is worth a report"
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
