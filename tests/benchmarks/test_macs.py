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


def test_quantized_file_has_as_many_macs_as_its_float_one(tmp_path: Path) -> None:
    """Weights behind a DequantizeLinear count as weights, and their scales as none."""
    values = {
        "w": np.zeros((4, 3, 3, 3), np.int8),
        "scale": np.ones(4, np.float32),
        "zero": np.zeros(4, np.int8),
    }
    graph = helper.make_graph(
        [
            helper.make_node("DequantizeLinear", ["w", "scale", "zero"], ["floats"], axis=0),
            helper.make_node("Conv", ["image", "floats"], ["out"], pads=[1, 1, 1, 1]),
        ],
        "g",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, 8, 8])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(v, n) for n, v in values.items()],
    )
    path = tmp_path / "int8.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)
    assert count_macs(path) == 4 * 64 * 27
