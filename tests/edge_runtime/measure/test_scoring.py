import numpy as np
import pytest

from edge_runtime.measure.scoring import brief, score_report, withhold_below

LABELS = ("happy", "sad", "neutral")
SCORES = np.float32(
    [[0.9, 0.05, 0.05], [0.6, 0.3, 0.1], [0.2, 0.7, 0.1], [0.3, 0.3, 0.4], [0.1, 0.2, 0.7]]
)
TRUTH = np.array([0, 1, 1, 0, 2])


def test_report_says_how_many_how_sure_and_what_is_withheld() -> None:
    report = score_report(SCORES, TRUTH, LABELS, below=0.65)
    assert (report["n"], report["accuracy"]) == (5, 0.6)
    assert report["interval"] == [0.2307, 0.8824]
    assert report["said"] == {"below": 0.65, "precision": 1.0, "coverage": 0.6}
    # Four photos are happy or sad; of the two scores alone the larger is right in three of them:
    # a tie goes to happy.
    assert report["happy_sad"]["n"] == 4
    assert report["happy_sad"]["accuracy"] == 0.75


def test_photos_of_neither_happy_nor_sad_get_no_such_line() -> None:
    assert "happy_sad" not in score_report(SCORES[4:], TRUTH[4:], LABELS, None)


def test_labels_without_happy_and_sad_get_no_such_line() -> None:
    assert "happy_sad" not in score_report(SCORES, TRUTH, ("a", "b", "c"), None)


def test_nothing_is_withheld_where_all_answers_are_right() -> None:
    assert withhold_below(SCORES[[0, 2, 4]], TRUTH[[0, 2, 4]]) is None


def test_nothing_is_withheld_where_even_the_surest_answer_is_wrong() -> None:
    assert withhold_below(SCORES[:2], np.array([1, 1])) is None


def test_score_from_which_on_answers_are_right_is_found() -> None:
    assert withhold_below(SCORES, TRUTH) == pytest.approx(0.7)


@pytest.mark.parametrize(("labels", "lines"), [(24, True), (25, False)], ids=["few", "many"])
def test_brief_report_has_a_line_a_label_where_they_are_few(labels: int, lines: bool) -> None:
    names = tuple(f"p{i}" for i in range(labels))
    report = brief(score_report(np.eye(labels, dtype=np.float32), np.arange(labels), names, None))
    assert "confusion" not in report
    assert ("recall" in report) is lines
    assert report["accuracy"] == 1.0
