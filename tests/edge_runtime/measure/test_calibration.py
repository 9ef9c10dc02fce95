import numpy as np
import pytest

from edge_runtime.measure.calibration import (
    Bin,
    Said,
    calibration_error,
    reliability,
    said_above,
    said_from,
    temperature,
)


def _answers(*rows: tuple[float, bool]) -> tuple[np.ndarray, np.ndarray]:
    """Scores and truths of answers with that top score, right or wrong."""
    scores = np.array([[top, 1 - top] for top, _ in rows], np.float32)
    return scores, np.array([0 if right else 1 for _, right in rows])


# Top scores with whether they are right; exact in float32.
MIXED = _answers((0.875, True), (0.9375, False), (0.625, True), (1.0, True), (0.6875, False))


# Does a score mean what it says


def test_answers_are_sorted_into_ranges_by_their_top_score() -> None:
    assert reliability(*MIXED, bins=4) == [
        Bin(0.0, 0.25, 0, 0.0, 0.0),
        Bin(0.25, 0.5, 0, 0.0, 0.0),
        Bin(0.5, 0.75, 2, 0.65625, 0.5),
        Bin(0.75, 1.0, 3, 0.9375, pytest.approx(2 / 3)),
    ]


def test_there_are_ten_ranges_unless_told() -> None:
    bins = reliability(*MIXED)
    assert [b.n for b in bins] == [0] * 6 + [2, 0, 1, 2]
    assert (bins[0].low, bins[-1].high) == (0.0, 1.0)


def test_calibration_error_is_the_mean_gap_weighted_by_answers() -> None:
    expected = 2 / 5 * (0.65625 - 0.5) + 3 / 5 * (0.9375 - 2 / 3)
    assert calibration_error(*MIXED, bins=4) == pytest.approx(expected)


def test_too_modest_answers_count_as_too_bold_ones() -> None:
    assert calibration_error(*_answers((0.625, True), (0.625, True))) == pytest.approx(0.375)
    assert calibration_error(*_answers((0.625, False), (0.625, False))) == pytest.approx(0.625)


def test_answers_that_are_right_as_often_as_they_say_have_no_error() -> None:
    rows = [(0.75, i % 4 > 0) for i in range(40)]
    assert calibration_error(*_answers(*rows)) == 0.0


# Temperature


