"""What is quantized and what stays float32."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from export.quantize import RUNGS, Quantizer, calibration_samples
from export.run_folder import Sample

SIZE = 8


Nodes = list[tuple[str, list[str], str, dict[str, object]]]


def network(nodes: Nodes, weights: dict[str, np.ndarray], classes: int) -> onnx.ModelProto:
    """Build a classifier of pictures; a node is its operator, inputs, output, and attributes."""
    graph = helper.make_graph(
        [helper.make_node(op, given, [out], name=out, **more) for op, given, out, more in nodes],
        "network",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", SIZE, SIZE, 3])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", classes])],
        [numpy_helper.from_array(w.astype(np.float32), name) for name, w in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.fixture
def proto() -> onnx.ModelProto:
    """Colors to gray, a contrast that is stretched, two convolutions, and a softmax."""
    rng = np.random.default_rng(0)
    weights = {
        "luma": np.full((1, 3, 1, 1), 1 / 3),
        "offset": np.full((1,), -60.0),
        "spread": np.full((1,), 0.02),
        "first": rng.normal(0, 0.5, (4, 1, 3, 3)),
        "second": rng.normal(0, 0.5, (5, 4, 3, 3)),
    }
    nodes = [
        ("Cast", ["image"], "float", {"to": TensorProto.FLOAT}),
        ("Transpose", ["float"], "planes", {"perm": [0, 3, 1, 2]}),
        ("Conv", ["planes", "luma"], "gray", {}),
        ("Add", ["gray", "offset"], "centered", {}),
        ("Mul", ["centered", "spread"], "stretched", {}),
        ("Conv", ["stretched", "first"], "a", {}),
        ("Relu", ["a"], "b", {}),
        ("Conv", ["b", "second"], "c", {}),
        ("GlobalAveragePool", ["c"], "d", {}),
        ("Flatten", ["d"], "e", {}),
        ("Softmax", ["e"], "scores", {}),
    ]
    return network(nodes, weights, classes=5)


@pytest.fixture
def photos() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (32, 1, SIZE, SIZE, 3), np.uint8)


def quantized_weights(proto: onnx.ModelProto) -> list[tuple[int, ...]]:
    """Return the shapes of convolutions' weights that are stored in int8."""
    stored = {i.name: i for i in proto.graph.initializer}
    found = [stored[n.input[0]] for n in proto.graph.node if n.op_type == "DequantizeLinear"
             and n.input[0] in stored]  # fmt: skip
    return [tuple(i.dims) for i in found if i.data_type == TensorProto.INT8 and len(i.dims) == 4]


