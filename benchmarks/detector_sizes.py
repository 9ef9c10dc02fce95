"""What the detector's input size costs and brings: the same weights at other sizes."""

from __future__ import annotations

import csv
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import keras

from benchmarks.face_detection import find_annotated, frames_of, time_detectors
from edge_runtime.apps.progress import progress
from edge_runtime.faces.detector import OnnxFaceDetector
from edge_runtime.measure.machine import describe_machine
from edge_runtime.model.card import ModelCard
from edge_runtime.model.session import SessionOptions, open_session
from export.options import ExportOptions
from export.pipeline import export_model
from train.data.annotations import read_annotations
from train.networks.face_detector import decoded_model, detector_network

__all__ = ["SIZES", "measure_sizes"]

SIZES = ((192, 256), (224, 288), (256, 320), (320, 416), (384, 512))  # height, width


def measure_sizes(
    run: Path, boxes: Path, clip: Path, seed: int, sizes: Sequence[tuple[int, int]] = SIZES
) -> dict[str, Any]:
    """Export a detector's run at several sizes and look for the faces of val, which chooses.

    Args:
        run: Finished run folder of the detector.
        boxes: Annotated photos, see `train.data.annotations.read_annotations`.
        clip: A 640x480 clip, whose frames are timed.
        seed: Of the split of the annotated photos.
        sizes: Height and width in px, multiples of 32; the run's own is added.

    Returns:
        Average precision on val at each size, and latency on one thread beside the run's own size.
    """
    card = ModelCard.from_json((run / "card.json").read_text("utf-8"), "card.json")
    own = (card.input.height_px, card.input.width_px)
    photos = [p for p in read_annotations(boxes, seed) if p.split == "val"]
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory(prefix="edge-sizes-") as work:
        detectors = {}
        for height, width in sorted({*sizes, own}):
            file = Path(work) / f"{width}x{height}.onnx"
            resized = _resized(run, card, height, width, Path(work))
            # No gate: what a size brings is what is asked here.
            options = ExportOptions("int8", max_drop=100.0, min_agreement=0.0)
            export_model(resized, file, options, lambda line: print(line, file=sys.stderr))
            session = open_session(file, SessionOptions("cpu", 1))
            detectors[file.stem] = OnnxFaceDetector(session)
        with progress("finding faces", len(photos)) as step:
            found = find_annotated(detectors, photos, step)
        timed = time_detectors(detectors, frames_of(clip, 20), f"{own[1]}x{own[0]}")
    return {
        "schema": 1,
        "command": "python -m benchmarks sizes --run RUN --boxes DIR --clip CLIP",
        "machine": describe_machine(),
        "split": "val",
        "shipped": f"{own[1]}x{own[0]}",
        "detection": found,
        **timed,
    }


def _resized(run: Path, card: ModelCard, height: int, width: int, work: Path) -> Path:
    """Write a run folder of the same weights with another input; return it."""
    folder = work / f"run-{width}x{height}"
    folder.mkdir()
    spec = replace(card.input, height_px=height, width_px=width)
    resized = decoded_model(detector_network(spec), spec)
    trained = keras.models.load_model(run / "model.keras", compile=False)
    resized.get_layer("network").set_weights(trained.get_layer("network").get_weights())
    resized.save(folder / "model.keras")
    (folder / "card.json").write_text(replace(card, input=spec).to_json(), "utf-8")
    with (run / "split.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    with (folder / "split.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows({**row, "path": str((run / row["path"]).resolve())} for row in rows)
    return folder
