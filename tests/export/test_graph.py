"""Parts cut out of a graph."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from export.graph import attribute, drop_unread_weights, part_from, part_of

A = np.zeros(2, np.float32)


@pytest.fixture
def proto() -> onnx.ModelProto:
    """From x in integers: f = x, a = 2 f, b = a + 5, c = 10 b, d = a - 1."""
    numbers = {"two": 2, "five": 5, "ten": 10, "one": 1}
    nodes = [
        helper.make_node("Cast", ["x"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["f", "two"], ["a"]),
        helper.make_node("Add", ["a", "five"], ["b"]),
        helper.make_node("Mul", ["b", "ten"], ["c"]),
        helper.make_node("Sub", ["a", "one"], ["d"]),
    ]
    graph = helper.make_graph(
        nodes,
        "chain",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, ["n"])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n"]) for name in ("c", "d")],
        [numpy_helper.from_array(np.float32(v), name) for name, v in numbers.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def answers(proto: onnx.ModelProto, given: np.ndarray) -> list[list[float]]:
    """Return what a graph of one input answers."""
    session = onnxruntime.InferenceSession(proto.SerializeToString())
    (entry,) = session.get_inputs()
    return [value.tolist() for value in session.run(None, {entry.name: given})]


def test_part_from_one_value_to_another_takes_the_first_as_its_only_input(proto) -> None:
    part = part_from(proto, {"a": A}, "c")
    assert [i.name for i in part.graph.input] == ["a"]
    assert [node.output[0] for node in part.graph.node] == ["b", "c"]
    assert sorted(i.name for i in part.graph.initializer) == ["five", "ten"]
    assert answers(part, np.array([0.5, 1], np.float32)) == [[55.0, 60.0]]


def test_part_from_a_value_and_the_next_is_one_node(proto) -> None:
    part = part_from(proto, {"a": A}, "d")
    assert [node.op_type for node in part.graph.node] == ["Sub"]
    assert answers(part, np.array([3], np.float32)) == [[2.0]]


def test_part_from_two_values_reads_both_and_nothing_before_them(proto) -> None:
    proto.graph.node.append(helper.make_node("Add", ["f", "c"], ["e"]))
    part = part_from(proto, {"f": A, "b": A}, "e")
    assert [node.output[0] for node in part.graph.node] == ["c", "e"]
    session = onnxruntime.InferenceSession(part.SerializeToString())
    given = {"f": np.array([3], np.float32), "b": np.array([11], np.float32)}
    assert session.run(None, given)[0].tolist() == [113.0]


def test_part_of_named_values_begins_at_the_graphs_own_input(proto) -> None:
    part = part_of(proto, ["d", "b"])
    assert [node.output[0] for node in part.graph.node] == ["f", "a", "b", "d"]
    assert answers(part, np.array([4], np.uint8)) == [[7.0], [13.0]]


def test_parts_read_the_operators_of_their_graph(proto) -> None:
    part = part_from(proto, {"a": A}, "b")
    assert [(o.domain, o.version) for o in part.opset_import] == [("", 17)]
    assert part.ir_version == 8


def test_part_holds_what_the_inside_of_a_branch_reads() -> None:
    """y = x + 5 where the flag is set, else x + one; both are read within the branches alone."""

    def branch(name: str, adds: str) -> onnx.GraphProto:
        out = helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
        return helper.make_graph([helper.make_node("Add", ["f", adds], [name])], name, [], [out])

    nodes = [
        helper.make_node("Cast", ["x"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["four", "one"], ["five"]),
        helper.make_node(
            "If", ["flag"], ["y"], then_branch=branch("a", "five"), else_branch=branch("b", "one")
        ),
        helper.make_node("Neg", ["y"], ["z"]),
    ]
    constants = {"four": np.float32(4), "one": np.float32(1), "flag": np.bool_(True)}
    graph = helper.make_graph(
        nodes,
        "branches",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, ["n"])],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, ["n"])],
        [numpy_helper.from_array(np.asarray(v), name) for name, v in constants.items()],
    )
    whole = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    assert answers(part_of(whole, ["y"]), np.array([1, 2], np.uint8)) == [[6.0, 7.0]]
    drop_unread_weights(whole)
    assert answers(whole, np.array([1, 2], np.uint8)) == [[-6.0, -7.0]]


def test_attribute_that_is_not_there_is_the_operators_own(proto) -> None:
    assert attribute(proto.graph.node[0], "to", 0) == TensorProto.FLOAT
    assert attribute(proto.graph.node[1], "group", 1) == 1


def test_weights_no_node_reads_are_dropped(proto) -> None:
    del proto.graph.node[3:]
    drop_unread_weights(proto)
    assert [i.name for i in proto.graph.initializer] == ["two", "five"]
