import math
from dataclasses import dataclass, field

import numpy as np
import pytest

from edge_runtime.faces.smoothing import SteadyAnswers
from edge_runtime.model.classifier import Prediction


@dataclass
class Mood:
    """Answers with the larger of two numbers; notes which answer was held."""

    name: str = "mood"
    held: list[str | None] = field(default_factory=list)

    def decide(self, output: np.ndarray, held: str | None = None) -> Prediction:
        self.held.append(held)
        best = int(output.argmax())
        return Prediction("ab"[best], float(output[best]), ("a", "b"), output)


def _row(*scores: float) -> np.ndarray:
    return np.array(scores, np.float32)


def test_first_output_is_taken_as_it_is() -> None:
    mood = Mood()
    answer = SteadyAnswers().answer(1, mood, _row(0.2, 0.8), 5.0)
    assert (answer.label, mood.held) == ("b", [None])
    assert answer.scores.tolist() == pytest.approx([0.2, 0.8])


def test_output_of_one_time_constant_ago_weighs_1_over_e() -> None:
    steady = SteadyAnswers(time_constant_s=0.5)
    steady.answer(1, Mood(), _row(1, 0), 0.0)
    out = steady.answer(1, Mood(), _row(0, 1), 0.5).scores
    assert out.tolist() == pytest.approx([math.exp(-1), 1 - math.exp(-1)])


def test_average_depends_on_time_and_not_on_the_frame_rate() -> None:
    often, seldom = SteadyAnswers(0.3), SteadyAnswers(0.3)
    often.answer(1, Mood(), _row(1, 0), 0.0)
    seldom.answer(1, Mood(), _row(1, 0), 0.0)
    for i in range(1, 31):
        slow = often.answer(1, Mood(), _row(0, 1), i / 100).scores
    fast = seldom.answer(1, Mood(), _row(0, 1), 0.3).scores
    assert slow.tolist() == pytest.approx(fast.tolist(), abs=1e-5)


def test_one_odd_frame_does_not_flip_the_label() -> None:
    steady = SteadyAnswers()
    for i in range(10):
        steady.answer(1, Mood(), _row(0.9, 0.1), i / 30)
    assert steady.answer(1, Mood(), _row(0.1, 0.9), 10 / 30).label == "a"


def test_lasting_change_is_followed_within_half_a_second() -> None:
    steady = SteadyAnswers()
    steady.answer(1, Mood(), _row(1, 0), 0.0)
    for i in range(1, 16):
        out = steady.answer(1, Mood(), _row(0, 1), i / 30)
    assert out.scores[1] > 0.85


def test_answer_before_is_held_out_to_the_next_decision() -> None:
    steady, mood = SteadyAnswers(), Mood()
    for i, row in enumerate([_row(1, 0), _row(1, 0), _row(0, 1)]):
        steady.answer(1, mood, row, float(i))
    steady.answer(2, mood, _row(1, 0), 3.0)
    assert mood.held == [None, "a", "a", None]


def test_tracks_and_models_do_not_mix() -> None:
    steady = SteadyAnswers()
    steady.answer(1, Mood(), _row(1, 0), 0.0)
    assert steady.answer(2, Mood(), _row(0, 1), 0.01).scores.tolist() == [0, 1]
    assert steady.answer(1, Mood("age"), _row(0, 1), 0.01).scores.tolist() == [0, 1]


def test_forgotten_track_starts_anew_and_the_kept_one_goes_on() -> None:
    steady = SteadyAnswers()
    steady.answer(1, Mood(), _row(1, 0), 0.0)
    steady.answer(2, Mood(), _row(1, 0), 0.0)
    steady.forget({2})
    assert steady.answer(1, Mood(), _row(0, 1), 0.01).scores.tolist() == [0, 1]
    assert steady.answer(2, Mood(), _row(0, 1), 0.01).scores[0] > 0.9


def test_rows_given_are_not_changed() -> None:
    steady = SteadyAnswers()
    first, second = _row(1, 0), _row(0, 1)
    steady.answer(1, Mood(), first, 0.0)
    steady.answer(1, Mood(), second, 0.1)
    assert (first.tolist(), second.tolist()) == ([1, 0], [0, 1])


def test_clock_that_goes_back_keeps_the_old_output() -> None:
    steady = SteadyAnswers()
    steady.answer(1, Mood(), _row(1, 0), 5.0)
    assert steady.answer(1, Mood(), _row(0, 1), 4.0).scores.tolist() == [1, 0]
