"""Scores that do not flicker: an average over the last moments of each track."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

__all__ = ["ScoreSmoother"]

Floats = npt.NDArray[np.float32]


class ScoreSmoother:
    """Exponential average of score rows per track and model, over time rather than frames."""

    def __init__(self, time_constant_s: float = 0.25) -> None:
        """Take the time after which an old answer weighs 1/e."""
        self._time_constant_s = time_constant_s
        self._state: dict[tuple[int, str], tuple[float, Floats]] = {}

    def update(self, track: int, model: str, scores: Floats, now_s: float) -> Floats:
        """Add one row of scores (K,) and return the average."""
        before = self._state.get((track, model))
        if before is not None:
            weight = math.exp(-max(now_s - before[0], 0.0) / self._time_constant_s)
            scores = np.asarray(weight * before[1] + (1 - weight) * scores, np.float32)
        self._state[track, model] = (now_s, scores)
        return scores

    def forget(self, keep: set[int]) -> None:
        """Drop all tracks but these."""
        self._state = {key: v for key, v in self._state.items() if key[0] in keep}