def test_maxima_of_the_first_layer_are_pooled_before_they_are_rounded(
    photos, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    weights = {"first": rng.normal(0, 0.01, (4, 3, 3, 3)), "second": rng.normal(0, 1, (5, 4, 1, 1))}
    proto = network(
        [
            ("Cast", ["image"], "float", {"to": TensorProto.FLOAT}),
            ("Transpose", ["float"], "planes", {"perm": [0, 3, 1, 2]}),
            ("Conv", ["planes", "first"], "a", {}),
            ("Relu", ["a"], "b", {}),
            ("MaxPool", ["b"], "c", {"kernel_shape": [2, 2], "strides": [2, 2]}),
            ("Conv", ["c", "second"], "d", {}),
            ("MaxPool", ["d"], "e", {"kernel_shape": [2, 2]}),
            ("GlobalAveragePool", ["e"], "f", {}),
            ("Flatten", ["f"], "g", {}),
            ("Softmax", ["g"], "scores", {}),
        ],
        weights,
        classes=5,
    )
    int8 = Quantizer(proto, lambda: iter(photos), len(photos), tmp_path).quantize(RUNGS[0])
    rounded = [n.input[0] for n in int8.graph.node if n.op_type == "QuantizeLinear"]
    assert rounded[0] == "c"
    assert "a" not in rounded
    assert "b" not in rounded
    assert "d" in rounded  # the second's are, as they were
    # Before a ReLU, or onnxruntime would round before it pools.
    kinds = [n.op_type for n in int8.graph.node if n.output[0] in ("a", "b", "c")]
    assert kinds == ["Conv", "MaxPool", "Relu"]
    exact, rough = (
        onnxruntime.InferenceSession(m.SerializeToString()).run(None, {"image": photos[0]})[0]
        for m in (proto, int8)
    )
    np.testing.assert_allclose(rough, exact, atol=0.02)


def test_layer_in_float_reads_what_comes_out_of_a_relu(photos, tmp_path: Path) -> None:
    """Rounding from 0 on does a ReLU's work; whoever reads the numbers before it needs the ReLU."""
    rng = np.random.default_rng(0)
    shapes = {"first": (8, 3, 3, 3), "second": (8, 8, 1, 1), "third": (5, 8, 1, 1)}
    weights = {name: rng.normal(0, 0.3, shape) for name, shape in shapes.items()}
    weights["first"] /= 100
    nodes: Nodes = [
        ("Cast", ["image"], "float", {"to": TensorProto.FLOAT}),
        ("Transpose", ["float"], "planes", {"perm": [0, 3, 1, 2]}),
        ("Conv", ["planes", "first"], "a", {}),
        ("Relu", ["a"], "b", {}),
        ("Conv", ["b", "second"], "c", {}),
        ("Relu", ["c"], "d", {}),
        ("Conv", ["d", "third"], "e", {}),
        ("GlobalAveragePool", ["e"], "f", {}),
        ("Flatten", ["f"], "g", {}),
        ("Softmax", ["g"], "scores", {}),
    ]
    proto = network(nodes, weights, classes=5)
    quantizer = Quantizer(proto, lambda: iter(photos), len(photos), tmp_path)
    (third,) = [n.name for n in quantizer.prepared.graph.node if "third" in n.input]
    int8 = quantizer.quantize(replace(RUNGS[0], nodes_in_float=(third,)))
    exact, rough = (
        onnxruntime.InferenceSession(m.SerializeToString()).run(None, {"image": photos[0]})[0]
        for m in (proto, int8)
    )
    np.testing.assert_allclose(rough, exact, atol=0.02)


def test_preparation_the_first_layer_and_softmax_stay_float(proto, photos, tmp_path: Path) -> None:
    int8 = Quantizer(proto, lambda: iter(photos), len(photos), tmp_path).quantize(RUNGS[0])
    assert quantized_weights(int8) == [(5, 4, 3, 3)]
    made_by = {out: node.op_type for node in int8.graph.node for out in node.output}
    read_by = {node.name: [made_by.get(i) for i in node.input] for node in int8.graph.node}
    assert read_by["gray"] == ["Transpose", None]
    assert "QuantizeLinear" not in (made_by["gray"], made_by["centered"], made_by["stretched"])
    # Before the softmax nothing is rounded again.
    assert "DequantizeLinear" not in read_by["scores"]


def test_weights_left_in_float_are_not_rounded(proto, photos, tmp_path: Path) -> None:
    quantizer = Quantizer(proto, lambda: iter(photos), len(photos), tmp_path)
    before, after = (
        {i.name: numpy_helper.to_array(i) for i in p.graph.initializer}
        for p in (quantizer.prepared, quantizer.quantize(RUNGS[0]))
    )
    assert np.array_equal(before["first"], after["first"])


def test_single_layer_in_float_reads_what_was_not_rounded(proto, photos, tmp_path: Path) -> None:
    """Between DequantizeLinear and QuantizeLinear onnxruntime would quantize it after all."""
    rung = replace(RUNGS[0], nodes_in_float=("c",))
    quantizer = Quantizer(proto, lambda: iter(photos), len(photos), tmp_path)
    int8 = quantizer.quantize(rung)
    (node,) = (n for n in int8.graph.node if n.name == "c")
    made_by = {out: n.op_type for n in int8.graph.node for out in n.output}
    assert made_by[node.input[0]] in ("Conv", "Relu")
    assert node.input[1] == "second"
    stored = {i.name: numpy_helper.to_array(i) for i in int8.graph.initializer}
    before = {i.name: numpy_helper.to_array(i) for i in quantizer.prepared.graph.initializer}
    np.testing.assert_array_equal(stored["second"], before["second"])


@pytest.mark.parametrize("rung", RUNGS, ids=lambda rung: rung.name)
def test_each_rung_answers_nearly_as_fp32(proto, photos, tmp_path: Path, rung) -> None:
    int8 = Quantizer(proto, lambda: iter(photos), len(photos), tmp_path).quantize(rung)
    expected, got = (
        onnxruntime.InferenceSession(p.SerializeToString()).run(None, {"image": photos[:, 0]})[0]
        for p in (proto, int8)
    )
    assert 1e-6 < np.abs(got - expected).max() < 0.02


def test_branches_leave_no_convolution_in_float(photos, tmp_path: Path) -> None:
    """Of a value that two nodes read onnxruntime fuses the convolutions only if it is unsigned."""
    rng = np.random.default_rng(0)
    weights = {
        "w0": rng.normal(0, 0.01, (16, 3, 3, 3)),
        "w1": rng.normal(0, 0.1, (16, 16, 3, 3)),
        "w2": rng.normal(0, 0.1, (16, 16, 3, 3)),
        "w3": rng.normal(0, 0.1, (16, 16, 3, 3)),
    }
    pads = {"pads": [1, 1, 1, 1]}
    nodes = [
        ("Cast", ["image"], "float", {"to": TensorProto.FLOAT}),
        ("Transpose", ["float"], "planes", {"perm": [0, 3, 1, 2]}),
        ("Conv", ["planes", "w0"], "c0", pads),
        ("Relu", ["c0"], "r0", {}),
        ("Conv", ["r0", "w1"], "c1", pads),
        ("Relu", ["c1"], "r1", {}),
        ("Conv", ["r1", "w2"], "c2", pads),
        ("Add", ["r0", "c2"], "sum", {}),
        ("Relu", ["sum"], "r2", {}),
        ("Conv", ["r2", "w3"], "c3", pads),
        ("GlobalAveragePool", ["c3"], "d", {}),
        ("Flatten", ["d"], "e", {}),
        ("Softmax", ["e"], "scores", {}),
    ]
    proto = network(nodes, weights, classes=16)
    int8 = Quantizer(proto, lambda: iter(photos), len(photos), tmp_path).quantize(RUNGS[0])
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    onnxruntime.InferenceSession(int8.SerializeToString(), options)
    kinds = [node.op_type for node in onnx.load(tmp_path / "optimized.onnx").graph.node]
    assert (kinds.count("QLinearConv"), kinds.count("Conv")) == (3, 1)


@pytest.mark.parametrize("names", [("7", "8", "2024"), ("a", "b", "c")])
def test_calibration_takes_as_many_photos_of_each_class(names: tuple[str, ...]) -> None:
    counts = dict(zip(names, (100, 10, 10), strict=True))
    photos = [
        Sample(Path(f"{label}/{i}.png"), label) for label, n in counts.items() for i in range(n)
    ]
    chosen = [sample.label for sample in calibration_samples(photos, 30)]
    assert {label: chosen.count(label) for label in names} == dict.fromkeys(names, 10)


def test_calibration_does_not_favor_the_first_of_many_classes() -> None:
    photos = [Sample(Path(f"{i}.png"), f"class {i:03}") for i in range(100)]
    chosen = {sample.label for sample in calibration_samples(photos, 30)}
    assert max(chosen) > "class 060"


def test_photos_of_a_detector_are_of_one_kind() -> None:
    photos = [Sample(Path(f"{i}.png"), f"{i} 2 30 40;5 6.5 70 80") for i in range(9)]
    photos.append(Sample(Path("none.png"), ""))
    assert len(calibration_samples(photos, 8)) == 8


def test_channels_that_differ_hundredfold_keep_their_small_ones(photos, tmp_path: Path) -> None:
    """Sixteen channels share 256 steps; those of the fifteen that matter would be three each."""
    rng = np.random.default_rng(0)
    small = np.full((16, 1, 1, 1), 0.01)
    small[0] = 1.0
    weights = {
        "first": np.abs(rng.normal(0, 0.01, (16, 3, 3, 3))) * small,
        "each": np.abs(rng.normal(0, 1, (16, 1, 3, 3))) / small,
        "mix": rng.normal(0, 0.3, (5, 16, 1, 1)),
    }
    nodes: Nodes = [
        ("Cast", ["image"], "float", {"to": TensorProto.FLOAT}),
        ("Transpose", ["float"], "planes", {"perm": [0, 3, 1, 2]}),
        ("Conv", ["planes", "first"], "a", {}),
        ("Relu", ["a"], "b", {}),
        ("Conv", ["b", "each"], "c", {"group": 16}),
        ("Relu", ["c"], "d", {}),
        ("Conv", ["d", "mix"], "e", {}),
        ("GlobalAveragePool", ["e"], "f", {}),
        ("Flatten", ["f"], "scores", {}),
    ]
    proto = network(nodes, weights, classes=5)
    int8 = Quantizer(proto, lambda: iter(photos), len(photos), tmp_path).quantize(RUNGS[0])
    exact, rough = (
        onnxruntime.InferenceSession(m.SerializeToString()).run(None, {"image": photos[:, 0]})[0]
        for m in (proto, int8)
    )
    assert np.abs(rough - exact).max() < 0.03 * np.abs(exact).max()
