"""A model file on the test photos of the run it came from."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np

from edge_runtime.errors import SourceError
from edge_runtime.faces.detector import OnnxFaceDetector
from edge_runtime.measure.confusion import classification_report, pair_accuracy
from edge_runtime.measure.detection import COUNTED_FROM_PX, average_precision
from edge_runtime.measure.machine import describe_machine
from edge_runtime.media.image import read_for, read_image
from edge_runtime.model.catalog import find_model
from edge_runtime.model.classifier import Classifier
from edge_runtime.model.session import Session, SessionOptions, open_session

__all__ = ["measure_accuracy"]


def measure_accuracy(model: str, split: Path) -> dict[str, Any]:
    """Score a model file on the rows of split.csv whose split is test.

    Returns:
        Classifiers: n, accuracy, precision, recall, confusion, and happy against sad where both
        are labels. Detectors: average precision at IoU 0.5 over faces of 24 px or more, recall.

    Raises:
        SourceError: There are no test rows.
    """
    if not split.is_file():
        raise SourceError(f"{split}: no such file; --split takes a run folder's split.csv")
    with split.open(newline="", encoding="utf-8") as file:
        rows = [(Path(r["path"]), r["label"]) for r in csv.DictReader(file) if r["split"] == "test"]
    if not rows:
        raise SourceError(f"{split}: no row whose split is test")
    session = open_session(find_model(model), SessionOptions("cpu"))
    card = session.card
    score = _score_detector if card.task == "detection" else _score_classifier
    return {
        "schema": 1,
        "command": f"python -m benchmarks accuracy --model {card.name} --split RUN/split.csv",
        "machine": describe_machine(),
        "model": {"name": card.name, "sha256": card.sha256, "precision": card.precision},
        "test": score(session, rows),
    }


def _score_classifier(session: Session, rows: list[tuple[Path, str]]) -> dict[str, Any]:
    classifier = Classifier(session)
    inputs = [classifier.prepare(read_for(path, session.card.input).image_bgr) for path, _ in rows]
    scores = np.concatenate(
        [classifier.scores(np.stack(inputs[i : i + 64])) for i in range(0, len(inputs), 64)]
    )
    labels = classifier.labels
    truth = np.array([labels.index(label) for _, label in rows])
    report = classification_report(scores, truth, labels)
    if {"happy", "sad"} <= set(labels):
        pair, n = pair_accuracy(scores, truth, (labels.index("happy"), labels.index("sad")))
        report["happy_sad"] = {"accuracy": round(pair, 4), "n": n}
    return report


def _score_detector(session: Session, rows: list[tuple[Path, str]]) -> dict[str, Any]:
    detector = OnnxFaceDetector(session)
    found, truth = [], []
    for path, label in rows:
        faces = detector.detect(read_image(path).image_bgr, 0.02)
        boxes = np.array([f.box for f in faces], np.float32).reshape(-1, 4)
        found.append((boxes, np.array([f.score for f in faces], np.float32)))
        numbers = [row.split() for row in label.split(";") if row]
        truth.append(np.array(numbers, np.float32).reshape(-1, 4))
    figures = average_precision(found, truth, COUNTED_FROM_PX)
    return {
        "average_precision": round(figures.average_precision, 4),
        "recall": round(figures.recall, 4),
        "faces": figures.faces,
        "photos": figures.pictures,
        "counted_from_px": COUNTED_FROM_PX,
    }
