"""Quantizing with nothing set, beside what `export` makes of the same run."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from onnx import numpy_helper

pytestmark = [
    pytest.mark.tensorflow,
    # tf2onnx and onnxruntime's quantizer warn of their own doings, and no other way was offered.
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]


def test_three_files_of_a_run_are_scored_on_its_test_photos(
    color_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from benchmarks import naive

    made = {}
    quantize = naive._quantize_naively

    def kept(source, fp32: Path, target: Path, photos: int) -> None:
        quantize(source, fp32, target, photos)
        made["naive"], made["int8"] = (
            onnx.load(path) for path in (target, target.with_name("int8.onnx"))
        )

    monkeypatch.setattr(naive, "_quantize_naively", kept)
    lines: list[str] = []
    ((title, figures),) = naive.measure_networks([color_run], lines.append).items()
    assert title == "colors, 24 px"
    assert list(figures) == ["fp32", "int8", "naive"]
    assert {name: (f["n"], f["accuracy"], f["points"]) for name, f in figures.items()} == (
        dict.fromkeys(figures, (10, 1.0, 0.0))
    )
    assert figures["int8"]["agreement_with_fp32"] == 1.0
    assert figures["int8"]["rung"].startswith("minmax")
    assert figures["naive"]["rung"] is None
    assert any(line.startswith("wrote ") for line in lines)
    # Naive is a scale a layer, ours a scale a channel.
    scales = {
        name: {
            numpy_helper.to_array(i).size
            for i in proto.graph.initializer
            if i.name.endswith("scale") and i.data_type == onnx.TensorProto.FLOAT
        }
        for name, proto in made.items()
    }
    assert scales["naive"] == {1}
    assert max(scales["int8"]) > 1
    assert len({f["bytes"] for f in figures.values()}) == 3
