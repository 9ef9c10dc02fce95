"""Answers that do not flicker: an average over the last moments of each track, and some inertia."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_runtime.model.classifier import Answerer, Prediction

__all__ = ["SteadyAnswers"]

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Past:
    at_s: float
    output: Floats
    label: str


class SteadyAnswers:
    """What is said of each track, by model; the only state is what was said last.

    Outputs are averaged exponentially, over time rather than frames, and the answer given last
    stays until another is clearly better (see `Answerer.decide`). A face that turns into another
    is answered for as that other one within half a second.
    """

    def __init__(self, time_constant_s: float = 0.25) -> None:
        """Take the time after which an old output weighs 1/e."""
        self._time_constant_s = time_constant_s
        self._past: dict[tuple[int, str], _Past] = {}

    def answer(self, track: int, answerer: Answerer, output: Floats, now_s: float) -> Prediction:
        """Answer for a track, whose face of this frame gave an output (K,)."""
        before = self._past.get((track, answerer.name))
        held = None
        if before is not None:
            weight = math.exp(-max(now_s - before.at_s, 0.0) / self._time_constant_s)
            output = np.asarray(weight * before.output + (1 - weight) * output, np.float32)
            held = before.label
        prediction = answerer.decide(output, held)
        self._past[track, answerer.name] = _Past(now_s, output, prediction.label)
        return prediction

    def forget(self, keep: set[int]) -> None:
        """Drop all tracks but these."""
        self._past = {key: past for key, past in self._past.items() if key[0] in keep}
