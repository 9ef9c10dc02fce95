"""The models and the clip in the package, doing the main job."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import pytest
from typer.testing import CliRunner

from edge_runtime.cli import app
from edge_runtime.model.catalog import shipped_folder, shipped_models
from edge_runtime.model.golden import check_golden
from edge_runtime.model.session import SessionOptions, open_session


def test_the_four_models_and_the_detector_ship() -> None:
    assert set(shipped_models()) == {"detector", "expression", "faces", "objects", "pets"}


@pytest.mark.parametrize("name", shipped_models())
def test_shipped_model_is_int8_and_answers_its_golden_sample(name: str) -> None:
    path = shipped_models()[name]
    session = open_session(path, SessionOptions("cpu", 1))
    assert check_golden(session).passed
    card = session.card
    assert card.name == name
    assert card.precision == "int8"
    assert card.metrics["test"]["int8"]["n"] > 100
    assert {"recipe", "commit", "data", "data_license", "weights_sha256"} <= set(card.provenance)
    proto = onnx.load(path)
    onnx.checker.check_model(proto)
    assert sum(node.op_type == "QuantizeLinear" for node in proto.graph.node) > 10


def test_shipped_models_stay_within_eight_megabytes() -> None:
    assert sum(p.stat().st_size for p in shipped_folder().glob("*.onnx")) <= 8_000_000


@pytest.mark.slow
def test_webcam_follows_the_smiling_face_of_the_demo_clip_throughout(tmp_path: Path) -> None:
    events, video = tmp_path / "events.jsonl", tmp_path / "video.mp4"
    result = CliRunner().invoke(
        app,
        [
            "webcam", "--model", "expression.onnx", "--source", "demo", "--no-window",
            "--every-frame", "--events", str(events), "--record", str(video),
        ],
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    seen = [json.loads(line) for line in events.read_text().splitlines()]
    assert [e["frame"] for e in seen] == list(range(120))
    assert [len(e["faces"]) for e in seen] == [1] * 120
    assert {f["track"] for e in seen for f in e["faces"]} == {1}
    labels = [f["predictions"]["expression"]["label"] for e in seen for f in e["faces"]]
    assert labels.count("happy") >= 0.95 * len(labels)
    assert video.stat().st_size > 100_000
