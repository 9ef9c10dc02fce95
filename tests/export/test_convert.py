"""Layers that the converter of TensorFlow graphs stumbles over."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

pytestmark = [
    pytest.mark.tensorflow,
    # tf2onnx warns of its own doings, and no other way was offered.
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]
keras = pytest.importorskip("keras")
layers = keras.layers

RED = np.empty((2, 8, 8, 3), np.uint8)
RED[:] = (200, 100, 50)


def hard_sigmoid(x: Any) -> np.ndarray:
    """Keras's: a sixth of x + 3, from 0 to 1."""
    return np.clip((np.asarray(x, np.float64) + 3) / 6, 0, 1)


def classifier(*steps: Any) -> Any:
    """Build a model of uint8 pictures from layers and a softmax of their channels' means."""
    image = keras.Input((8, 8, 3), dtype="uint8", name="image")
    x = image
    for step in (*steps, layers.GlobalAveragePooling2D(), layers.Softmax()):
        x = step(x)
    return keras.Model(image, x)


def pass_on(kernel: int = 3, **more: Any) -> Any:
    """Return a convolution that gives each channel what it gets."""
    weights = np.zeros((kernel, kernel, 3, 3))
    weights[kernel // 2, kernel // 2] = np.eye(3)
    start = keras.initializers.Constant(weights)
    return layers.Conv2D(3, kernel, padding="same", kernel_initializer=start, **more)


def answer(proto: onnx.ModelProto) -> np.ndarray:
    session = onnxruntime.InferenceSession(proto.SerializeToString())
    return session.run(["scores"], {"image": RED})[0]


def assert_shares(scores: np.ndarray, logits: Any) -> None:
    powers = np.exp(np.asarray(logits, np.float64))
    np.testing.assert_allclose(scores, [powers / powers.sum()] * len(RED), atol=1e-6)


def count(proto: onnx.ModelProto, kind: str) -> int:
    return [node.op_type for node in proto.graph.node].count(kind)


def test_constants_of_a_normalization_are_in_the_file() -> None:
    from export.convert import keras_to_onnx

    steps = layers.Normalization(mean=[100.0, 50.0, 25.0], variance=[2500.0, 625.0, 100.0])
    proto = keras_to_onnx(classifier(layers.Rescaling(1.0), steps))
    assert [i.name for i in proto.graph.input] == ["image"]
    assert_shares(answer(proto), [2, 2, 2.5])


def test_normalization_that_was_adapted_to_photos_is_in_the_file() -> None:
    from export.convert import keras_to_onnx

    adapted = layers.Normalization()
    adapted.adapt(np.array([[0.0, 0, 0], [200, 100, 100]], np.float32).reshape(2, 1, 1, 3))
    proto = keras_to_onnx(classifier(layers.Rescaling(1.0), adapted))
    assert_shares(answer(proto), [1, 1, 0])  # 100, 50 and 50 from a mean of as much


def test_hard_sigmoid_leaves_no_transposes_around_convolutions() -> None:
    from export.convert import keras_to_onnx

    rescaled = layers.Rescaling(1 / 50)
    steps = [pass_on(activation="hard_sigmoid", name=f"c{i}") for i in range(3)]
    proto = keras_to_onnx(classifier(rescaled, *steps))
    assert (count(proto, "Conv"), count(proto, "Transpose")) == (3, 1)
    assert_shares(answer(proto), hard_sigmoid(hard_sigmoid(hard_sigmoid([4, 2, 1]))))


def test_squeeze_and_excitation_leaves_no_transposes_around_convolutions() -> None:
    """As in MobileNet v3: each channel times a hard sigmoid of its mean."""
    from export.convert import keras_to_onnx

    def excited(x: Any) -> Any:
        share = layers.GlobalAveragePooling2D(keepdims=True)(x)
        share = layers.ReLU(6.0)(pass_on(1)(share) + 3.0) * (1 / 6)
        return layers.Multiply()([pass_on()(x), share])

    proto = keras_to_onnx(classifier(layers.Rescaling(1 / 100), excited, excited))
    assert (count(proto, "Conv"), count(proto, "Transpose")) == (4, 1)
    once = np.array([2, 1, 0.5]) * hard_sigmoid([2, 1, 0.5])
    assert_shares(answer(proto), once * hard_sigmoid(once))


def test_exact_gelu_is_written_in_onnxs_operators() -> None:
    from math import erf

    from export.convert import keras_to_onnx

    proto = keras_to_onnx(classifier(layers.Rescaling(1 / 100), pass_on(activation="gelu")))
    assert count(proto, "Erfc") == 0
    assert_shares(answer(proto), [x / 2 * (1 + erf(x / 2**0.5)) for x in (2, 1, 0.5)])


@pytest.mark.parametrize("size", [(10, 14), (8, 9), (3, 4), (15, 6)])
def test_nearest_pixel_is_the_one_keras_takes_and_has_no_deprecated_name(size) -> None:
    from export.convert import keras_to_onnx

    image = keras.Input((5, 7, 3), dtype="uint8", name="image")
    resized = keras.ops.image.resize(
        keras.ops.cast(image, "float32"), size, interpolation="nearest"
    )
    model = keras.Model(image, layers.Flatten()(resized))
    proto = keras_to_onnx(model)
    (resize,) = (node for node in proto.graph.node if node.op_type == "Resize")
    assert b"tf_half_pixel_for_nn" not in [a.s for a in resize.attribute]
    photo = np.random.default_rng(0).integers(0, 256, (1, 5, 7, 3)).astype(np.uint8)
    session = onnxruntime.InferenceSession(proto.SerializeToString())
    (said,) = session.run(None, {"image": photo})
    np.testing.assert_array_equal(said, np.asarray(model(photo)))


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(
    "before",
    [
        lambda: layers.Rescaling(1 / 255),
        lambda: layers.Lambda(lambda x: keras.ops.cast(x, "float32")),
    ],
    ids=["scaled", "as it is"],
)
def test_grouped_convolutions_answer_as_keras_does(before, stride: int) -> None:
    """Also where no number is in the graph, which is rewritten where one is."""
    from export.convert import check_parity, keras_to_onnx

    keras.utils.set_random_seed(0)
    model = classifier(
        before(),
        layers.Conv2D(12, 3, padding="same", groups=3, strides=stride),
        layers.Conv2D(8, 3, padding="same", groups=4),
    )
    proto = keras_to_onnx(model)
    groups = [
        attribute.i
        for node in proto.graph.node if node.op_type == "Conv"
        for attribute in node.attribute if attribute.name == "group"
    ]  # fmt: skip
    assert groups == [3, 4]
    shape = (2, *model.input_shape[1:])
    check_parity(model, proto, np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8))


