import pytest

from edge_runtime.faces.cadence import Cadence


def _looks(cadence: Cadence, frames: int) -> list[int]:
    """Return in which frames it looks for faces."""
    return [i for i in range(frames) if cadence.due()]


def test_without_a_pace_each_frame_is_looked_at_however_long_it_takes() -> None:
    cadence = Cadence()
    cadence.took(5.0, 1.0)
    assert cadence.every == 1
    assert _looks(cadence, 4) == [0, 1, 2, 3]


def test_nothing_measured_yet_looks_at_each_frame() -> None:
    assert _looks(Cadence(0.04), 3) == [0, 1, 2]


@pytest.mark.parametrize("period_s", [0.0, 0.04])
def test_what_the_user_asks_for_is_done_whatever_is_measured(period_s: float) -> None:
    cadence = Cadence(period_s, every=3)
    cadence.took(9.0, 9.0)
    assert cadence.every == 3
    assert _looks(cadence, 8) == [0, 3, 6]


@pytest.mark.parametrize(
    ("period_s", "detect_s", "rest_s", "every"),
    [
        pytest.param(0.04, 0.01, 0.01, 1, id="in time"),
        pytest.param(0.04, 0.03, 0.01, 1, id="just in time"),
        pytest.param(0.04, 0.05, 0.01, 2, id="spread over two frames"),
        pytest.param(0.04, 0.08, 0.01, 3, id="over three"),
        pytest.param(0.04, 0.60, 0.01, 5, id="a fifth of a second at most"),
        pytest.param(0.04, 0.01, 0.05, 5, id="no time left at all"),
        pytest.param(0.125, 0.9, 0.01, 1, id="slow frames: each"),
        pytest.param(0.5, 0.9, 0.9, 1, id="slower ones than the longest wait"),
    ],
)
def test_detector_is_spread_over_frames_so_that_each_ends_in_time(
    period_s: float, detect_s: float, rest_s: float, every: int
) -> None:
    cadence = Cadence(period_s)
    cadence.took(detect_s, rest_s)
    assert cadence.every == every
    assert _looks(cadence, 11) == list(range(0, 11, every))


def test_frame_without_a_look_says_nothing_of_the_detectors_time() -> None:
    cadence = Cadence(0.04)
    cadence.took(0.08, 0.01)
    for _ in range(50):
        cadence.took(0.0, 0.01)
    assert cadence.every == 3


def test_one_slow_frame_among_quick_ones_changes_little() -> None:
    cadence = Cadence(0.04)
    for _ in range(20):
        cadence.took(0.02, 0.01)
    cadence.took(0.1, 0.01)  # averaged: 0.028
    assert cadence.every == 1
    cadence.took(0.1, 0.01)  # 0.0352
    assert cadence.every == 2


def test_lasting_change_is_learned_in_ten_or_so_frames() -> None:
    cadence = Cadence(0.04)
    cadence.took(0.01, 0.01)
    for _ in range(15):
        cadence.took(0.08, 0.01)  # 0.08 - 0.07 * 0.9^15 = 0.066
    assert cadence.every == 3


@pytest.mark.parametrize("done", range(1, 5))
def test_two_looks_are_at_most_a_fifth_of_a_second_apart_whatever_changes(done: int) -> None:
    cadence = Cadence(0.04)
    cadence.took(0.6, 0.01)
    due = [cadence.due() for _ in range(done)]
    for _ in range(200):
        cadence.took(0.115, 0.01)  # from each fifth frame to each fourth
    due += [cadence.due() for _ in range(10)]
    assert due[0]
    assert any(due[1:6])
