"""What the gate says of a smaller file, by answers set by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.model.card import ModelCard
from export.evaluate import evaluator_for
from export.gate import Candidate, Gate
from export.package import pack
from export.photos import photos_in
from export.run_folder import Sample

LABELS = ("red", "green", "blue")
SURE, FLAT = (0.8, 0.1, 0.1), (0.3, 0.4, 0.3)  # right and wrong of a red photo


@pytest.fixture
def gate_of(tmp_path: Path) -> Callable[..., Gate]:
    """Build a gate of so many red photos."""

    def build(
        photos: int, max_drop: float = 0.5, min_agreement: float = 0.98, labelled: bool = True
    ) -> Gate:
        samples = [Sample(Path(f"{i}.png"), "red" if labelled else "") for i in range(photos)]
        evaluator = evaluator_for("classification", LABELS, labelled)
        return Gate(samples, evaluator, max_drop, min_agreement, tmp_path)

    return build


@pytest.fixture
def candidate(classifier_proto, color_card: ModelCard) -> Callable[..., Candidate]:
    """Build what a file answered: `wrong` of `photos` red photos are called green."""

    def build(gate: Gate, wrong: int, photos: int, size_bytes: int = 1000) -> Candidate:
        answers = np.array([FLAT] * wrong + [SURE] * (photos - wrong), np.float32)
        report = gate._evaluator.report(answers, gate.samples)
        return Candidate(classifier_proto(), color_card, answers, report, size_bytes)

    return build


def test_file_that_answers_alike_passes_with_all_its_figures(gate_of, candidate) -> None:
    gate = gate_of(10)
    verdict = gate.judge(candidate(gate, 2, 10), candidate(gate, 2, 10, 260))
    assert (verdict.passed, verdict.why) == (True, "keeps within the limits")
    assert verdict.figures == {
        "n": 10,
        "accuracy": 0.8,
        "change_points": 0.0,
        "agreement": 1.0,
        "mean_score_difference": 0.0,
        "largest_score_difference": 0.0,
        "recall": {"red": 0.8, "green": None, "blue": None},
        "bytes": 260,
        "of_fp32": 0.26,
    }
    assert gate.said(verdict) == "accuracy 0.8000, n 10 (+0.00 points), agreement 1.0000"


@pytest.mark.parametrize(
    ("photos", "max_drop", "wrong", "passes"),
    [
        pytest.param(10, 0.5, 1, True, id="one of ten, though it is 10 points"),
        pytest.param(10, 0.5, 2, False, id="two of ten"),
        pytest.param(10, 0.0, 1, False, id="one of ten where nothing may be lost"),
        pytest.param(10, 0.0, 0, True, id="none of ten where nothing may be lost"),
        pytest.param(10, 20.0, 2, True, id="20 points of 20"),
        pytest.param(10, 20.0, 3, False, id="30 points of 20"),
        pytest.param(1000, 0.5, 5, True, id="half a point of many"),
        pytest.param(1000, 0.5, 6, False, id="more than half a point of many"),
    ],
)
def test_points_lost_are_held_against_what_is_allowed(
    gate_of, candidate, photos: int, max_drop: float, wrong: int, passes: bool
) -> None:
    gate = gate_of(photos, max_drop, min_agreement=0)
    verdict = gate.judge(candidate(gate, 0, photos), candidate(gate, wrong, photos))
    assert verdict.passed == passes
    assert verdict.figures["change_points"] == pytest.approx(-100 * wrong / photos)


def test_reasons_name_what_was_lost_and_what_is_allowed(gate_of, candidate) -> None:
    gate = gate_of(10)
    verdict = gate.judge(candidate(gate, 0, 10), candidate(gate, 3, 10))
    assert verdict.why == "loses 30.00 points, 10.01 are allowed; agreement 0.7000 is below 0.98"
    assert verdict.figures["agreement"] == 0.7
    assert verdict.figures["largest_score_difference"] == 0.5  # red 0.8 became 0.3
    assert verdict.figures["mean_score_difference"] == 0.1  # (0.5 + 0.3 + 0.2) / 3 of 3 in 10
    assert gate.said(verdict) == "accuracy 0.7000, n 10 (-30.00 points), agreement 0.7000"


def test_other_answers_are_refused_though_they_are_right_more_often(gate_of, candidate) -> None:
    gate = gate_of(100)
    verdict = gate.judge(candidate(gate, 10, 100), candidate(gate, 7, 100))
    assert (verdict.passed, verdict.why) == (False, "agreement 0.9700 is below 0.98")
    assert verdict.figures["change_points"] == 3.0


def test_answers_that_are_no_numbers_do_not_pass(gate_of, candidate) -> None:
    gate = gate_of(10, max_drop=100.0, min_agreement=0.5)
    fp32 = candidate(gate, 0, 10)
    gate._evaluator.agreement = lambda a, b: float("nan")
    assert not gate.judge(fp32, fp32).passed


def test_where_nobody_knows_the_answers_only_agreement_counts(gate_of, candidate) -> None:
    gate = gate_of(10, labelled=False)
    assert gate.one_photo is None
    fp32, other = candidate(gate, 0, 10), candidate(gate, 1, 10)
    verdict = gate.judge(fp32, other)
    assert (verdict.passed, verdict.why) == (False, "agreement 0.9000 is below 0.98")
    assert not {"accuracy", "change_points", "recall"} & set(verdict.figures)
    assert gate.headline(fp32.report) == "n 10"
    assert gate.said(verdict) == "agreement 0.9000"


@pytest.mark.parametrize(
    ("photos", "max_drop", "one", "allowed"),
    [(20, 0.5, 5.0, 5.01), (200, 0.5, None, 0.5), (20, 0.0, None, 0.0), (20, 6.0, None, 6.0)],
)
def test_one_photo_may_change_where_it_is_more_than_the_limit(
    gate_of, photos: int, max_drop: float, one: float | None, allowed: float
) -> None:
    gate = gate_of(photos, max_drop)
    assert (gate.one_photo, gate.allowed) == (one, pytest.approx(allowed))


def test_file_is_looked_at_as_a_device_would_run_it(
    color_photos: Path, classifier_proto, color_card: ModelCard, tmp_path: Path
) -> None:
    samples = photos_in(color_photos, "--evaluate", LABELS, print)[
        10:14
    ]  # two of blue, two of green
    samples.append(Sample(samples[0].path, "red"))  # a blue photo, said to be red
    evaluator = evaluator_for("classification", LABELS)
    proto = classifier_proto()
    seen = Gate(samples, evaluator, 0.5, 0.98, tmp_path).look(proto, color_card)
    assert seen.answers.argmax(1).tolist() == [2, 2, 1, 1, 2]
    assert seen.report["accuracy"] == 0.8
    assert seen.size_bytes == len(pack(proto, color_card))
