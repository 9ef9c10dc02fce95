"""Names inside of a file."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from export.names import shorten_names
from export.session import cpu_session

PATH = "functional_1_1/network_1"


@pytest.fixture
def nested() -> onnx.ModelProto:
    """Five additions in a model in a model, quantized after the first."""
    nodes, weights, value = [], [], "image"
    for i in range(1, 6):
        kernel, said = f"{PATH}/dense_{i}/ReadVariableOp:0", f"{PATH}/dense_{i}/add:0"
        weights.append(numpy_helper.from_array(np.float32([1]), kernel))
        nodes.append(helper.make_node("Add", [value, kernel], [said], name=said[:-2]))
        value = said
        if i == 1:
            scale, zero = f"{said}_scale", f"{said}_zero_point"
            weights.append(numpy_helper.from_array(np.float32(0.5), scale))
            weights.append(numpy_helper.from_array(np.uint8(0), zero))
            for kind in ("QuantizeLinear", "DequantizeLinear"):
                name = f"{said}_{kind}"
                nodes.append(
                    helper.make_node(kind, [value, scale, zero], [f"{name}_Output"], name=name)
                )
                value = nodes[-1].output[0]
    nodes[-1].output[0] = "scores"
    image, scores, inner = (
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [2])
        for name in ("image", "scores", f"{PATH}/dense_1/add:0")
    )
    graph = helper.make_graph(nodes, "g", [image], [scores], weights, value_info=[inner])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def test_values_are_called_by_their_layer_and_answer_as_before(nested) -> None:
    given = {"image": np.float32([0.3, 2.1])}
    before = cpu_session(nested).run(None, given)[0]
    size = nested.ByteSize()
    shorten_names(nested)
    assert [list(n.input) for n in nested.graph.node][:5] == [
        ["image", "dense_1"],
        ["dense_1.1", "dense_1/scale", "dense_1/zero"],
        ["dense_1/8", "dense_1/scale", "dense_1/zero"],
        ["dense_1/float", "dense_2"],
        ["dense_2.1", "dense_3"],
    ]
    assert [n.name for n in nested.graph.node][:4] == ["dense_1.1", "", "", "dense_2.1"]
    assert list(nested.graph.value_info) == []
    onnx.checker.check_model(nested, full_check=True)
    np.testing.assert_array_equal(cpu_session(nested).run(None, given)[0], before)
    assert before.tolist() == [5.5, 7.0]
    assert nested.ByteSize() < 0.6 * size


def test_names_without_paths_and_those_of_the_ends_stay(classifier_proto) -> None:
    proto = classifier_proto()
    ends = [v.name for v in (*proto.graph.input, *proto.graph.output)]
    shorten_names(proto)
    assert [v.name for v in (*proto.graph.input, *proto.graph.output)] == ends
    onnx.checker.check_model(proto, full_check=True)


def test_graph_that_holds_graphs_is_left_alone(nested) -> None:
    inner = helper.make_graph(
        [helper.make_node("Identity", [f"{PATH}/dense_1/add:0"], ["x"])],
        "inner", [], [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [2])],
    )  # fmt: skip
    yes = numpy_helper.from_array(np.array(True), "yes")
    nested.graph.initializer.append(yes)
    nested.graph.node.append(
        helper.make_node("If", ["yes"], ["last"], then_branch=inner, else_branch=inner)
    )
    before = nested.SerializeToString()
    shorten_names(nested)
    assert nested.SerializeToString() == before
