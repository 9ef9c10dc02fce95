"""float16 files: half the bytes, the same answers."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from export.graph import attribute
from export.half import beyond_half, to_half

COLORS = np.zeros((3, 16, 16, 3), np.uint8)
for channel in range(3):
    COLORS[channel, ..., channel] = 255


def answers(proto: onnx.ModelProto, name: str) -> np.ndarray:
    session = onnxruntime.InferenceSession(proto.SerializeToString())
    return session.run([name], {"image": COLORS})[0]


def test_weights_are_half_and_both_ends_keep_their_types(classifier_proto) -> None:
    half = to_half(classifier_proto())
    assert [i.data_type for i in half.graph.initializer] == [TensorProto.FLOAT16]
    assert half.graph.input[0].type.tensor_type.elem_type == TensorProto.UINT8
    assert half.graph.output[0].type.tensor_type.elem_type == TensorProto.FLOAT
    assert [o.name for o in half.graph.output] == ["scores"]


def test_answers_are_those_of_the_whole_file_to_three_digits(classifier_proto) -> None:
    scores = answers(to_half(classifier_proto()), "scores")
    right = np.e**4 / (np.e**4 + 2)
    np.testing.assert_allclose(scores.diagonal(), right, atol=5e-4)
    assert scores.dtype == np.float32


@pytest.mark.parametrize("kind", ["Softmax", "ReduceL2"])
def test_what_float16_would_round_or_overflow_stays_in_float(identity_proto, kind: str) -> None:
    """A probability has eleven bits there; the square of 256 is more than it can hold."""
    half = to_half(identity_proto)
    made_by = {name: node for node in half.graph.node for name in node.output}
    (node,) = (node for node in half.graph.node if node.op_type == kind)
    before = made_by[node.input[0]]
    assert before.op_type == "Cast"
    assert attribute(before, "to", None) == TensorProto.FLOAT


def test_embeddings_keep_length_one(identity_proto) -> None:
    embeddings = answers(to_half(identity_proto), "embedding")
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-3)


def test_nodes_stand_in_the_order_they_run_in(identity_proto) -> None:
    half = to_half(identity_proto)
    known = {"image", "", *(i.name for i in half.graph.initializer)}
    for node in half.graph.node:
        assert set(node.input) <= known
        known |= set(node.output)


def test_graph_given_is_not_changed(classifier_proto) -> None:
    proto = classifier_proto()
    before = proto.SerializeToString()
    to_half(proto)
    assert proto.SerializeToString() == before


def _times(factor: float) -> onnx.ModelProto:
    """Build a network whose largest value is 255 times a factor."""
    constants = {"factor": np.float32(factor), "small": np.float32(1e-6)}
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["float", "factor"], ["wide"]),
        helper.make_node("Mul", ["wide", "small"], ["scores"]),
    ]
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", 16, 16, 3])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(v), name) for name, v in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize(
    ("factor", "says"),
    [(256.8, ""), (257, "wide reaches 6.55e+04, fp16 ends at 65504"), (np.inf, "wide reaches ")],
)
def test_values_that_float16_cannot_hold_are_found(factor: float, says: str) -> None:
    found = beyond_half(_times(factor), COLORS)
    assert found.startswith(says)
    assert bool(found) == bool(says)
