"""The first layer takes over the scaling of pixels, or reads their bytes: the same answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from export.graph import share_constants
from export.pixels import absorb_scaling, convolution_of_bytes, read_bytes
from export.quantize import RUNGS, Quantizer

Node = tuple[str, list[str], str, dict[str, object]]
SIZE = 8
PLANES = {"perm": [0, 3, 1, 2]}
CAST: Node = ("Cast", ["image"], "real", {"to": TensorProto.FLOAT})
PHOTOS = np.random.default_rng(1).integers(0, 256, (6, 1, SIZE, SIZE, 3), np.uint8)


def network(nodes: list[Node], weights: dict[str, np.ndarray]) -> onnx.ModelProto:
    graph = helper.make_graph(
        [helper.make_node(op, given, [out], name=out, **more) for op, given, out, more in nodes],
        "network",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", SIZE, SIZE, 3])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [None] * 4)],
        [numpy_helper.from_array(np.asarray(w), name) for name, w in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def answers(proto: onnx.ModelProto) -> np.ndarray:
    session = onnxruntime.InferenceSession(proto.SerializeToString())
    return np.concatenate([session.run(["scores"], {"image": photo})[0] for photo in PHOTOS])


def kinds(proto: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in proto.graph.node]


def kernel(outputs: int, inputs: int, size: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.normal(0, 0.3, (outputs, inputs, size, size)).astype(np.float32)


def numbers(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


CONV: Node = ("Conv", ["planes", "w"], "scores", {"strides": [2, 2]})
TURN: Node = ("Transpose", ["b"], "planes", PLANES)


@pytest.mark.parametrize(
    ("nodes", "constants"),
    [
        (
            [("Mul", ["real", "k"], "a", {}), ("Add", ["a", "c"], "b", {}), TURN, CONV],
            {"k": numbers(1 / 127.5), "c": numbers(-1)},
        ),
        (
            [("Sub", ["real", "c"], "a", {}), ("Div", ["a", "k"], "b", {}), TURN, CONV],
            {"k": numbers(58, 57, 59), "c": numbers(124, 117, 104)},
        ),
        (
            [
                ("Transpose", ["real"], "t", PLANES),
                ("Mul", ["t", "k"], "a", {}),
                ("Sub", ["c", "a"], "planes", {}),
                ("Conv", ["planes", "w", "known"], "scores", {"pads": [0, 0, 0, 0]}),
            ],
            {
                "k": numbers(0.01, 0.02, 0.03).reshape(3, 1, 1),
                "c": np.float32(1),
                "known": numbers(1, 2, 3, 4),
            },
        ),
        (
            [
                ("Mul", ["real", "k"], "b", {}),
                TURN,
                ("Add", ["planes", "c"], "d", {}),
                ("Conv", ["d", "w"], "scores", {"auto_pad": "VALID"}),
            ],
            {"k": numbers(0.01), "c": numbers(3)},
        ),
    ],
)
def test_scaling_becomes_weights_and_bias(nodes: list[Node], constants) -> None:
    proto = network([CAST, *nodes], {**constants, "w": kernel(4, 3, 2)})
    before = answers(proto)
    absorb_scaling(proto)
    assert kinds(proto) == ["Cast", "Transpose", "Conv"]
    assert len(proto.graph.initializer) == 2
    np.testing.assert_allclose(answers(proto), before, atol=2e-5)
    assert before.std() > 0.1


@pytest.mark.parametrize(
    "nodes",
    [
        # Zeros at the border stand for scaled pixels.
        [("Mul", ["real", "k"], "b", {}), TURN, ("Conv", ["planes", "w"], "scores",
                                                 {"pads": [1, 1, 0, 0]})],
        [("Mul", ["real", "k"], "b", {}), TURN, ("Conv", ["planes", "w"], "scores",
                                                 {"auto_pad": "SAME_UPPER"})],
        # Somebody else reads the scaled pixels.
        [("Mul", ["real", "k"], "b", {}), TURN, ("Conv", ["planes", "w"], "x", {}),
         ("ReduceMean", ["b"], "y", {"axes": [1, 2, 3]}), ("Add", ["x", "y"], "scores", {})],
        # Not one number a channel: rows of their own.
        [("Mul", ["real", "rows"], "b", {}), TURN, ("Conv", ["planes", "w"], "scores", {})],
        [("Div", ["k", "real"], "b", {}), TURN, ("Conv", ["planes", "w"], "scores", {})],
        # Channels come last for this layer.
        [("Mul", ["real", "k"], "b", {}), ("Transpose", ["b"], "planes", {"perm": [0, 1, 3, 2]}),
         ("Conv", ["planes", "eight"], "scores", {})],
    ],
)  # fmt: skip
def test_what_would_change_answers_stays(nodes: list[Node]) -> None:
    constants = {
        "k": numbers(0.01),
        "rows": np.arange(SIZE * 3, dtype=np.float32).reshape(SIZE, 1, 3)[:, :, :1],
        "w": kernel(4, 3, 2),
        "eight": kernel(4, SIZE, 2),
    }
    read = {name for _, given, _, _ in nodes for name in given}
    proto = network([CAST, *nodes], {n: v for n, v in constants.items() if n in read})
    before = proto.SerializeToString()
    absorb_scaling(proto)
    assert proto.SerializeToString() == before


def test_one_channel_does_not_become_three_by_weights() -> None:
    gray: Node = ("Slice", ["image", "start", "end", "axis"], "gray", {})
    tint = [
        gray,
        ("Cast", ["gray"], "real", {"to": TensorProto.FLOAT}),
        ("Mul", ["real", "k"], "b", {}),
        TURN,
        CONV,
    ]
    ends = {"start": np.array([0]), "end": np.array([1]), "axis": np.array([3])}
    proto = network(tint, {**ends, "k": numbers(1, 2, 3), "w": kernel(4, 3, 2)})
    before = answers(proto)
    absorb_scaling(proto)
    np.testing.assert_array_equal(answers(proto), before)


@pytest.mark.parametrize("spread", [0.02, 1e-7])
def test_channel_that_never_varied_is_not_multiplied_out(spread: float) -> None:
    nodes = [
        ("Sub", ["real", "c"], "a", {}),
        ("Div", ["a", "k"], "b", {}),
        TURN,
        CONV,
    ]
    constants = {"c": numbers(9, 9, 9), "k": numbers(50, 50, spread), "w": kernel(4, 3, 2)}
    proto = network([CAST, *nodes], constants)
    absorb_scaling(proto)
    assert ("Div" in kinds(proto)) == (spread < 0.01)


def test_what_scales_no_pixels_stays() -> None:
    nodes: list[Node] = [
        ("Transpose", ["real"], "t", PLANES),
        ("Conv", ["t", "w"], "x", {}),
        ("Relu", ["x"], "y", {}),
        ("Mul", ["y", "k"], "z", {}),
        ("Conv", ["z", "second"], "scores", {}),
    ]
    proto = network(
        [CAST, *nodes], {"w": kernel(4, 3, 2), "second": kernel(5, 4, 1), "k": numbers(0.5)}
    )
    absorb_scaling(proto)
    assert "Mul" in kinds(proto)


def test_values_read_within_a_branch_stay() -> None:
    inner = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in "pq"]
    branches = [
        helper.make_graph([helper.make_node("Neg", ["b"], ["p"])], "yes", [], inner[:1]),
        helper.make_graph([helper.make_node("Abs", ["b"], ["q"])], "no", [], inner[1:]),
    ]
    nodes: list[Node] = [
        ("Mul", ["real", "k"], "b", {}),
        TURN,
        ("Conv", ["planes", "w"], "x", {}),
        ("If", ["always"], "y", {"then_branch": branches[0], "else_branch": branches[1]}),
        ("ReduceMean", ["y"], "z", {"axes": [1, 2, 3]}),
        ("Add", ["x", "z"], "scores", {}),
    ]
    proto = network(
        [CAST, *nodes], {"k": numbers(0.5), "w": kernel(4, 3, 2), "always": np.array(True)}
    )
    before = answers(proto)
    for rewrite in (absorb_scaling, read_bytes, share_constants):
        rewrite(proto)
    np.testing.assert_array_equal(answers(proto), before)
    assert "Mul" in kinds(proto)


def of_blocks(inputs: list[Node], channels: int = 48) -> onnx.ModelProto:
    """A first layer of 4x4 pixels: bytes in rows of four, made real numbers, then planes."""
    nodes: list[Node] = [
        ("Reshape", ["image", "rows"], "r", {}),
        ("Transpose", ["r"], "blocks", {"perm": [0, 1, 3, 2, 4]}),
        ("Reshape", ["blocks", "deep"], "pixels", {}),
        *inputs,
        ("Transpose", ["real"], "planes", PLANES),
        ("Conv", ["planes", "w"], "a", {}),
        ("Relu", ["a"], "b", {}),
        ("Conv", ["b", "second"], "scores", {}),
    ]
    side = SIZE // 4
    return network(
        nodes,
        {
            "rows": np.array([-1, side, 4, side, 12]),
            "deep": np.array([-1, side * side * 48 // channels, 1, channels]),
            "w": kernel(16, channels, 1),
            "second": kernel(5, 16, 1),
            "k": numbers(0.5),
        },
    )


TO_REAL: Node = ("Cast", ["pixels"], "real", {"to": TensorProto.FLOAT})


def test_layer_of_many_bytes_is_found_and_others_are_not() -> None:
    found = convolution_of_bytes(of_blocks([TO_REAL]))
    assert found is not None
    assert found.name == "a"
    assert convolution_of_bytes(of_blocks([TO_REAL], channels=12)) is not None
    assert convolution_of_bytes(of_blocks([TO_REAL], channels=8)) is None
    scaled: list[Node] = [
        ("Cast", ["pixels"], "p", {"to": TensorProto.FLOAT}),
        ("Mul", ["p", "k"], "real", {}),
    ]
    assert convolution_of_bytes(of_blocks(scaled)) is None


def test_layer_of_bytes_is_quantized_and_reads_them_themselves(tmp_path: Path) -> None:
    proto = of_blocks([TO_REAL])
    for i in proto.graph.initializer:
        if i.name == "w":  # as of a network that scaled its pixels
            i.CopyFrom(numpy_helper.from_array(kernel(16, 48, 1) / 127.5, "w"))
    # Dim photos: what calibration saw must not become what a byte means.
    dim = [photo // 4 for photo in PHOTOS]
    int8 = Quantizer(proto, lambda: iter(dim), len(dim), tmp_path).quantize(RUNGS[0])
    assert kinds(int8).count("Cast") == 1
    before = answers(int8)
    read_bytes(int8)
    onnx.checker.check_model(int8, full_check=True)
    assert "Cast" not in kinds(int8)
    reader = next(n for n in int8.graph.node if n.name == "a")
    restored = next(n for n in int8.graph.node if n.output[0] == reader.input[0])
    assert (restored.op_type, restored.input[0]) == ("DequantizeLinear", "planes")
    np.testing.assert_array_equal(answers(int8), before)
    exact = answers(proto)
    assert np.corrcoef(exact.ravel(), before.ravel())[0, 1] > 0.9


def test_rounding_to_other_steps_stays(tmp_path: Path) -> None:
    int8 = Quantizer(of_blocks([TO_REAL]), lambda: iter(PHOTOS), 6, tmp_path).quantize(RUNGS[0])
    rounding = next(n for n in int8.graph.node if n.op_type == "QuantizeLinear")
    for i in int8.graph.initializer:
        if i.name == rounding.input[1]:
            i.CopyFrom(numpy_helper.from_array(np.float32(0.5).reshape(i.dims), i.name))
    before = int8.graph.node[0].SerializeToString(), len(int8.graph.node)
    read_bytes(int8)
    assert (int8.graph.node[0].SerializeToString(), len(int8.graph.node)) == before


def test_constants_alike_are_kept_once() -> None:
    proto = network(
        [
            ("Cast", ["image"], "real", {"to": TensorProto.FLOAT}),
            ("Add", ["real", "one"], "a", {}),
            ("Add", ["a", "uno"], "b", {}),
            ("Add", ["b", "column"], "c", {}),
            ("Add", ["c", "two"], "scores", {}),
        ],
        {"one": numbers(1), "uno": numbers(1), "column": numbers(1).reshape(1, 1),
         "two": numbers(2)},
    )  # fmt: skip
    before = answers(proto)
    share_constants(proto)
    assert [i.name for i in proto.graph.initializer] == ["one", "column", "two"]
    np.testing.assert_array_equal(answers(proto), before)
