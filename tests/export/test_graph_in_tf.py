"""TensorFlow computes what onnxruntime computes, operator by operator, and can train it."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

pytestmark = pytest.mark.tensorflow
pytest.importorskip("keras")

IMAGE = (2, 3, 8, 10)
INTS = np.int64


def _graph(
    nodes: list[onnx.NodeProto], shape: tuple[int, ...], constants: dict[str, np.ndarray]
) -> onnx.ModelProto:
    """Return a model from `x`, float, to `y`."""
    return helper.make_model(
        helper.make_graph(
            nodes,
            "one operator",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
            [onnx.ValueInfoProto(name="y")],
            [numpy_helper.from_array(value, name) for name, value in constants.items()],
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )


def _in_onnx(proto: onnx.ModelProto, values: Any) -> Any:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return session.run(None, {session.get_inputs()[0].name: values})[0]


def _weights(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).normal(size=shape).astype(np.float32)


KERNEL = {"w": _weights(5, 3, 3, 3), "b": _weights(5)}
DEPTHWISE = {"w": _weights(6, 1, 3, 3)}
ONE_PIXEL = {"w": _weights(5, 3, 1, 1)}
OPERATORS: dict[str, tuple[str, dict[str, Any], dict[str, np.ndarray]]] = {
    "conv": ("Conv", {"pads": [1, 0, 2, 1]}, KERNEL),
    "conv, same": ("Conv", {"auto_pad": "SAME_UPPER", "strides": [2, 2]}, KERNEL),
    "conv, same from below": ("Conv", {"auto_pad": "SAME_LOWER", "strides": [2, 2]}, KERNEL),
    "conv, dilated": ("Conv", {"dilations": [2, 2], "pads": [2, 2, 2, 2]}, KERNEL),
    "conv of a pixel in steps": ("Conv", {"strides": [2, 2]}, ONE_PIXEL),
    "depthwise": ("Conv", {"group": 3, "pads": [1, 1, 1, 1]}, DEPTHWISE),
    "largest of four": ("MaxPool", {"kernel_shape": [2, 2], "strides": [2, 2]}, {}),
    "largest, same": (
        "MaxPool", {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_UPPER"}, {}
    ),
    "mean at an edge": ("AveragePool", {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}, {}),
    "mean with the edge": (
        "AveragePool",
        {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1},
        {},
    ),
    "global mean": ("GlobalAveragePool", {}, {}),
    "global largest": ("GlobalMaxPool", {}, {}),
    "mean of axes": ("ReduceMean", {"axes": [1, 3], "keepdims": 0}, {}),
    "sum of an axis": ("ReduceSum", {"keepdims": 1}, {"axes": np.array([2], INTS)}),
    "clip": ("Clip", {}, {"low": np.float32(-0.5), "high": np.float32(0.5)}),
    "leaky": ("LeakyRelu", {"alpha": 0.2}, {}),
    "hard sigmoid": ("HardSigmoid", {"alpha": 1 / 6, "beta": 0.5}, {}),
    "hard swish": ("HardSwish", {}, {}),
    "softmax of an axis": ("Softmax", {"axis": 1}, {}),
    "negative": ("Neg", {}, {}),
    "exponential": ("Exp", {}, {}),
    "reciprocal": ("Reciprocal", {}, {}),
    "power": ("Pow", {}, {"two": np.float32(2)}),
    "larger of two": ("Max", {}, {"other": _weights(1, 3, 1, 1)}),
    "reshape": ("Reshape", {}, {"shape": np.array([0, -1, 10], INTS)}),
    "flatten": ("Flatten", {}, {}),
    "transpose": ("Transpose", {"perm": [0, 2, 3, 1]}, {}),
    "unsqueeze": ("Unsqueeze", {}, {"axes": np.array([1, 3], INTS)}),
    "pad": ("Pad", {}, {"pads": np.array([0, 0, 1, 0, 0, 0, 0, 2], INTS), "v": np.float32(7)}),
    "pad by its mirror": (
        "Pad", {"mode": "reflect"}, {"pads": np.array([0, 0, 1, 2, 0, 0, 1, 2], INTS)}
    ),
    "mirror": (
        "Slice",
        {},
        {
            "starts": np.array([-1], INTS),
            "ends": np.array([np.iinfo(INTS).min], INTS),
            "axes": np.array([3], INTS),
            "steps": np.array([-1], INTS),
        },
    ),
    "cut": ("Slice", {}, {"starts": np.array([1, 2], INTS), "ends": np.array([3, 7], INTS),
                          "axes": np.array([1, 3], INTS)}),
    "gather": ("Gather", {"axis": 1}, {"which": np.array([2, 0], INTS)}),
    "cast": ("Cast", {"to": TensorProto.INT32}, {}),
}  # fmt: skip


@pytest.mark.parametrize("case", OPERATORS)
def test_operator_is_onnxs(case: str) -> None:
    import tensorflow as tf

    from export.graph_in_tf import TrainableGraph

    kind, attributes, constants = OPERATORS[case]
    node = helper.make_node(kind, ["x", *constants], ["y"], **attributes)
    proto = _graph([node], IMAGE, constants)
    x = np.random.default_rng(0).normal(size=IMAGE).astype(np.float32)
    (found,) = TrainableGraph(proto)(tf.constant(x), ["y"])
    expected = _in_onnx(proto, x)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_operator_that_is_not_known_is_named() -> None:
    from export.errors import FinetuneError
    from export.graph_in_tf import TrainableGraph

    proto = _graph([helper.make_node("Einsum", ["x"], ["y"], equation="nchw->nc")], IMAGE, {})
    with pytest.raises(FinetuneError, match=r"cannot be trained here \(Einsum\)"):
        TrainableGraph(proto)


def _quantized(name: str, real: str) -> list[onnx.NodeProto]:
    """Return rounding of a value to 8 bits by `<name>_scale` and `<name>_zero`."""
    given = [f"{name}_scale", f"{name}_zero"]
    return [
        helper.make_node("QuantizeLinear", [real, *given], [f"{name}_q"]),
        helper.make_node("DequantizeLinear", [f"{name}_q", *given], [name]),
    ]


def _stored(name: str, axis: int) -> onnx.NodeProto:
    given = [f"{name}_whole", f"{name}_scale", f"{name}_zero"]
    return helper.make_node("DequantizeLinear", given, [name], axis=axis)


@pytest.fixture(scope="module")
def quantized() -> onnx.ModelProto:
    """A convolution to four channels and a ReLU, in 8 bits, and the mean of each channel."""
    rng = np.random.default_rng(2)
    constants: dict[str, np.ndarray] = {
        "in_scale": np.float32(0.02), "in_zero": np.int8(-10),
        "w_whole": rng.integers(-64, 65, (4, 3, 3, 3)).astype(np.int8),
        "w_scale": np.array([0.01, 0.02, 0.005, 0.01], np.float32), "w_zero": np.zeros(4, np.int8),
        "b_whole": np.array([300, -200, 40, 0], np.int32),
        "b_scale": np.array([0.01, 0.02, 0.005, 0.01], np.float32) * np.float32(0.02),
        "b_zero": np.zeros(4, np.int32),
        "out_scale": np.float32(0.03), "out_zero": np.int8(-128),
    }  # fmt: skip
    constants["w_whole"].flat[0] = 64
    nodes = [
        *_quantized("in", "x"), _stored("w", 0), _stored("b", 0),
        helper.make_node("Conv", ["in", "w", "b"], ["summed"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["summed"], ["positive"]), *_quantized("out", "positive"),
        helper.make_node("ReduceMean", ["out"], ["y"], axes=[2, 3], keepdims=0),
    ]  # fmt: skip
    return _graph(nodes, IMAGE, constants)


X = np.random.default_rng(3).normal(size=IMAGE).astype(np.float32)


def test_rounding_is_onnxs(quantized) -> None:
    import tensorflow as tf

    from export.graph_in_tf import TrainableGraph

    (found,) = TrainableGraph(quantized)(tf.constant(X), ["y"])
    np.testing.assert_allclose(found, _in_onnx(quantized, X), atol=1e-4)


def test_untrained_graph_is_the_same_graph(quantized) -> None:
    from export.graph_in_tf import TrainableGraph

    again = TrainableGraph(quantized).trained()
    before, after = (
        {i.name: numpy_helper.to_array(i) for i in p.graph.initializer} for p in (quantized, again)
    )
    assert before.keys() == after.keys()
    for name, value in before.items():
        np.testing.assert_allclose(after[name], value, rtol=1e-6, err_msg=name)
        assert after[name].dtype == value.dtype


def test_trained_graph_answers_in_onnx_as_it_did_here(quantized) -> None:
    """Weights, biases and ranges all moved: scales of biases follow those of inputs."""
    import tensorflow as tf

    from export.graph_in_tf import TrainableGraph

    graph = TrainableGraph(quantized)
    rng = np.random.default_rng(4)
    for variable in graph.variables.values():
        variable.assign(np.asarray(variable) + rng.normal(0, 2, variable.shape))
    (here,) = graph(tf.constant(X), ["y"])
    trained = graph.trained()
    np.testing.assert_allclose(_in_onnx(trained, X), here, atol=2e-3)
    assert np.abs(_in_onnx(quantized, X) - here).max() > 0.02
    new = {i.name: numpy_helper.to_array(i) for i in trained.graph.initializer}
    np.testing.assert_allclose(new["b_scale"], new["in_scale"] * new["w_scale"], rtol=1e-6)
    assert new["in_scale"] != np.float32(0.02)
    assert np.abs(new["w_whole"]).max() <= 64  # seven bits stay seven bits


def test_every_variable_has_a_gradient(quantized) -> None:
    import tensorflow as tf

    from export.graph_in_tf import TrainableGraph

    graph = TrainableGraph(quantized)
    assert set(graph.variables) == {"in_scale", "w_whole", "b_whole", "out_scale"}
    with tf.GradientTape() as tape:
        (y,) = graph(tf.constant(X), ["y"])
        far = tf.reduce_sum(y**2)
    gradients = tape.gradient(far, [v.value for v in graph.variables.values()])
    assert all(np.abs(g).max() > 1e-6 for g in gradients)


def test_gradient_of_a_convolution_of_one_pixel_in_steps_keeps_to_its_memory() -> None:
    """Done by TensorFlow 2.21 in one call it wrote beyond it, and the process died."""
    import tensorflow as tf

    from export.graph_in_tf import TrainableGraph

    weights = _weights(16, 16, 1, 1)
    proto = _graph(
        [helper.make_node("Conv", ["x", "w"], ["y"], strides=[2, 2])],
        (8, 16, 60, 60),
        {"w": weights},
    )
    graph = TrainableGraph(proto)
    x = tf.constant(np.random.default_rng(0).normal(size=(8, 16, 60, 60)).astype(np.float32))
    with tf.GradientTape() as tape:
        tape.watch(x)
        (y,) = graph(x, ["y"])
        total = tf.reduce_sum(y)
    found = np.asarray(tape.gradient(total, x))
    np.testing.assert_allclose(found[0, :, 0, 0], weights.sum(0)[:, 0, 0], rtol=1e-4)
    assert np.abs(found[:, :, 1::2]).max() == 0
