"""Noise of layers whose rounding is known by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from export.noise import LayerNoise, layer_noise
from export.quantize import RUNGS, Quantizer

# Of a value 100. A step of 30 makes it 90, a tenth off: 20 dB. A step of 7 makes 100 98, a
# fiftieth off: 33.98 dB; and 90 91, which is 9 off from 100: 20.9 dB.
STEPS = {"one": 30.0, "two": 7.0}
PICTURES = np.full((3, 1), 100, np.uint8)


def chain(steps: dict[str, float], weight: float = 1.0) -> onnx.ModelProto:
    """Build three layers that multiply by a weight, those of `steps` rounded at their entry."""
    nodes = [helper.make_node("Cast", ["image"], ["given"], name="cast", to=TensorProto.FLOAT)]
    constants = {"weight": np.full((1, 1), weight, np.float32), "zero": np.int8(0)}
    source = "given"
    for layer in ("one", "two", "three"):
        if layer in steps:
            constants[f"{layer}_step"] = np.float32(steps[layer])
            how = [f"{layer}_step", "zero"]
            nodes += [
                helper.make_node("QuantizeLinear", [source, *how], [f"{layer}_q"]),
                helper.make_node("DequantizeLinear", [f"{layer}_q", *how], [f"{layer}_dq"]),
            ]
            source = f"{layer}_dq"
        nodes.append(helper.make_node("MatMul", [source, "weight"], [layer], name=layer))
        source = layer
    graph = helper.make_graph(
        nodes,
        "chain",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", 1])],
        [helper.make_tensor_value_info(source, TensorProto.FLOAT, ["n", 1])],
        [numpy_helper.from_array(np.asarray(v), name) for name, v in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def figures(noise: list[LayerNoise]) -> list[tuple[str, float, float]]:
    return [(n.layer, n.own, n.reached) for n in noise]


def test_noise_of_each_layer_is_its_own_and_what_reached_it() -> None:
    assert figures(layer_noise(chain({}), chain(STEPS), PICTURES)) == [
        ("one", 20.0, 20.0),
        ("two", 34.0, 20.9),
        ("three", 99.0, 20.9),
    ]


def test_the_layer_that_adds_most_comes_first() -> None:
    noise = layer_noise(chain({}), chain({"one": 7.0, "three": 30.0}), PICTURES)
    assert [n.layer for n in noise] == ["three", "one", "two"]
    assert [n.own for n in noise] == [20.0, 34.0, 99.0]


def test_graph_without_rounding_has_no_noise() -> None:
    noise = layer_noise(chain({}), chain({}), PICTURES)
    assert {(n.own, n.reached) for n in noise} == {(99.0, 99.0)}


@pytest.mark.parametrize("int8", [chain(STEPS, 0.0), chain(STEPS)], ids=["silent", "not silent"])
def test_nothing_is_no_measure_of_noise(int8: onnx.ModelProto) -> None:
    noise = layer_noise(chain({}, 0.0), int8, PICTURES)
    assert {n.own for n in noise} == {99.0}


@pytest.mark.parametrize("at_once", [1, 2])
def test_layers_are_looked_at_in_portions(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    whole = layer_noise(chain({}), chain(STEPS), PICTURES)
    monkeypatch.setattr("export.noise._AT_ONCE", at_once)
    assert layer_noise(chain({}), chain(STEPS), PICTURES) == whole


def test_layer_that_reads_an_output_of_the_graph_is_measured_too(tmp_path: Path) -> None:
    """An embedding is an answer, and what the scores are made of."""
    rng = np.random.default_rng(0)
    weights = {
        "first": rng.normal(0, 0.1, (8, 3, 3, 3)),
        "second": rng.normal(0, 0.1, (6, 8, 3, 3)),
        "directions": rng.normal(0, 1, (6, 4)),
    }
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["float"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["planes", "first"], ["a"]),
        helper.make_node("Conv", ["a", "second"], ["b"]),
        helper.make_node("GlobalAveragePool", ["b"], ["c"]),
        helper.make_node("Flatten", ["c"], ["embedding"]),
        helper.make_node("MatMul", ["embedding", "directions"], ["scores"]),
    ]
    outputs = [("embedding", 6), ("scores", 4)]
    graph = helper.make_graph(
        nodes,
        "faces",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", 8, 8, 3])],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["n", size]) for n, size in outputs],
        [numpy_helper.from_array(w.astype(np.float32), name) for name, w in weights.items()],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    photos = rng.integers(0, 256, (16, 1, 8, 8, 3), np.uint8)
    quantizer = Quantizer(proto, lambda: iter(photos), len(photos), tmp_path)
    int8 = quantizer.quantize(RUNGS[0])
    noise = {n.layer: n for n in layer_noise(quantizer.prepared, int8, photos[:, 0])}
    assert set(noise) == {"a", "b", "scores"}
    assert 20 < noise["scores"].reached <= noise["scores"].own < 99


def _one_layer(relu: str) -> onnx.ModelProto:
    """A layer and a ReLU: as in fp32, merged in the rounding from 0 on, or kept behind that."""
    constants = {
        "weight": np.array([[1.0, -1.0]], np.float32), "step": np.float32(0.5),
        "bottom": np.int8(-128),
    }  # fmt: skip
    nodes = [helper.make_node("Cast", ["image"], ["given"], to=TensorProto.FLOAT)]
    how = ["step", "bottom"]
    if relu == "kept":
        nodes += [
            helper.make_node("MatMul", ["given", "weight"], ["summed"], name="layer"),
            helper.make_node("QuantizeLinear", ["summed", *how], ["q"]),
            helper.make_node("DequantizeLinear", ["q", *how], ["rounded"]),
            helper.make_node("Relu", ["rounded"], ["positive"]),
            helper.make_node("Identity", ["positive"], ["out"]),
        ]
    elif relu == "merged":
        nodes += [
            helper.make_node("MatMul", ["given", "weight"], ["positive"], name="layer"),
            helper.make_node("QuantizeLinear", ["positive", *how], ["q"]),
            helper.make_node("DequantizeLinear", ["q", *how], ["out"]),
        ]
    else:
        nodes += [
            helper.make_node("MatMul", ["given", "weight"], ["summed"], name="layer"),
            helper.make_node("Relu", ["summed"], ["positive"]),
            helper.make_node("Identity", ["positive"], ["out"]),
        ]
    graph = helper.make_graph(
        nodes,
        "one",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", 1])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(v), name) for name, v in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize("relu", ["merged", "kept", "in fp32"])
def test_relu_that_is_done_by_rounding_is_no_noise(relu: str) -> None:
    assert figures(layer_noise(_one_layer("in fp32"), _one_layer(relu), PICTURES)) == [
        ("layer", 99.0, 99.0)
    ]
