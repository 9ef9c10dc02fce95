"""A graph in memory, opened to be looked into."""

from __future__ import annotations

import onnx
import onnxruntime

__all__ = ["ERRORS_ONLY", "cpu_session"]

ERRORS_ONLY = 3  # of onnxruntime's log levels


def cpu_session(proto: onnx.ModelProto, optimized: bool = True) -> onnxruntime.InferenceSession:
    """Open a graph on the CPU, without warnings on stderr.

    Args:
        proto: The graph.
        optimized: Whether nodes may be merged; where single values are looked at they may not.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = ERRORS_ONLY
    if not optimized:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(
        proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
