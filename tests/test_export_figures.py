"""Tables of the exporter's figures, as docs/models.md shows them."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

SCRIPT = runpy.run_path(str(Path(__file__).parents[1] / "scripts" / "export_figures.py"))


def _scored(points: float, agreement: float, size: int) -> dict[str, Any]:
    return {"n": 1200, "accuracy": 0.885, "points": points, "agreement_with_fp32": agreement,
            "bytes": size}  # fmt: skip


def test_each_network_has_a_row_of_what_int8_cost_it() -> None:
    fp32, naive = _scored(0.0, 1.0, 1000), _scored(-11.5, 0.8125, 290)
    result = {
        "command": "python -m benchmarks export",
        "networks": {
            "v1": {"fp32": fp32, "naive": naive, "int8": _scored(-0.17, 0.9917, 270)},
            "v2": {"fp32": fp32, "naive": naive, "int8": {"refused": "loses 3 points"}},
        },
    }
    assert SCRIPT["naive"](result)[4:6] == [
        "| v1 | 88.5% | 1,200 | -11.50 | 81.2% | **-0.17** | 99.2% | 0.27 |",
        "| v2 | 88.5% | 1,200 | -11.50 | 81.2% | refused: loses 3 points | | |",
    ]


def test_each_engine_has_a_row_beside_onnxruntime() -> None:
    told = {
        "n": 200,
        "latency_ms": {"OpenVINO": {"p50": 1.5}, "onnxruntime": {"p50": 1.25}},
        "ratio": {"OpenVINO / onnxruntime": {"median": 1.2, "p5": 1.1, "p95": 1.34}},
        "agreement_with_onnxruntime": {"OpenVINO": 0.995},
    }
    result = {
        "machine": {"cpu": "AMD EPYC"},
        "engines": {"versions": {"openvino": "2026.4"}, "models": {"pets": told}},
    }
    assert SCRIPT["engines"](result)[4:6] == [
        "| pets | OpenVINO | 1.50 ms | 1.20 (1.10 to 1.34) | 99.5% of 200 |",
        "| pets | onnxruntime | 1.25 ms | 1 |  |",
    ]
