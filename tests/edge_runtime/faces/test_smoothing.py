import math

import numpy as np
import pytest

from edge_runtime.faces.smoothing import ScoreSmoother


def _row(*scores: float) -> np.ndarray:
    return np.array(scores, np.float32)


def test_first_answer_is_taken_as_it_is() -> None:
    assert ScoreSmoother().update(1, "mood", _row(0.2, 0.8), 5.0).tolist() == pytest.approx(
        [0.2, 0.8]
    )


def test_answer_of_one_time_constant_ago_weighs_1_over_e() -> None:
    smoother = ScoreSmoother(time_constant_s=0.5)
    smoother.update(1, "mood", _row(1, 0), 0.0)
    out = smoother.update(1, "mood", _row(0, 1), 0.5)
    assert out.tolist() == pytest.approx([math.exp(-1), 1 - math.exp(-1)])


def test_smoothing_depends_on_time_and_not_on_the_frame_rate() -> None:
    often, seldom = ScoreSmoother(0.3), ScoreSmoother(0.3)
    often.update(1, "mood", _row(1, 0), 0.0)
    seldom.update(1, "mood", _row(1, 0), 0.0)
    for i in range(1, 31):
        slow = often.update(1, "mood", _row(0, 1), i / 100)
    fast = seldom.update(1, "mood", _row(0, 1), 0.3)
    assert slow.tolist() == pytest.approx(fast.tolist(), abs=1e-5)


def test_one_odd_frame_does_not_flip_the_label() -> None:
    smoother = ScoreSmoother()
    for i in range(10):
        smoother.update(1, "mood", _row(0.9, 0.1), i / 30)
    assert smoother.update(1, "mood", _row(0.1, 0.9), 10 / 30).argmax() == 0


def test_lasting_change_is_followed_within_half_a_second() -> None:
    smoother = ScoreSmoother()
    smoother.update(1, "mood", _row(1, 0), 0.0)
    for i in range(1, 16):
        out = smoother.update(1, "mood", _row(0, 1), i / 30)
    assert out[1] > 0.85


def test_probabilities_stay_probabilities() -> None:
    smoother = ScoreSmoother()
    rows = np.random.default_rng(0).dirichlet([1, 1, 1], 20).astype(np.float32)
    for i, row in enumerate(rows):
        assert smoother.update(1, "mood", row, i / 30).sum() == pytest.approx(1, abs=1e-5)


def test_tracks_and_models_do_not_mix() -> None:
    smoother = ScoreSmoother()
    smoother.update(1, "mood", _row(1, 0), 0.0)
    assert smoother.update(2, "mood", _row(0, 1), 0.01).tolist() == [0, 1]
    assert smoother.update(1, "age", _row(0, 1), 0.01).tolist() == [0, 1]


def test_forgotten_track_starts_anew_and_the_kept_one_goes_on() -> None:
    smoother = ScoreSmoother()
    smoother.update(1, "mood", _row(1, 0), 0.0)
    smoother.update(2, "mood", _row(1, 0), 0.0)
    smoother.forget({2})
    assert smoother.update(1, "mood", _row(0, 1), 0.01).tolist() == [0, 1]
    assert smoother.update(2, "mood", _row(0, 1), 0.01)[0] > 0.9


def test_rows_given_are_not_changed() -> None:
    smoother = ScoreSmoother()
    first, second = _row(1, 0), _row(0, 1)
    smoother.update(1, "mood", first, 0.0)
    smoother.update(1, "mood", second, 0.1)
    assert (first.tolist(), second.tolist()) == ([1, 0], [0, 1])


def test_clock_that_goes_back_keeps_the_old_answer() -> None:
    smoother = ScoreSmoother()
    smoother.update(1, "mood", _row(1, 0), 5.0)
    assert smoother.update(1, "mood", _row(0, 1), 4.0).tolist() == [1, 0]
