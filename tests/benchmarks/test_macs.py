from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from benchmarks.macs import count_macs


def _write(path: Path, nodes: list[onnx.NodeProto], weights: dict[str, tuple[int, ...]]) -> Path:
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, 8, 8])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.zeros(s, np.float32), n) for n, s in weights.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)
    return path


@pytest.mark.parametrize(
    ("nodes", "weights", "macs"),
    [
        pytest.param(
            [helper.make_node("Conv", ["image", "w"], ["out"], pads=[1, 1, 1, 1])],
            {"w": (4, 3, 3, 3)},
            4 * 64 * 27,
            id="convolution",
        ),
        pytest.param(
            [helper.make_node("Conv", ["image", "w"], ["out"], group=3, strides=[2, 2])],
            {"w": (3, 1, 2, 2)},
            3 * 16 * 4,
            id="depthwise with a stride",
        ),
        pytest.param(
            [
                helper.make_node("Concat", ["image", "image"], ["both"], axis=0),
                helper.make_node("Conv", ["both", "w"], ["out"]),
            ],
            {"w": (2, 3, 1, 1)},
            2 * 2 * 64 * 3,
            id="looking twice counts twice",
        ),
        pytest.param(
            [
                helper.make_node("Flatten", ["image"], ["flat"]),
                helper.make_node("Gemm", ["flat", "w"], ["out"]),
            ],
            {"w": (192, 10)},
            1920,
            id="dense",
        ),
    ],
)
def test_macs_are_those_of_one_picture(tmp_path: Path, nodes, weights, macs) -> None:
    assert count_macs(_write(tmp_path / "m.onnx", nodes, weights)) == macs


def test_quantized_file_has_as_many_macs_as_its_float_one() -> None:
    """The shipped expression model: dequantized weights count as weights."""
    from edge_runtime.model.catalog import shipped_models

    path = shipped_models()["expression"]
    proto = onnx.load(path)
    values = {t.name: t for t in proto.graph.initializer}
    kernels = {
        n.output[0]: values[n.input[0]].dims
        for n in proto.graph.node
        if n.op_type == "DequantizeLinear" and n.input[0] in values
    }
    convolutions = [n for n in proto.graph.node if n.op_type == "Conv"]
    weights = sum(int(np.prod(kernels[n.input[1]])) for n in convolutions if n.input[1] in kernels)
    # Each weight is used at least once, and at most at each of the input's pixels.
    assert weights < count_macs(path) < weights * 48 * 48
