"""Whether a score means what it says: is 0.9 right nine times in ten?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = [
    "Bin",
    "Said",
    "calibration_error",
    "reliability",
    "said_above",
    "said_from",
    "temperature",
]

Scores = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]

_SMALLEST = 1e-12


@dataclass(frozen=True, slots=True)
class Bin:
    """Answers whose top score lies in one range.

    Attributes:
        low: Start of the range.
        high: End of the range.
        n: Answers in it.
        score: Their mean top score; 0 where there are none.
        right: The share of them that are right; 0 where there are none.
    """

    low: float
    high: float
    n: int
    score: float
    right: float


@dataclass(frozen=True, slots=True)
class Said:
    """What remains when answers below a score are withheld.

    Attributes:
        below: Answers with less are withheld; 0 withholds none.
        precision: Share of the remaining ones that are right; 0 where none remains.
        coverage: Share of all answers that remain.
    """

    below: float
    precision: float
    coverage: float


def reliability(scores: Scores, truth: Indices, bins: int = 10) -> list[Bin]:
    """Sort answers into ranges of equal width by their top score.

    Args:
        scores: (N, K) probabilities.
        truth: (N,) indices of the right class.
        bins: How many ranges between 0 and 1.
    """
    top, right = _top(scores, truth)
    place = np.minimum((top * bins).astype(np.int64), bins - 1)
    out = []
    for i in range(bins):
        here = place == i
        n = int(here.sum())
        out.append(
            Bin(
                i / bins,
                (i + 1) / bins,
                n,
                float(top[here].mean()) if n else 0.0,
                float(right[here].mean()) if n else 0.0,
            )
        )
    return out


def calibration_error(scores: Scores, truth: Indices, bins: int = 10) -> float:
    """Return the expected calibration error: the mean gap of score and accuracy over ranges.

    Source: Naeini et al. 2015, "Obtaining Well Calibrated Probabilities Using Bayesian Binning".
    """
    rows = reliability(scores, truth, bins)
    return sum(b.n * abs(b.score - b.right) for b in rows) / max(1, len(truth))


def temperature(scores: Scores, truth: Indices) -> float:
    """Return the number by which logits must be divided for scores to mean what they say.

    The one that makes the truth most likely (Guo et al. 2017, "On Calibration of Modern Neural
    Networks"), found by golden-section search between 0.05 and 20; the order of the answers does
    not change. The truth counts as (N + 1) / (N + 2) certain (Platt 1999), so that a few photos
    without a mistake do not make the model sure of everything.

    Args:
        scores: (N, K) probabilities; their logarithms serve as logits.
        truth: (N,) indices of the right class.
    """
    if len(truth) == 0:
        raise ValueError("no answers to set a temperature by")
    logits = np.log(np.maximum(scores.astype(np.float64), _SMALLEST))

    n, classes = logits.shape
    certain = (n + 1) / (n + 2)
    target = np.full(logits.shape, (1 - certain) / max(1, classes - 1))
    target[np.arange(n), truth] = certain

    def loss(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)
        scaled -= scaled.max(1, keepdims=True)
        normal = np.log(np.exp(scaled).sum(1, keepdims=True))
        return float(np.mean((target * (normal - scaled)).sum(1)))

    shrink = (5**0.5 - 1) / 2
    low, high = np.log(0.05), np.log(20.0)
    a, b = high - shrink * (high - low), low + shrink * (high - low)
    loss_a, loss_b = loss(a), loss(b)
    while high - low > 1e-4:
        if loss_a < loss_b:
            high, b, loss_b = b, a, loss_a
            a = high - shrink * (high - low)
            loss_a = loss(a)
        else:
            low, a, loss_a = a, b, loss_b
            b = low + shrink * (high - low)
            loss_b = loss(b)
    return float(np.exp((low + high) / 2))


def said_from(scores: Scores, truth: Indices, precision: float) -> Said:
    """Return the lowest score from which on answers are right often enough.

    Args:
        scores: (N, K) probabilities of photos that chose nothing else.
        truth: (N,) indices of the right class.
        precision: The share of given answers that must be right.

    Returns:
        The threshold that withholds least. Where even the surest answers are not right often
        enough, everything is withheld (`below` is above 1).
    """
    top, right = _top(scores, truth)
    order = np.argsort(-top, kind="stable")
    top, right = top[order], right[order]
    given = np.arange(1, len(top) + 1)
    shares = np.cumsum(right) / given
    # Equal scores are given or withheld together.
    last = np.append(top[1:] < top[:-1], True)
    enough = np.flatnonzero(last & (shares >= precision))
    if len(enough) == 0:
        return Said(1.01, 0.0, 0.0)
    kept = int(enough[-1])
    below = 0.0 if kept == len(top) - 1 else float(top[kept])
    return Said(below, float(shares[kept]), (kept + 1) / len(top))


def said_above(scores: Scores, truth: Indices, below: float) -> Said:
    """Return precision and coverage of the answers a given threshold leaves."""
    top, right = _top(scores, truth)
    kept = top >= below
    return Said(below, float(right[kept].mean()) if kept.any() else 0.0, float(kept.mean()))


def _top(scores: Scores, truth: Indices) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    if scores.ndim != 2 or len(scores) != len(truth) or len(truth) == 0:
        raise ValueError(f"scores {scores.shape} do not fit {len(truth)} truths")
    return scores.max(1).astype(np.float64), scores.argmax(1) == truth
