"""A model on the test photos of the run it came from: Keras, fp32 and the shipped file, one run."""

from __future__ import annotations

import csv
import hashlib
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.latency import measure_latency
from benchmarks.macs import count_macs
from edge_runtime.apps.progress import progress
from edge_runtime.errors import OptionError, SourceError
from edge_runtime.faces.average_precision import FAINTEST, detection_report, faces_in_common
from edge_runtime.faces.boxes import FaceBox
from edge_runtime.faces.detector import found_faces
from edge_runtime.measure.confusion import agreement
from edge_runtime.measure.machine import describe_machine
from edge_runtime.measure.scoring import brief, score_report
from edge_runtime.media.image import read_for, read_image
from edge_runtime.model.card import InputSpec, ModelCard
from edge_runtime.model.catalog import find_model
from edge_runtime.model.classifier import Classifier
from edge_runtime.model.preprocess import Image, preprocess
from edge_runtime.model.session import Session, SessionOptions, open_session
from export.run_folder import labelled_boxes

__all__ = ["measure_accuracy", "photos_to_score"]

_BATCH = 64
_SHOWN = 10

Row = tuple[Path, str]
Ask = Callable[[Image], dict[str, npt.NDArray[np.float32]]]


def measure_accuracy(
    model: str, run: Path, fp32: Path | None, subsets: Mapping[str, Path]
) -> dict[str, Any]:
    """Score a model file on the rows of a run's split.csv whose split is test.

    Args:
        model: Model file or shipped name.
        run: The run folder it came from; its model.keras must be the one the card names.
        fp32: The same model before quantization, where there is one.
        subsets: Name to a folder whose subfolders are labels: scored as a closed set of these.

    Returns:
        Accuracy of each with n, 95% interval, precision, recall and calibration (detectors:
        average precision at IoU 0.5 over faces of 24 px or more); the share of fp32's answers that
        the others give too, and of its bytes; accuracy after each epoch of training; what is said
        of ten photos; multiply-accumulates; latencies and their ratio, see `benchmarks.latency`.

    Raises:
        SourceError: There are no test rows.
        OptionError: The files do not belong together.
    """
    rows = photos_to_score(run)
    path = find_model(model)
    shipped = open_session(path, SessionOptions("cpu"))
    card = shipped.card
    _check_origin(card, run)
    askers: dict[str, Ask] = {"keras": _keras(run / "model.keras")}
    files: dict[str, Path] = {card.precision: path}
    if fp32 is not None:
        session = open_session(fp32, SessionOptions("cpu"))
        if session.card.provenance.get("weights_sha256") != card.provenance["weights_sha256"]:
            raise OptionError(f"--fp32 {fp32}: not of the same weights as {path}")
        askers["fp32"] = session.run
        files["fp32"] = fp32
    askers[card.precision] = shipped.run
    score = _score_detector if card.task == "detection" else _score_classifier
    with progress("asking", len(rows)) as step:
        test = score(askers, rows, card, subsets, step)
    return {
        "schema": 4,
        "command": f"python -m benchmarks accuracy --model {card.name} --run RUN"
        + (" --fp32 FILE" if fp32 else "")
        + "".join(f" --subset {name}=DIR" for name in subsets),
        "machine": describe_machine(),
        "model": {
            "name": card.name,
            "sha256": card.sha256,
            "precision": card.precision,
            "bytes": path.stat().st_size,
            **(
                {"bytes_of_fp32": round(path.stat().st_size / fp32.stat().st_size, 4)}
                if fp32
                else {}
            ),
            "labels": len(card.labels),
            "input": [card.input.height_px, card.input.width_px],
            "macs": count_macs(path),
        },
        "provenance": card.provenance,
        "test": test,
        **_told(run, rows, shipped),
        **measure_latency(files),
    }


def _told(run: Path, rows: Sequence[Row], shipped: Session) -> dict[str, Any]:
    """Return how training went, epoch by epoch, and what is said of ten test photos."""
    told: dict[str, Any] = {}
    if (run / "history.csv").is_file():
        with (run / "history.csv").open(newline="", encoding="utf-8") as file:
            told["history"] = [
                {name: round(float(row[name]), 4) for name in ("accuracy", "val_accuracy")}
                for row in csv.DictReader(file)
                if row.get("val_accuracy")
            ]
    if shipped.card.task != "detection":
        classifier = Classifier(shipped)
        told["answers"] = []
        for path, label in random.Random(0).sample(rows, min(_SHOWN, len(rows))):
            said = classifier.classify(read_for(path, shipped.card.input).image_bgr)
            (best, score), *_ = said.top(1)
            told["answers"].append(
                {
                    "photo": f"{path.parent.name}/{path.name}",
                    "is": label,
                    "said": best,
                    "score": score,
                }
            )
    return told


