"""Everything said of a classifier's answers on a split: one table for training, export, bench."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edge_runtime.measure.calibration import calibration_error, said_above, said_from
from edge_runtime.measure.confusion import classification_report, pair_accuracy
from edge_runtime.measure.intervals import wilson

__all__ = ["SAID_PRECISION", "brief", "score_report", "withhold_below"]

Scores = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]

# What an answer that is given must be worth; with less sure ones "uncertain" is said.
SAID_PRECISION = 0.95

_MOST_LABELS = 24  # whose figures are worth a line each in a card or a table


def withhold_below(scores: Scores, truth: Indices) -> float | None:
    """Return the score under which "uncertain" is said, from photos that chose nothing else.

    None where all answers are good enough, or where not even the surest are: a few photos cannot
    show that 95% are right, and a model that never answers is of no use.

    Args:
        scores: (N, K) probabilities.
        truth: (N,) indices of the right class.
    """
    said = said_from(scores, truth, SAID_PRECISION)
    return said.below if said.coverage > 0 and said.below > 0 else None


def score_report(
    scores: Scores, truth: Indices, labels: tuple[str, ...], below: float | None
) -> dict[str, Any]:
    """Return accuracy with its 95% interval, precision, recall, confusion, calibration.

    Args:
        scores: (N, K) probabilities.
        truth: (N,) indices of the right class.
        labels: K names.
        below: Answers with less are withheld; the others' precision and share are `said`.
    """
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
    pair_of = [labels.index(name) for name in ("happy", "sad") if name in labels]
    if len(pair_of) == 2 and np.isin(truth, pair_of).any():
        pair, n = pair_accuracy(scores, truth, (pair_of[0], pair_of[1]))
        low, high = (round(x, 4) for x in wilson(round(pair * n), n))
        report["happy_sad"] = {"accuracy": round(pair, 4), "n": n, "interval": [low, high]}
    return report


def brief(report: dict[str, Any]) -> dict[str, Any]:
    """Return a report without the confusion matrix and, of many labels, without each one's line."""
    left_out = {"confusion"}
    by_label = report.get("recall")  # a detector's is one number
    if isinstance(by_label, dict) and len(by_label) > _MOST_LABELS:
        left_out |= {"precision", "recall"}
    return {key: value for key, value in report.items() if key not in left_out}
