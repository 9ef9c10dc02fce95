"""The detector at other input sizes: the same weights, exported and asked at each."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_runtime.model.card import InputSpec, ModelCard
from tests.written_run import write_run

pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
keras = pytest.importorskip("keras")


def test_each_size_is_exported_asked_and_timed_beside_the_runs_own(
    tmp_path: Path, write_clip
) -> None:
    from benchmarks.detector_sizes import measure_sizes
    from train.networks.face_detector import decoded_model, detector_network

    keras.utils.set_random_seed(0)
    spec = InputSpec(64, 96, resize="letterbox")
    model = decoded_model(detector_network(spec), spec)
    rng = np.random.default_rng(0)
    (tmp_path / "boxes" / "images").mkdir(parents=True)
    entries, samples = [], []
    for i in range(20):
        path = tmp_path / "boxes" / "images" / f"{i:02}.png"
        cv2.imwrite(str(path), rng.integers(0, 256, (64, 96, 3)).astype(np.uint8))
        entries.append({"file": path.name, "boxes": [{"xyxy_px": [8, 8, 48, 48]}]})
        samples.append((path, "8 8 48 48"))
    (tmp_path / "boxes" / "annotations.json").write_text(json.dumps(entries))
    run = write_run(
        tmp_path / "run", model, ModelCard("tiny", "detection", ("face",), spec), samples
    )
    clip = write_clip(
        tmp_path / "c.avi", [np.full((48, 64, 3), 20 * i, np.uint8) for i in range(4)]
    )

    figures = measure_sizes(run, tmp_path / "boxes", clip, 0, sizes=((32, 64),))

    assert figures["shipped"] == "96x64"
    assert figures["detection"].keys() == figures["latency_ms"].keys() == {"64x32", "96x64"}
    assert {found["faces"] for found in figures["detection"].values()} == {2}
    assert list(figures["ratio"]) == ["64x32 / 96x64"]
    assert figures["ratio"]["64x32 / 96x64"]["median"] < 1