def photos_to_score(run: Path) -> list[Row]:
    """Return path and label of each test photo of a run."""
    split = run / "split.csv"
    for needed in (split, run / "model.keras"):
        if not needed.is_file():
            raise SourceError(
                f"{needed}: no such file; --run takes the finished run folder the model came from"
            )
    with split.open(newline="", encoding="utf-8") as file:
        rows = [(run / r["path"], r["label"]) for r in csv.DictReader(file) if r["split"] == "test"]
    if not rows:
        raise SourceError(f"{split}: no row whose split is test")
    return rows


def _check_origin(card: ModelCard, run: Path) -> None:
    digest = hashlib.sha256((run / "model.keras").read_bytes()).hexdigest()
    if digest != card.provenance.get("weights_sha256"):
        raise OptionError(f"--run {run}: model {card.name} was not exported from this run")


def _keras(path: Path) -> Ask:
    import keras

    model = keras.saving.load_model(path, compile=False)

    def ask(images: Image) -> dict[str, npt.NDArray[np.float32]]:
        out = model(images, training=False)
        named = out if isinstance(out, dict) else {"scores": out}
        return {name: np.asarray(value, np.float32) for name, value in named.items()}

    return ask


def _score_classifier(
    askers: Mapping[str, Ask],
    rows: Sequence[Row],
    card: ModelCard,
    subsets: Mapping[str, Path],
    step: Callable[[], None],
) -> dict[str, Any]:
    answers: dict[str, list[npt.NDArray[np.float32]]] = {name: [] for name in askers}
    for start in range(0, len(rows), _BATCH):
        part = rows[start : start + _BATCH]
        images = np.stack([_input(path, card.input) for path, _ in part])
        for name, ask in askers.items():
            answers[name].append(ask(images)["scores"])
        for _ in part:
            step()
    truth = np.array([card.labels.index(label) for _, label in rows], np.int64)
    below = card.reject.below if card.reject and card.reject.on == "probability" else None
    out: dict[str, Any] = {}
    joined = {name: np.concatenate(parts) for name, parts in answers.items()}
    for name, scores in joined.items():
        out[name] = brief(score_report(scores, truth, card.labels, below))
        for subset, folder in subsets.items():
            out[name].setdefault("subsets", {})[subset] = _closed(scores, truth, card, folder)
    _compare_with_fp32(out, joined, agreement)
    return out


def _closed(
    scores: npt.NDArray[np.float32], truth: npt.NDArray[np.int64], card: ModelCard, folder: Path
) -> dict[str, Any]:
    """Return accuracy among some labels alone, asked about their photos alone."""
    names = {p.name for p in folder.iterdir() if p.is_dir()} if folder.is_dir() else set()
    columns = [i for i, label in enumerate(card.labels) if label in names]
    rows = np.isin(truth, columns)
    if not rows.any():
        raise SourceError(f"{folder}: none of the model's labels has a folder there")
    labels = tuple(card.labels[i] for i in columns)
    place = {column: i for i, column in enumerate(columns)}
    chosen = scores[rows][:, columns]
    inside = np.array([place[int(t)] for t in truth[rows]], np.int64)
    report = score_report(chosen / np.maximum(chosen.sum(1, keepdims=True), 1e-9), inside, labels,
                          None)  # fmt: skip
    return {"labels": len(labels), **{k: report[k] for k in ("n", "accuracy", "interval")}}


def _input(path: Path, spec: InputSpec) -> Image:
    return preprocess(read_for(path, spec).image_bgr, spec)


def _score_detector(
    askers: Mapping[str, Ask],
    rows: Sequence[Row],
    card: ModelCard,
    subsets: Mapping[str, Path],
    step: Callable[[], None],
) -> dict[str, Any]:
    found: dict[str, list[list[FaceBox]]] = {name: [] for name in askers}
    truth = []
    for path, label in rows:
        image = read_image(path).image_bgr
        images = preprocess(image, card.input)[None]
        for name, ask in askers.items():
            found[name].append(found_faces(ask(images), image, card.input, FAINTEST))
        truth.append(labelled_boxes(label))
        step()
    out = {name: detection_report(answers, truth) for name, answers in found.items()}
    _compare_with_fp32(out, found, faces_in_common)
    return out


def _compare_with_fp32(
    reports: dict[str, Any], answers: Mapping[str, Any], share: Callable[[Any, Any], float]
) -> None:
    """Add to each report the share of answers that are those of fp32, where that was asked."""
    for name in answers.keys() - {"fp32"} if "fp32" in answers else ():
        reports[name]["agreement_with_fp32"] = round(share(answers[name], answers["fp32"]), 4)
