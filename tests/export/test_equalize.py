"""Channels brought nearer to each other: the same answers, ranges nearer to one."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from export.equalize import equalize_channels

Node = tuple[str, list[str], str, dict[str, object]]

# What each of the stem's four channels makes of the first channel of the picture.
GAINS = np.array([1.0, 0.25, 0.001, 0.0], np.float32)
CHAIN: list[Node] = [
    ("Conv", ["x", "stem", "offsets"], "a", {}),
    ("Relu", ["a"], "b", {}),
    ("Conv", ["b", "each"], "c", {"group": 4}),
    ("Relu", ["c"], "d", {}),
    ("Conv", ["d", "mix"], "e", {}),
]
PICTURE = np.full((1, 3, 6, 6), 16.0, np.float32)
PICTURE[0, 0, 0, 0] = 100.0


def inner() -> onnx.GraphProto:
    """A graph within a node, which reads a value of the one around it."""
    told = helper.make_tensor_value_info("t", TensorProto.FLOAT, [None] * 4)
    return helper.make_graph([helper.make_node("Sigmoid", ["b"], ["t"])], "inner", [], [told])


def network(nodes: list[Node], outputs: list[str]) -> onnx.ModelProto:
    rng = np.random.default_rng(0)
    stem = np.zeros((4, 3, 1, 1), np.float32)
    stem[:, 0, 0, 0] = GAINS
    stored = {
        "stem": stem,
        "offsets": np.array([0, 0, 0, -1], np.float32),
        "each": np.array([1, 2, 30, 4], np.float32).reshape(4, 1, 1, 1),
        "mix": rng.normal(0, 1, (5, 4, 3, 3)).astype(np.float32),
        "other": rng.normal(0, 1, (2, 4, 1, 1)).astype(np.float32),
        "yes": np.array(True),
        "halves": rng.normal(0, 1, (2, 2, 1, 1)).astype(np.float32),
    }
    read = {name for _, given, _, _ in nodes for name in given}
    graph = helper.make_graph(
        [helper.make_node(op, given, [out], name=out, **more) for op, given, out, more in nodes],
        "network",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 6, 6])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * 4) for name in outputs],
        [numpy_helper.from_array(w, name) for name, w in stored.items() if name in read],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def values(proto: onnx.ModelProto, *names: str) -> list[np.ndarray]:
    shown = onnx.ModelProto()
    shown.CopyFrom(proto)
    onnx.checker.check_model(shown, full_check=True)
    del shown.graph.output[:]
    shown.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(shown.SerializeToString(), options)
    return session.run(None, {"x": PICTURE})


def equalized(proto: onnx.ModelProto) -> onnx.ModelProto:
    # One picture is as good as ten here: the second reaches less far.
    return equalize_channels(proto, iter([PICTURE, PICTURE / 2]))


def test_no_answer_changes_and_channels_come_half_as_near_to_the_largest_one() -> None:
    proto = network([*CHAIN, ("Conv", ["b", "other"], "f", {})], ["e", "f"])
    before = proto.SerializeToString()
    done = equalized(proto)
    assert proto.SerializeToString() == before
    for expected, got in zip(values(proto, "e", "f"), values(done, "e", "f"), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)
    (stem,) = values(done, "b")
    # 100 and 25 become 100 and 50; 0.1 goes up by four, as what is a sixteenth does; 0 stays.
    np.testing.assert_allclose(stem.max((0, 2, 3)), [100, 50, 0.4, 0], rtol=1e-5)


def test_what_a_depthwise_convolution_makes_is_scaled_too() -> None:
    (each,) = values(equalized(network(CHAIN, ["e"])), "d")
    # They reach 100, 50, 3 and 0; the third is scaled as a sixteenth, 6.25, is.
    np.testing.assert_allclose(each.max((0, 2, 3)), [100, 50 * 2**0.5, 3 * 4, 0], rtol=1e-5)


def test_signs_count_without_a_relu() -> None:
    nodes: list[Node] = [("Conv", ["x", "stem"], "a", {}), ("Conv", ["a", "other"], "f", {})]
    proto = network(nodes, ["f"])
    stem = next(i for i in proto.graph.initializer if i.name == "stem")
    stem.CopyFrom(numpy_helper.from_array(-numpy_helper.to_array(stem), "stem"))
    done = equalized(proto)
    np.testing.assert_allclose(values(done, "a")[0].min((0, 2, 3))[:2], [-100, -50], rtol=1e-5)
    np.testing.assert_allclose(values(done, "f")[0], values(proto, "f")[0], rtol=1e-5)


def test_weights_that_two_layers_share_are_scaled_for_one_alone() -> None:
    nodes: list[Node] = [
        *CHAIN,
        ("Conv", ["b", "other"], "f", {}),
        ("Conv", ["x", "stem"], "g", {}),
        ("Sigmoid", ["g"], "s", {}),
        ("Conv", ["s", "other"], "h", {}),
    ]
    proto = network(nodes, ["e", "f", "h"])
    names = "e", "f", "h"
    for expected, got in zip(values(proto, *names), values(equalized(proto), *names), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("nodes", "outputs"),
    [
        ([*CHAIN[:2], ("Conv", ["b", "other"], "f", {})], ["f", "b"]),
        ([*CHAIN[:2], ("Conv", ["b", "other"], "f", {}), ("Sigmoid", ["b"], "s", {})], ["f", "s"]),
        (
            [
                *CHAIN[:2],
                ("Conv", ["b", "other"], "f", {}),
                ("If", ["yes"], "s", {"then_branch": inner(), "else_branch": inner()}),
            ],
            ["f", "s"],
        ),
        ([*CHAIN[:2], ("Conv", ["b", "halves"], "f", {"group": 2})], ["f"]),
        ([CHAIN[0], ("Sigmoid", ["a"], "s", {}), ("Conv", ["s", "other"], "f", {})], ["f"]),
        ([*CHAIN[:2], ("MaxPool", ["b"], "p", {"kernel_shape": [2, 2]})], ["p"]),
    ],
)
def test_what_convolutions_alone_do_not_read_stays(nodes: list[Node], outputs: list[str]) -> None:
    proto = network(nodes, outputs)
    assert equalized(proto) is proto
