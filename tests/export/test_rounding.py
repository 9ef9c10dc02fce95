"""Weights on int8's steps, and answers that stay."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from export.rounding import round_weights

SIZE = 12


def network(rng: np.random.Generator, **convolution: object) -> onnx.ModelProto:
    """Two convolutions over a uint8 picture, the second with the options under test."""
    groups = int(convolution.get("group", 1))  # type: ignore[call-overload]
    first = rng.normal(0, 0.02, (8, 3, 1, 1)).astype(np.float32)
    second = rng.normal(0, 0.3, (8, 8 // groups, 3, 3)).astype(np.float32)
    return onnx.helper.make_model(
        helper.make_graph(
            [
                helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
                helper.make_node("Transpose", ["float"], ["planes"], perm=[0, 3, 1, 2]),
                helper.make_node("Conv", ["planes", "first", "offset"], ["one"]),
                helper.make_node("Relu", ["one"], ["positive"]),
                helper.make_node("Conv", ["positive", "second"], ["out"], **convolution),
            ],
            "network",
            [helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", SIZE, SIZE, 3])],
            [helper.make_tensor_value_info("out", TensorProto.FLOAT, None)],
            [
                numpy_helper.from_array(first, "first"),
                numpy_helper.from_array(rng.normal(0, 1, 8).astype(np.float32), "offset"),
                numpy_helper.from_array(second, "second"),
            ],
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )


def answers(proto: onnx.ModelProto, photos: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(proto.SerializeToString())
    return np.asarray(session.run(None, {"image": photos})[0])


def rounded_to_nearest(proto: onnx.ModelProto, steps: int) -> onnx.ModelProto:
    out = onnx.ModelProto()
    out.CopyFrom(proto)
    for tensor in out.graph.initializer:
        weights = numpy_helper.to_array(tensor)
        if weights.ndim == 4:
            scale = np.abs(weights).max((1, 2, 3), keepdims=True) / steps
            nearest = (np.round(weights / scale) * scale).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(nearest, tensor.name))
    return out


def smooth_photos(rng: np.random.Generator) -> np.ndarray:
    """Neighboring pixels are alike, as in photos: that is what rounding can make use of."""
    coarse = rng.integers(0, 256, (64, SIZE // 4, SIZE // 4, 3))
    fine = coarse.repeat(4, 1).repeat(4, 2) + rng.integers(-20, 20, (64, SIZE, SIZE, 3))
    return fine.clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    "options",
    [
        {"pads": [1, 1, 1, 1]},
        {"pads": [0, 0, 1, 1], "strides": [2, 2]},
        {"auto_pad": "SAME_UPPER", "strides": [2, 2]},
        {"auto_pad": "SAME_UPPER", "group": 8},
        {"dilations": [2, 2], "group": 4},
    ],
)
def test_answers_stay_closer_than_with_the_nearest_steps(options: dict[str, object]) -> None:
    rng = np.random.default_rng(0)
    proto = network(rng, **options)
    photos = smooth_photos(rng)
    expected = answers(proto, photos)
    steps = 15
    got = answers(round_weights(proto, photos, steps), photos)
    nearest = answers(rounded_to_nearest(proto, steps), photos)

    # Less their means, which the biases mend, what is left shows how well steps were chosen.
    error, error_of_nearest = ((a - expected).var((0, 2, 3)).mean() for a in (got, nearest))
    assert error < 0.85 * error_of_nearest
    means = got.mean((0, 2, 3)), expected.mean((0, 2, 3))
    np.testing.assert_allclose(*means, atol=1e-4 * np.abs(expected).max())


def test_weights_are_whole_steps_of_the_largest() -> None:
    rng = np.random.default_rng(1)
    proto = network(rng, pads=[1, 1, 1, 1])
    before = {i.name: numpy_helper.to_array(i) for i in proto.graph.initializer}
    after = round_weights(proto, smooth_photos(rng), 64)
    held = {i.name: numpy_helper.to_array(i) for i in after.graph.initializer}
    kernels = {i.input[0]: held[i.input[1]] for i in after.graph.node if i.op_type == "Conv"}
    for kernel, source in ((kernels["planes"], "first"), (kernels["positive"], "second")):
        largest = np.abs(before[source]).max((1, 2, 3))
        np.testing.assert_allclose(np.abs(kernel).max((1, 2, 3)), largest, rtol=1e-6)
        whole = kernel / largest[:, None, None, None] * 64
        np.testing.assert_allclose(whole, np.round(whole), atol=1e-3)
        assert not np.allclose(kernel, before[source], rtol=1e-6)


def test_few_photos_round_to_the_nearest_step_and_keep_the_mean() -> None:
    rng = np.random.default_rng(2)
    proto = network(rng)
    one = smooth_photos(rng)[:1, :3, :3]
    proto.graph.input[0].CopyFrom(
        helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", 3, 3, 3])
    )
    after = round_weights(proto, one, 127)
    kernel = next(i for i in after.graph.initializer if i.name == "out/rounded")
    source = next(i for i in rounded_to_nearest(proto, 127).graph.initializer if i.name == "second")
    np.testing.assert_allclose(
        numpy_helper.to_array(kernel), numpy_helper.to_array(source), atol=1e-6
    )
    np.testing.assert_allclose(answers(after, one), answers(proto, one), rtol=1e-3, atol=1e-3)


def test_rows_are_counted_where_the_network_looks_twice() -> None:
    """A mirrored network runs two pictures for each that it is given."""
    rng = np.random.default_rng(3)
    proto = network(rng, pads=[1, 1, 1, 1])
    nodes = list(proto.graph.node)
    nodes[0].input[0] = "both"
    del proto.graph.node[:]
    proto.graph.node.extend(
        [helper.make_node("Concat", ["image", "image"], ["both"], axis=0), *nodes]
    )
    photos = smooth_photos(rng)
    expected, got = answers(proto, photos), answers(round_weights(proto, photos, 64), photos)
    assert np.square(got - expected).mean() < 1e-3 * np.square(expected).mean()


def test_rows_of_a_batch_stay_together_where_two_looks_become_one() -> None:
    """The second layer sees both looks of a picture, each a row of the first layer's batch."""
    rng = np.random.default_rng(4)
    proto = network(rng, pads=[1, 1, 1, 1])
    first, *between, second = proto.graph.node
    assert (first.op_type, second.op_type) == ("Cast", "Conv")
    nodes = [
        helper.make_node("Concat", ["image", "image"], ["both"], axis=0),
        first, *between,
        helper.make_node("Split", [second.input[0]], ["left", "right"], axis=0),
        helper.make_node("Max", ["left", "right"], ["larger"]),
        second,
    ]  # fmt: skip
    first.input[0], second.input[0] = "both", "larger"
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
    photos = smooth_photos(rng)[:37]  # the last batch is smaller
    expected, got = answers(proto, photos), answers(round_weights(proto, photos, 64), photos)
    assert len(expected) == 37
    assert np.square(got - expected).mean() < 1e-3 * np.square(expected).mean()
