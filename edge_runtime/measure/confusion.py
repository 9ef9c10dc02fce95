"""Accuracy, precision and recall from scores and truth."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["accuracy", "agreement", "classification_report", "confusion", "pair_accuracy"]

Scores = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]


def confusion(truth: Indices, predicted: Indices, classes: int) -> npt.NDArray[np.int64]:
    """Return the (K, K) counts, a row a true class, a column a predicted one."""
    out = np.zeros((classes, classes), np.int64)
    np.add.at(out, (truth, predicted), 1)
    return out


def accuracy(scores: Scores, truth: Indices) -> float:
    """Return the share of rows of `scores` (N, K) whose largest entry is at `truth` (N,)."""
    if len(truth) == 0:
        raise ValueError("accuracy of nothing")
    return float(np.mean(scores.argmax(1) == truth))


def agreement(a: Scores, b: Scores) -> float:
    """Return the share of rows of two (N, K) score arrays with the same largest entry."""
    if a.shape != b.shape or len(a) == 0:
        raise ValueError(f"scores of shapes {a.shape} and {b.shape} cannot be compared")
    return float(np.mean(a.argmax(1) == b.argmax(1)))


def pair_accuracy(scores: Scores, truth: Indices, pair: tuple[int, int]) -> tuple[float, int]:
    """Return accuracy between two classes alone, and n.

    Only rows whose truth is one of the pair count, and only the pair's two scores are compared:
    what `--labels happy,sad` answers.
    """
    rows = np.isin(truth, pair)
    if not rows.any():
        raise ValueError(f"no rows of classes {pair}")
    chosen = scores[rows][:, list(pair)].argmax(1)
    return float(np.mean(np.asarray(pair)[chosen] == truth[rows])), int(rows.sum())


def classification_report(
    scores: Scores, truth: Indices, labels: tuple[str, ...]
) -> dict[str, Any]:
    """Return n, accuracy, and precision and recall per label, rounded to 4 decimals.

    A precision without any prediction of that label, or a recall without any truth, is None.
    """
    counts = confusion(truth, scores.argmax(1).astype(np.int64), len(labels))
    hits = np.diag(counts)

    def shares(totals: npt.NDArray[np.int64]) -> dict[str, float | None]:
        return {
            label: round(float(hit / total), 4) if total else None
            for label, hit, total in zip(labels, hits, totals, strict=True)
        }

    return {
        "n": len(truth),
        "accuracy": round(float(hits.sum() / max(1, len(truth))), 4),
        "precision": shares(counts.sum(0)),
        "recall": shares(counts.sum(1)),
        "confusion": counts.tolist(),
    }
