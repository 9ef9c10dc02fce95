import numpy as np
import pytest

from edge_runtime.measure.scoring import SAID_PRECISION, score_report, withhold_below


def _answers(*rows: tuple[float, bool]) -> tuple[np.ndarray, np.ndarray]:
    """Scores and truths of answers with that top score, right or wrong."""
    scores = np.array([[top, 1 - top] for top, _ in rows], np.float32)
    return scores, np.array([0 if right else 1 for _, right in rows])


SURE, FAINT = [(0.875, True)] * 19, [(0.625, False)]


def test_answers_are_to_be_right_19_times_in_20() -> None:
    assert SAID_PRECISION == 0.95


@pytest.mark.parametrize(
    ("rows", "below"),
    [
        pytest.param([*SURE, *FAINT], None, id="all given are right often enough"),
        pytest.param([*SURE, *FAINT * 2], 0.875, id="the surest are"),
        pytest.param([(0.875, True), (0.625, True)], None, id="no mistake"),
        pytest.param([(0.9375, False), *SURE[:9]], None, id="not even the surest are"),
        pytest.param([(0.75, False)], None, id="one wrong answer"),
    ],
)
def test_score_under_which_uncertain_is_said(rows, below) -> None:
    assert withhold_below(*_answers(*rows)) == below


def test_report_of_known_answers() -> None:
    scores, truth = _answers(*[(0.875, True)] * 6, *[(0.625, True)] * 2, *[(0.625, False)] * 2)
    report = score_report(scores, truth, ("cat", "dog"), 0.8)
    assert (report["n"], report["accuracy"]) == (10, 0.8)
    assert report["confusion"] == [[8, 0], [2, 0]]
    assert report["precision"] == {"cat": 0.8, "dog": None}
    assert report["recall"] == {"cat": 1.0, "dog": 0.0}
    assert report["interval"] == [0.4902, 0.9433]  # Wilson's for 8 of 10
    assert report["calibration_error"] == 0.125  # 0.6 * (1 - 0.875) + 0.4 * (0.625 - 0.5)
    assert report["said"] == {"below": 0.8, "precision": 1.0, "coverage": 0.6}
    assert "happy_sad" not in report


def test_without_a_threshold_every_answer_is_given() -> None:
    report = score_report(*_answers((0.875, True), (0.625, False)), ("cat", "dog"), None)
    assert report["said"] == {"below": None, "precision": 0.5, "coverage": 1.0}


def test_happy_against_sad_is_told_where_both_are_labels() -> None:
    scores = np.array([[0.2, 0.7, 0.1], [0.3, 0.6, 0.1], [0.1, 0.2, 0.7], [0, 1, 0]], np.float32)
    report = score_report(scores, np.array([0, 2, 2, 1]), ("happy", "angry", "sad"), None)
    # Of the three that are happy or sad, the first and the third have the right one above.
    assert (report["happy_sad"]["accuracy"], report["happy_sad"]["n"]) == (0.6667, 3)
    assert report["happy_sad"]["interval"] == [0.2077, 0.9385]
