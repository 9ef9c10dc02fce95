import math
from dataclasses import dataclass, field

import numpy as np
import pytest

from edge_runtime.faces.smoothing import SteadyAnswers
from edge_runtime.model.classifier import Prediction


@dataclass
class Mood:
    """Answers with the largest number, if it is large enough; notes which answer was held."""

    name: str = "mood"
    below: float = 0.0
    held: list[str | None] = field(default_factory=list)

    def decide(self, output: np.ndarray, held: str | None = None) -> Prediction:
        self.held.append(held)
        best, labels = int(output.argmax()), tuple("abc"[: len(output)])
        label = labels[best] if output[best] >= self.below else "uncertain"
        return Prediction(label, float(output[best]), labels, output)


def _row(*scores: float) -> np.ndarray:
    return np.array(scores, np.float32)


def test_first_output_is_taken_as_it_is() -> None:
    mood = Mood()
    answer = SteadyAnswers().answer(1, mood, _row(0.2, 0.8), 5.0)
    assert answer.label == "b"
    assert set(mood.held) == {None}
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
        slow = often.answer(1, Mood(), _row(0.6, 0.4), i / 100).scores
    fast = seldom.answer(1, Mood(), _row(0.6, 0.4), 0.3).scores
    assert slow.tolist() == pytest.approx(fast.tolist(), abs=1e-5)


def test_one_odd_frame_does_not_flip_the_label() -> None:
    steady = SteadyAnswers()
    for i in range(10):
        steady.answer(1, Mood(), _row(0.9, 0.1), i / 30)
    assert steady.answer(1, Mood(), _row(0.1, 0.9), 10 / 30).label == "a"


@pytest.mark.parametrize("fps", [10, 30, 60])
def test_lasting_change_is_said_within_half_a_second_even_where_much_certainty_is_asked_for(
    fps: int,
) -> None:
    steady, mood = SteadyAnswers(), Mood(below=0.89)
    for i in range(2 * fps):
        steady.answer(1, mood, _row(0.95, 0.05), i / fps)
    said = [steady.answer(1, mood, _row(0.1, 0.9), 2 + i / fps).label for i in range(fps)]
    assert said[-1] == "b"
    assert said.index("b") / fps <= 0.3
    assert "a" not in said[said.index("b") :]


def test_face_that_looks_otherwise_in_each_frame_is_averaged_on() -> None:
    steady, mood = SteadyAnswers(), Mood(below=0.9)
    steady.answer(1, mood, _row(1, 0, 0), 0.0)
    for i in range(1, 31):
        last = steady.answer(1, mood, _row(0, i % 2, (i + 1) % 2), i / 30)
    assert last.label == "uncertain"
    assert 0 < last.scores[0] < 0.1
    assert last.scores[1:].tolist() == pytest.approx([0.5, 0.5], abs=0.1)


def test_short_turn_is_forgotten_once_the_face_looks_as_before() -> None:
    steady = SteadyAnswers()
    rows = [_row(1, 0), _row(0, 1), _row(1, 0)] * 30  # a third of the frames, never two in a row
    said = [steady.answer(1, Mood(), row, i / 30).label for i, row in enumerate(rows)]
    assert set(said) == {"a"}


def test_frame_of_no_numbers_spoils_nothing_that_follows() -> None:
    steady = SteadyAnswers()
    steady.answer(1, Mood(), _row(1, 0), 0.0)
    assert steady.answer(1, Mood(), _row(np.nan, np.inf), 0.03).label == "a"
    out = steady.answer(1, Mood(), _row(1, 0), 1.0)
    assert out.scores.tolist() == pytest.approx([1, 0], abs=0.02)


def test_answer_before_is_held_out_to_the_next_decision() -> None:
    steady, mood = SteadyAnswers(), Mood()
    held = []
    for track, row in [(1, _row(1, 0)), (1, _row(1, 0)), (1, _row(0, 1)), (2, _row(1, 0))]:
        steady.answer(track, mood, row, float(len(held)))
        held.append(mood.held[-1])
    assert held == [None, "a", "a", None]


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