def _honest(sharpened: float, answers: int = 100) -> tuple[np.ndarray, np.ndarray]:
    """Answers whose honest scores are 0.7, 0.2, 0.1, with the logits multiplied."""
    powered = np.array([0.7, 0.2, 0.1]) ** sharpened
    truth = np.repeat([0, 1, 2], [answers * 7 // 10, answers * 2 // 10, answers // 10])
    return np.tile(powered / powered.sum(), (answers, 1)).astype(np.float32), truth


@pytest.mark.parametrize("sharpened", [0.1, 0.5, 1.0, 1.7, 4.0])
def test_temperature_is_what_the_logits_were_multiplied_by(sharpened: float) -> None:
    assert temperature(*_honest(sharpened, 10_000)) == pytest.approx(sharpened, rel=1e-3)
    assert temperature(*_honest(sharpened, 100)) == pytest.approx(sharpened, rel=0.02)


def test_temperature_makes_the_scores_honest() -> None:
    scores, truth = _honest(3.0, 10_000)
    assert calibration_error(scores, truth) > 0.2
    cooled = scores.astype(float) ** (1 / temperature(scores, truth))
    cooled /= cooled.sum(1, keepdims=True)
    assert calibration_error(cooled, truth) == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("photos", [1, 8, 98, 998])
@pytest.mark.parametrize("score", [0.6, 0.9])
def test_photos_without_a_mistake_make_the_model_as_sure_as_their_number_allows(
    photos: int, score: float
) -> None:
    """The truth counts as (N + 1) / (N + 2) certain: that becomes the score of each."""
    found = temperature(*_answers(*[(score, True)] * photos))
    cooled = 1 / (1 + ((1 - score) / score) ** (1 / found))
    assert cooled == pytest.approx((photos + 1) / (photos + 2), rel=1e-4)
    assert found > 0.05


def test_certainty_that_is_missing_is_shared_by_the_other_classes() -> None:
    """Of 8 right answers among three, 0.9 is the truth's: each other class's 0.05."""
    powered = np.array([0.9, 0.05, 0.05]) ** 2.5
    scores = np.tile(powered / powered.sum(), (8, 1)).astype(np.float32)
    assert temperature(scores, np.zeros(8, int)) == pytest.approx(2.5, rel=1e-3)


def test_temperature_of_nothing_but_mistakes_stops_at_its_bound() -> None:
    assert temperature(*_answers((0.6, False), (0.55, False))) == pytest.approx(20, rel=1e-3)


def test_temperature_copes_with_scores_of_0() -> None:
    scores = np.array([[1, 0, 0]] * 10, np.float32)
    assert 1 < temperature(scores, np.repeat([0, 1], [9, 1])) < 20


def test_temperature_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no answers"):
        temperature(np.zeros((0, 3), np.float32), np.zeros(0, int))


# When to say so


# Right from the surest down: 1/1, 1/2, 2/3, 2/4, 3/5, and 1/1, 1/2, 2/3, 3/4, 3/5.
DIPPING = _answers((1.0, True), (0.9375, False), (0.875, True), (0.6875, False), (0.625, True))
RISING = _answers((1.0, True), (0.9375, False), (0.875, True), (0.625, True), (0.5625, False))


@pytest.mark.parametrize(
    ("answers", "precision", "below", "right", "coverage"),
    [
        pytest.param(DIPPING, 0.6, 0.0, 3 / 5, 1.0, id="all given, though fewer are less right"),
        pytest.param(DIPPING, 0.65, 0.875, 2 / 3, 0.6, id="more given are more right"),
        pytest.param(DIPPING, 0.9, 1.0, 1.0, 0.2, id="only the surest"),
        pytest.param(RISING, 0.75, 0.625, 3 / 4, 0.8, id="precision just reached"),
        pytest.param(RISING, 0.76, 1.0, 1.0, 0.2, id="precision just missed"),
    ],
)
def test_threshold_is_the_lowest_that_gives_the_precision(
    answers, precision: float, below: float, right: float, coverage: float
) -> None:
    assert said_from(*answers, precision) == Said(below, pytest.approx(right), coverage)


@pytest.mark.parametrize("wrong_first", [True, False])
def test_equal_scores_are_given_or_withheld_together(wrong_first: bool) -> None:
    tied = [(0.75, True), (0.75, False), (0.75, True)]
    rows = [(0.875, True), *(tied[1:] + tied[:1] if wrong_first else tied), (0.5625, False)]
    scores, truth = _answers(*rows)
    assert said_from(scores, truth, 0.75) == Said(0.75, 0.75, 0.8)
    assert said_from(scores, truth, 0.8) == Said(0.875, 1.0, 0.2)


def test_impossible_precision_withholds_everything() -> None:
    scores, truth = _answers((1.0, False), (0.875, True), (0.75, True))
    said = said_from(scores, truth, 0.9)
    assert said.below > 1
    assert (said.precision, said.coverage) == (0.0, 0.0)
    assert said_above(scores, truth, said.below) == Said(said.below, 0.0, 0.0)


@pytest.mark.parametrize("precision", [0.5, 0.7, 0.8, 0.9])
def test_threshold_keeps_its_word_and_none_lower_does(precision: float) -> None:
    rng = np.random.default_rng(0)
    scores = rng.dirichlet([0.4] * 4, 500).astype(np.float32)
    truth = np.array([rng.choice(4, p=row / row.sum()) for row in scores.astype(float)])
    said = said_from(scores, truth, precision)
    assert said_above(scores, truth, said.below) == said
    assert said.precision >= precision
    lower = [t for t in np.unique(scores.max(1)).astype(float) if t < said.below]
    assert all(said_above(scores, truth, t).precision < precision for t in lower)
    assert lower or said.below == 0


def test_precision_and_coverage_of_a_threshold_count_the_score_itself_in() -> None:
    assert said_above(*MIXED, 0.875) == Said(0.875, pytest.approx(2 / 3), 0.6)
    assert said_above(*MIXED, 0.0) == Said(0.0, 0.6, 1.0)


@pytest.mark.parametrize("measure", [reliability, calibration_error, said_from, said_above])
@pytest.mark.parametrize(
    ("shape", "truths"),
    [((3, 2), 2), ((0, 2), 0), ((3,), 3)],
    ids=["fewer truths", "nothing", "no classes"],
)
def test_scores_that_do_not_fit_are_refused(measure, shape, truths: int) -> None:
    more = (0.9,) if measure in (said_from, said_above) else ()
    with pytest.raises(ValueError, match="do not fit"):
        measure(np.zeros(shape, np.float32), np.zeros(truths, int), *more)
