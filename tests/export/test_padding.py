"""Depthwise convolutions in whole portions of channels: the same answers, other shapes."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from export.padding import PORTION, pad_depthwise

Node = tuple[str, list[str], str, dict[str, object]]

# A stem of 24 channels, its depthwise convolution, and one of 16 that reads it.
CHAIN: list[Node] = [
    ("Conv", ["x", "stem", "stem_bias"], "a", {}),
    ("Relu", ["a"], "b", {}),
    ("Conv", ["b", "each", "each_bias"], "c", {"group": 24, "pads": [1, 1, 1, 1]}),
    ("Clip", ["c", "zero", "six"], "d", {}),
    ("Conv", ["d", "mix"], "e", {}),
]


def weights() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    shapes = {"stem": (24, 3, 1, 1), "stem_bias": (24,), "each": (24, 1, 3, 3), "each_bias": (24,),
              "mix": (16, 24, 1, 1), "other": (8, 24, 1, 1)}  # fmt: skip
    made = {name: rng.normal(0, 1, shape).astype(np.float32) for name, shape in shapes.items()}
    return {**made, "zero": np.float32(0), "six": np.float32(6)}


def network(nodes: list[Node], outputs: list[str]) -> onnx.ModelProto:
    read = {name for _, given, _, _ in nodes for name in given}
    graph = helper.make_graph(
        [helper.make_node(op, given, [out], name=out, **more) for op, given, out, more in nodes],
        "network",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 6, 6])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * 4) for name in outputs],
        [numpy_helper.from_array(np.asarray(w), n) for n, w in weights().items() if n in read],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def shapes(proto: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    stored = {i.name: tuple(i.dims) for i in proto.graph.initializer}
    return {n.name: stored[n.input[1]] for n in proto.graph.node if n.op_type == "Conv"}


def answers(proto: onnx.ModelProto) -> list[np.ndarray]:
    onnx.checker.check_model(proto, full_check=True)
    x = np.random.default_rng(1).normal(0, 2, (2, 3, 6, 6)).astype(np.float32)
    return onnxruntime.InferenceSession(proto.SerializeToString()).run(None, {"x": x})


def test_channels_are_filled_up_and_no_answer_changes() -> None:
    proto = network([*CHAIN, ("Conv", ["d", "other"], "f", {})], ["e", "f"])
    padded = pad_depthwise(proto)
    assert PORTION == 16
    assert shapes(padded) == {
        "a": (32, 3, 1, 1), "c": (32, 1, 3, 3), "e": (16, 32, 1, 1), "f": (8, 32, 1, 1),
    }  # fmt: skip
    assert shapes(proto)["c"] == (24, 1, 3, 3)  # what was given stays as it was
    for expected, got in zip(answers(proto), answers(padded), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("more", "outputs"),
    [
        ([("Add", ["b", "d"], "s", {})], ["e", "s"]),  # both sides of it are read elsewhere
        ([("ReduceMean", ["d"], "s", {})], ["e", "s"]),
        ([], ["e", "c"]),
    ],
)
def test_what_something_else_reads_stays_as_it_is(more: list[Node], outputs: list[str]) -> None:
    proto = network([*CHAIN, *more], outputs)
    assert pad_depthwise(proto) is proto


def test_depthwise_convolution_of_the_input_itself_stays_as_it_is() -> None:
    proto = network([("Conv", ["x", "w"], "a", {"group": 3})], ["a"])
    tensor = numpy_helper.from_array(np.ones((3, 1, 3, 3), np.float32), "w")
    proto.graph.initializer.append(tensor)
    assert pad_depthwise(proto) is proto
