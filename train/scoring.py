"""What a trained network answers on a split, and whether its scores mean what they say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from edge_runtime.measure.calibration import calibration_error, said_above, said_from, temperature
from edge_runtime.measure.confusion import classification_report, pair_accuracy
from edge_runtime.measure.intervals import wilson
from edge_runtime.model.card import InputSpec
from train.data.batches import PhotoBatches
from train.data.samples import Sample

__all__ = ["SAID_PRECISION", "answers", "cool", "figures", "truth_of", "withhold_below"]

_BATCH = 64

# What an answer that is given must be worth; with less sure ones "uncertain" is said.
SAID_PRECISION = 0.95


def truth_of(samples: Sequence[Sample], labels: tuple[str, ...]) -> npt.NDArray[np.int64]:
    """Return the index of each sample's label, int64 (N,)."""
    return np.array([labels.index(s.label) for s in samples], np.int64)


def answers(
    model: keras.Model, samples: Sequence[Sample], spec: InputSpec
) -> npt.NDArray[np.float32]:
    """Return the model's scores, float32 (N, K), in the order of the samples."""
    unasked = np.zeros((len(samples), 1), np.float32)
    out = model.predict(PhotoBatches(samples, unasked, spec, _BATCH), verbose=0)
    return np.asarray(out["scores"] if isinstance(out, dict) else out, np.float32)


def cool(
    model: keras.Model, scores: npt.NDArray[np.float32], truth: npt.NDArray[np.int64]
) -> float:
    """Divide the logits of the layer `scores` so that its scores mean what they say.

    Args:
        model: Changed in place; its answers stay the same, only their scores change.
        scores: What it says on val.
        truth: What is right there.

    Returns:
        The temperature.
    """
    found = temperature(scores, truth)
    layer = model.get_layer("scores")
    layer.set_weights([w / found for w in layer.get_weights()])
    return found


def withhold_below(scores: npt.NDArray[np.float32], truth: npt.NDArray[np.int64]) -> float | None:
    """Return the score under which "uncertain" is said.

    None where all answers are good enough, or where not even the surest are: a few photos cannot
    show that 95% are right, and a model that never answers is of no use.
    """
    said = said_from(scores, truth, SAID_PRECISION)
    return said.below if said.coverage > 0 and said.below > 0 else None


def figures(
    scores: npt.NDArray[np.float32],
    truth: npt.NDArray[np.int64],
    labels: tuple[str, ...],
    below: float | None,
) -> dict[str, Any]:
    """Return accuracy with its interval, precision, recall, calibration, and what is withheld."""
    report = classification_report(scores, truth, labels)
    hits = int((scores.argmax(1) == truth).sum())
    report["interval"] = [round(x, 4) for x in wilson(hits, len(truth))]
    report["calibration_error"] = round(calibration_error(scores, truth), 4)
    said = said_above(scores, truth, below or 0.0)
    report["said"] = {
        "below": None if below is None else round(below, 4),
        "precision": round(said.precision, 4),
        "coverage": round(said.coverage, 4),
    }
    if {"happy", "sad"} <= set(labels):
        pair, n = pair_accuracy(scores, truth, (labels.index("happy"), labels.index("sad")))
        report["happy_sad"] = {"accuracy": round(pair, 4), "n": n}
    return report
