"""The page says what was tried, what was taken and what it cost; the JSON holds the figures."""

from __future__ import annotations

import html
import json
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from edge_runtime.model.card import InputSpec, ModelCard
from export.gate import Candidate, Verdict
from export.noise import LayerNoise
from export.run_folder import Sample

pytestmark = pytest.mark.tensorflow
pytest.importorskip("keras")

CARD = ModelCard("animals", "classification", ("cat", "dog"), InputSpec(16, 16))
BEFORE = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.45, 0.55]], np.float32)
AFTER = np.array([[0.9, 0.1], [0.7, 0.3], [0.3, 0.7], [0.60, 0.40]], np.float32)
PAGE = Path("report.html")


def _candidate(precision: Any, answers: np.ndarray, right: float, size: int) -> Candidate:
    report = {"accuracy": right, "n": 4, "recall": {"cat": 1.0, "dog": 2 * right - 1}}
    return Candidate(None, replace(CARD, precision=precision), answers, report, size)  # type: ignore[arg-type]


FP32 = _candidate("fp32", BEFORE, 1.0, 1000)
INT8 = _candidate("int8", AFTER, 0.75, 270)
NOISE = [
    LayerNoise("node 2", "second/Conv", 18.2, 15.0),
    LayerNoise("node 1", "first/Conv", 33.5, 33.5),
]


TYPED = "python -m export models/a.keras a.onnx --report page.html"


@pytest.fixture
def facts(tmp_path: Path) -> Any:
    """Four photos, two rungs, of which the second passed with one answer changed."""
    from export.ladder import Step
    from export.report import ExportFacts
    from export.source import Source

    samples = []
    for i, label in enumerate(("cat", "cat", "dog", "dog")):
        cv2.imwrite(str(tmp_path / f"{i}.png"), np.full((16, 16, 3), 60 * i, np.uint8))
        samples.append(Sample(tmp_path / f"{i}.png", label))
    figures = {"n": 4, "accuracy": 0.75, "change_points": -25.0, "agreement": 0.75,
               "mean_score_difference": 0.0625, "largest_score_difference": 0.15}  # fmt: skip
    latency = {"this": 0.61, "fp32": 1.22}
    steps = [
        Step("all in int8", replace(INT8, size_bytes=260),
             Verdict(False, "agreement 0.5 is below 0.7", figures), NOISE[::-1], latency),
        Step("first in float", INT8, Verdict(True, "keeps within the limits", figures), NOISE,
             latency),
    ]  # fmt: skip
    source = Source(None, CARD, {"train": [], "val": samples, "test": []}, "ab" * 32, {}, True)
    gate: Any = SimpleNamespace(
        samples=samples, allowed=25.0, min_agreement=0.7, headline_name="accuracy"
    )
    said = (("data_license", "none"), ("export", "python -m export a.keras a.onnx"))
    return ExportFacts(source, said, TYPED, gate, FP32, steps, INT8, {"scores": 3e-7})


def _sections(facts: Any) -> dict[str, str]:
    """Return the page's parts as plain text, by their titles; the head is ""."""
    from export.report import write_export_report

    write_export_report(PAGE, facts)
    page = PAGE.read_text("utf-8").split("<body>")[1]
    parts = re.split(r"<h2>(.*?)</h2>", page)
    titles = ["", *parts[1::2]]
    plain = [re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", part)) for part in parts[::2]]
    return {title: html.unescape(text) for title, text in zip(titles, plain, strict=True)}


def test_head_says_what_was_taken_why_and_how_to_do_it_again(facts) -> None:
    head = _sections(facts)[""]
    assert "int8, 27% of fp32's size" in head
    assert "first in float: keeps within the limits" in head
    assert "scores within 3.0e-07" in head
    assert TYPED in head


def test_ladder_has_a_row_a_rung_with_its_figures(facts) -> None:
    ladder = _sections(facts)["The ladder"]
    row = "0.7500 -25.00 0.7500 0.0625 0.1500"
    assert f"all in int8 {row} 260 26% 0.61 1.22 agreement 0.5 is below 0.7" in ladder
    assert f"first in float {row} 270 27% 0.61 1.22 taken" in ladder
    assert "fp32 1.0000 1,000" in ladder


def test_confusion_and_recall_stand_side_by_side(facts) -> None:
    text = _sections(facts)["Right and wrong, before and after"]
    one, other = text.split("first in float: ")
    assert "cat 2 dog 2" in one
    assert "cat 2 dog 1 1" in other
    assert "cat 100.0% 100.0% dog 100.0% 50.0%" in other


def test_of_many_labels_those_whose_recall_fell_most_come_first(
    facts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("export.report.WIDEST_MATRIX", 1)
    text = _sections(facts)["Right and wrong, before and after"]
    assert "dog 100.0% 50.0% cat 100.0% 100.0%" in text


def test_label_that_is_in_no_photo_has_no_recall(facts, monkeypatch: pytest.MonkeyPatch) -> None:
    for candidate in (facts.fp32, facts.steps[1].candidate):
        monkeypatch.setitem(candidate.report["recall"], "dog", None)
    _sections(facts)
    monkeypatch.setattr("export.report.WIDEST_MATRIX", 1)
    assert "cat 100.0% 100.0%" in _sections(facts)["Right and wrong, before and after"]


def test_photos_whose_scores_moved_most_come_first(facts) -> None:
    text = _sections(facts)["Where the answers differ most"]
    assert "1 of 4 answers are different ones" in text
    assert "dog 0.55 cat 0.60 is dog cat 0.80 cat 0.70 is cat" in text


def test_layers_are_those_of_the_file_that_was_taken(facts) -> None:
    text = _sections(facts)["The layers that add noise"]
    assert text.index("second/Conv 18.2 15.0") < text.index("first/Conv 33.5 33.5")


def test_where_nothing_passed_the_page_says_so_and_shows_the_last(facts) -> None:
    head = _sections(replace(facts, best=None))[""]
    assert "nothing passed no file was written" in head
    assert json.loads(PAGE.with_suffix(".json").read_text())["taken"] is None


def test_without_labels_there_is_no_right_and_wrong(facts) -> None:
    samples = [Sample(s.path, "") for s in facts.gate.samples]
    unlabelled = replace(facts.source, splits={**facts.source.splits, "val": samples})
    gate: Any = SimpleNamespace(samples=samples, allowed=0.5, min_agreement=0.7, headline_name="")
    text = _sections(replace(facts, source=unlabelled, gate=gate))
    assert "only agreement was looked at" in text["Right and wrong, before and after"]
    assert "is dog" not in text["Where the answers differ most"]


def test_figures_are_in_the_json_beside_it(facts) -> None:
    _sections(facts)
    figures = json.loads(PAGE.with_suffix(".json").read_text())
    assert figures["taken"] == "int8"
    assert figures["fp32"]["bytes"] == 1000
    assert figures["parity"] == {"scores": 3e-7}
    assert [step["passed"] for step in figures["steps"]] == [False, True]
    assert figures["steps"][1]["layers"][0] == {
        "layer": "node 2", "title": "second/Conv", "own": 18.2, "reached": 15.0
    }  # fmt: skip
    assert figures["limits"] == {"max_drop_points": 25.0, "min_agreement": 0.7}
