"""Expressions on FER2013's test photos beside another network, with and without doubtful labels."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from benchmarks.accuracy import photos_to_score
from edge_runtime.errors import OptionError
from edge_runtime.measure.confusion import agreement, pair_accuracy
from edge_runtime.measure.intervals import wilson
from edge_runtime.measure.machine import describe_machine
from edge_runtime.media.image import read_for
from edge_runtime.model.catalog import find_model
from edge_runtime.model.classifier import Classifier
from edge_runtime.model.session import SessionOptions, open_session

__all__ = ["measure_expression"]

_BATCH = 64
# oarriaga/face_classification's networks: gray, (pixel - 127.5) / 127.5, labels in FER's order.
_PEER_LABELS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")


def measure_expression(model: str, run: Path, votes: Path, peers: Sequence[Path]) -> dict[str, Any]:
    """Score a model and others on the test photos of a run.

    Args:
        model: Model file or shipped name.
        run: The run folder it came from.
        votes: Table of FER+ votes, as `scripts/fer_votes.py` writes it.
        peers: Keras 2 files of the networks to compare with.

    Returns:
        For each: accuracy over all labels, happy against sad, and happy against sad on photos
        whose label most FER+ voters share, each with n and 95% interval.

    Raises:
        OptionError: The votes are not on these photos.
    """
    rows = photos_to_score(run)
    classifier = Classifier(open_session(find_model(model), SessionOptions("cpu")))
    if set(classifier.labels) != set(_PEER_LABELS):
        raise OptionError(f"--model {model}: its labels are not FER2013's seven")
    agreed = _agreed(rows, votes)
    scores = {classifier.name: _ours(classifier, rows)}
    for path in peers:
        scores[path.name] = _peer(path, rows)
    truth = np.array([_PEER_LABELS.index(label) for _, label in rows], np.int64)
    return {
        "schema": 1,
        "command": "python -m benchmarks expression --run RUN --votes votes.csv"
        + "".join(f" --peer {p.name}" for p in peers),
        "machine": describe_machine(),
        "model": {
            "name": classifier.name,
            "sha256": classifier.session.card.sha256,
            "precision": classifier.session.card.precision,
        },
        "results": {name: _figures(s, truth, agreed) for name, s in scores.items()},
        "agreement": {
            name: round(agreement(scores[classifier.name], s), 4)
            for name, s in scores.items()
            if name != classifier.name
        },
    }


def _figures(
    scores: npt.NDArray[np.float32], truth: npt.NDArray[np.int64], agreed: npt.NDArray[np.bool_]
) -> dict[str, Any]:
    pair = (_PEER_LABELS.index("happy"), _PEER_LABELS.index("sad"))
    right = float(np.mean(scores.argmax(1) == truth))
    return {
        "seven": _share(right, len(truth)),
        "happy_sad": _share(*pair_accuracy(scores, truth, pair)),
        "happy_sad_agreed": _share(*pair_accuracy(scores[agreed], truth[agreed], pair)),
    }


def _share(share: float, n: int) -> dict[str, Any]:
    low, high = wilson(round(share * n), n)
    return {"accuracy": round(share, 4), "n": n, "interval": [round(low, 4), round(high, 4)]}


def _ours(classifier: Classifier, rows: Sequence[tuple[Path, str]]) -> npt.NDArray[np.float32]:
    spec = classifier.session.card.input
    order = [classifier.labels.index(label) for label in _PEER_LABELS]
    parts = []
    for start in range(0, len(rows), _BATCH):
        pictures = [read_for(path, spec).image_bgr for path, _ in rows[start : start + _BATCH]]
        parts.append(classifier.scores(np.stack([classifier.prepare(p) for p in pictures])))
    return np.concatenate(parts)[:, order]


def _peer(path: Path, rows: Sequence[tuple[Path, str]]) -> npt.NDArray[np.float32]:
    import keras

    model = keras.saving.load_model(path, compile=False)
    height, width = model.input_shape[1:3]
    parts = []
    for start in range(0, len(rows), _BATCH):
        gray = [
            cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) for path, _ in rows[start : start + _BATCH]
        ]
        inputs = np.stack([cv2.resize(g, (width, height)) for g in gray])[..., None]
        parts.append(np.asarray(model(inputs.astype(np.float32) / 127.5 - 1, training=False)))
    return np.concatenate(parts)


def _agreed(rows: Sequence[tuple[Path, str]], votes: Path) -> npt.NDArray[np.bool_]:
    """Return which photos have the label most voters gave them, bool (N,).

    A photo nobody voted on is none of them.
    """
    with votes.open(newline="", encoding="utf-8") as file:
        table = {"/".join(Path(r["file"]).parts[-3:]): r for r in csv.DictReader(file)}
    found = [table.get("/".join(path.parts[-3:])) for path, _ in rows]
    if not any(found):
        raise OptionError(f"--votes {votes}: no row for {'/'.join(rows[0][0].parts[-3:])}, or any")
    out = []
    for row, (_, label) in zip(found, rows, strict=True):
        if row is None:
            out.append(False)
            continue
        counts = {name: float(row[name]) for name in _PEER_LABELS}
        out.append(all(counts[label] > n for name, n in counts.items() if name != label))
    return np.array(out)