def test_network_that_computes_in_sixteen_bits_is_refused() -> None:
    from export.convert import keras_to_onnx
    from export.errors import KerasError

    half = layers.Conv2D(4, 1, dtype="mixed_float16")
    with pytest.raises(KerasError, match=r"^computes in 16 bits, as trained in mixed precision; "):
        keras_to_onnx(classifier(layers.Rescaling(1 / 255), half))


def test_layer_that_onnx_cannot_say_is_named() -> None:
    from export.convert import _expect_known_operators
    from export.errors import KerasError

    node = helper.make_node("Lgamma", ["image"], ["scores"], name="net/strange/Lgamma")
    graph = helper.make_graph([node], "g", [], [])
    with pytest.raises(
        KerasError, match=r"^layer net/strange/Lgamma: computes Lgamma, which ONNX "
    ):
        _expect_known_operators(helper.make_model(graph), 17)


@pytest.mark.parametrize("opset", [13, 17])
def test_opset_is_the_one_asked_for(opset: int) -> None:
    from export.convert import keras_to_onnx

    proto = keras_to_onnx(classifier(layers.Rescaling(1 / 50), pass_on()), opset)
    assert {o.domain: o.version for o in proto.opset_import}[""] == opset
    assert_shares(answer(proto), [4, 2, 1])


def test_numbers_of_elementwise_operators_become_vectors_of_one_and_no_others() -> None:
    from export.convert import _shape_scalars

    constants = {
        "three": np.float32(3),  # read by Add and Mul
        "low": np.float32(0),  # of a Clip, which takes numbers only
        "both": np.float32(6),  # read by a Mul and as a Clip's limit
        "vector": np.ones(2, np.float32),
    }
    nodes = [
        helper.make_node("Add", ["x", "three"], ["a"]),
        helper.make_node("Mul", ["a", "three"], ["b"]),
        helper.make_node("Clip", ["b", "low", "both"], ["c"]),
        helper.make_node("Mul", ["c", "both"], ["d"]),
        helper.make_node("Div", ["d", "vector"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "numbers",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 2])],
        [numpy_helper.from_array(np.asarray(v), name) for name, v in constants.items()],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    assert _shape_scalars(proto)
    dims = {i.name: list(i.dims) for i in proto.graph.initializer}
    assert dims == {"three": [1], "low": [], "both": [], "vector": [2]}
    onnx.checker.check_model(proto, full_check=True)
    session = onnxruntime.InferenceSession(proto.SerializeToString())
    given = np.array([[-4.0, -2.5]], np.float32)
    np.testing.assert_allclose(session.run(None, {"x": given})[0], [[0, 9]])
    assert not _shape_scalars(proto)
