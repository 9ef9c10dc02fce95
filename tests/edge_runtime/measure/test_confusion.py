import json

import numpy as np
import pytest

from edge_runtime.measure.confusion import (
    accuracy,
    agreement,
    classification_report,
    confusion,
    pair_accuracy,
)

# Answers 0, 1, 1, 2, 0 where 0, 1, 2, 2, 1 is true.
SCORES = np.array(
    [[0.8, 0.1, 0.1], [0.2, 0.6, 0.2], [0.1, 0.5, 0.4], [0.1, 0.2, 0.7], [0.5, 0.3, 0.2]],
    np.float32,
)
TRUTH = np.array([0, 1, 2, 2, 1])


def test_confusion_counts_truth_by_row_and_answer_by_column() -> None:
    assert confusion(TRUTH, SCORES.argmax(1), 3).tolist() == [[1, 0, 0], [1, 1, 0], [0, 1, 1]]


def test_confusion_counts_the_same_pair_every_time() -> None:
    assert confusion(np.zeros(5, int), np.ones(5, int), 2).tolist() == [[0, 5], [0, 0]]


def test_accuracy_is_the_share_of_right_answers() -> None:
    assert accuracy(SCORES, TRUTH) == pytest.approx(3 / 5)


def test_accuracy_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="accuracy of nothing"):
        accuracy(np.zeros((0, 3), np.float32), np.zeros(0, int))


def test_agreement_is_the_share_of_same_answers() -> None:
    other = SCORES.copy()
    other[0] = [0.0, 0.0, 1.0]
    assert agreement(SCORES, other) == pytest.approx(4 / 5)
    assert agreement(SCORES, SCORES * 0.5) == 1.0


@pytest.mark.parametrize("shape", [(4, 3), (5, 2), (0, 3)])
def test_agreement_of_unlike_scores_is_refused(shape) -> None:
    other = np.zeros(shape, np.float32)
    with pytest.raises(ValueError, match="cannot be compared"):
        agreement(other, other if shape[0] == 0 else SCORES)


@pytest.mark.parametrize(
    ("pair", "share", "n"),
    [
        pytest.param((1, 2), 3 / 4, 4, id="0 left out"),  # the last row answers 1 without 0
        pytest.param((2, 1), 3 / 4, 4, id="order does not matter"),
        pytest.param((0, 1), 2 / 3, 3, id="2 left out"),
        pytest.param((0, 2), 1.0, 3, id="1 left out"),
    ],
)
def test_pair_accuracy_compares_only_the_two(pair, share: float, n: int) -> None:
    assert pair_accuracy(SCORES, TRUTH, pair) == (pytest.approx(share), n)


def test_pair_that_never_occurs_is_refused() -> None:
    with pytest.raises(ValueError, match="no rows of classes"):
        pair_accuracy(SCORES[:1], TRUTH[:1], (1, 2))


def test_report_holds_precision_and_recall_by_label() -> None:
    report = classification_report(SCORES, TRUTH, ("a", "b", "c"))
    assert report == {
        "n": 5,
        "accuracy": 0.6,
        "precision": {"a": 0.5, "b": 0.5, "c": 1.0},
        "recall": {"a": 1.0, "b": 0.5, "c": 0.5},
        "confusion": [[1, 0, 0], [1, 1, 0], [0, 1, 1]],
    }
    assert json.loads(json.dumps(report)) == report


def test_label_never_answered_or_never_true_has_no_figure() -> None:
    scores = np.array([[0.9, 0.1, 0.0], [0.8, 0.2, 0.0]], np.float32)
    report = classification_report(scores, np.array([0, 1]), ("a", "b", "c"))
    assert report["precision"] == {"a": 0.5, "b": None, "c": None}
    assert report["recall"] == {"a": 1.0, "b": 0.0, "c": None}
