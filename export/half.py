"""fp32 ONNX to fp16: half the bytes, for GPUs that compute in it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import onnx
from onnxruntime.transformers.float16 import convert_float_to_float16
from onnxruntime.transformers.onnx_model import OnnxModel

from export.graph import part_of
from export.session import cpu_session

__all__ = ["beyond_half", "to_half"]

_LARGEST = 65504.0
_AT_ONCE = 32  # values held in memory
# Probabilities and unit lengths keep the digits they are compared by.
_IN_FLOAT = ["Softmax", "ReduceL2", "Resize"]


def beyond_half(proto: onnx.ModelProto, photos: npt.NDArray[np.uint8]) -> str:
    """Return why fp16 cannot hold the values a model meets; "" where it can.

    A CPU computes fp16 models in float32, so their own answers do not show it.

    Args:
        proto: fp32.
        photos: uint8 (N, H, W, 3).
    """
    types = {v.name: v.type.tensor_type.elem_type for v in proto.graph.value_info}
    names = [
        name for node in proto.graph.node for name in node.output
        if types.get(name, onnx.TensorProto.FLOAT) == onnx.TensorProto.FLOAT
    ]  # fmt: skip
    for start in range(0, len(names), _AT_ONCE):
        some = names[start : start + _AT_ONCE]
        session = cpu_session(part_of(proto, some))
        values = session.run(some, {session.get_inputs()[0].name: photos})
        for name, value in zip(some, values, strict=True):
            largest = float(np.abs(value).max()) if value.size else 0.0
            if value.dtype == np.float32 and not largest <= _LARGEST:
                return f"{name} reaches {largest:.3g}, fp16 ends at {_LARGEST:.0f}"
    return ""


def to_half(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model whose weights and values are float16; inputs and outputs keep their types."""
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    half: onnx.ModelProto = convert_float_to_float16(
        copy, keep_io_types=True, op_block_list=_IN_FLOAT
    )
    OnnxModel(half).topological_sort()  # the converter appends its casts
    onnx.checker.check_model(half, full_check=True)
    return half
