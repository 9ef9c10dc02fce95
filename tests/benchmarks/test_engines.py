"""Engines side by side: what is made of their answers and times."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import pytest

from benchmarks import engines
from edge_runtime.errors import OptionError


def test_answers_are_compared_and_times_put_in_proportion(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.latency._TURN_S", 0.005)

    def quick(image: np.ndarray) -> np.ndarray:
        time.sleep(0.001)
        return np.eye(4, dtype=np.float32)[int(image[0, 0, 0, 0])]

    def slow(image: np.ndarray) -> np.ndarray:
        time.sleep(0.004)
        return np.eye(4, dtype=np.float32)[[min(2, int(image[0, 0, 0, 0]))]]

    asked = [np.full((1, 2, 2, 3), i, np.uint8) for i in range(4)]
    figures = engines._measure({"two": slow, "one": quick}, asked)
    assert figures["n"] == 4
    assert figures["agreement_with_one"] == {"two": 0.75}
    assert set(figures["latency_ms"]) == {"one", "two"}
    assert 1.5 < figures["ratio"]["two / one"]["median"] < 4.5


@pytest.mark.parametrize(
    ("module", "made", "says"),
    [
        ("openvino", lambda: engines._openvino(Path("a.onnx")), "OpenVINO is missing; install it"),
        ("ai_edge_litert.interpreter", lambda: engines._litert(None, Path()), "LiteRT is missing"),
    ],
)
def test_engine_that_is_not_installed_is_named(
    monkeypatch: pytest.MonkeyPatch, module: str, made, says: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(OptionError, match=f"^{says}"):
        made()
