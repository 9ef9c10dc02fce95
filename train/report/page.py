"""The page itself, from what is known about a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_runtime.measure.calibration import reliability
from edge_runtime.measure.confusion import confusion
from edge_runtime.measure.scoring import SAID_PRECISION
from edge_runtime.model.card import ModelCard
from edge_runtime.pages.confusion import WIDEST_MATRIX, confusion_table, share
from edge_runtime.pages.frame import section, whole_page
from edge_runtime.pages.thumbs import thumb
from train.data.samples import Problem, Sample, truth_of
from train.report.charts import calibration_chart, curves

__all__ = ["Answered", "RunFacts", "page"]

_SHOWN = 24
_SURE = 0.8


@dataclass(frozen=True, slots=True)
class Answered:
    """Photos and what the model says of them.

    Attributes:
        samples: N photos.
        scores: (N, K) probabilities.
    """

    samples: Sequence[Sample]
    scores: npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class RunFacts:
    """All that a page is made from.

    Attributes:
        card: Of the trained model.
        command: How the run was started.
        metrics: Figures by split, see `edge_runtime.measure.scoring.score_report`.
        history: Name to one value an epoch.
        counts: Photos by (label, split).
        problems: Files left out, or worth a look.
        asked: The test split, or val where there is no test.
        asked_name: Which of the two.
        trained: Training photos and what the trained model says of them.
        unseen: Photos without a label, in the same form.
    """

    card: ModelCard
    command: str
    metrics: dict[str, Any]
    history: dict[str, list[float]]
    counts: dict[tuple[str, str], int]
    problems: Sequence[Problem]
    asked: Answered
    asked_name: str
    trained: Answered
    unseen: Answered | None


def page(facts: RunFacts) -> str:
    """Return the whole page as HTML."""
    parts = [
        _head(facts),
        section("How it learned", _learned(facts)),
        section("What it gets right", _right(facts)),
        section("Worst mistakes", _mistakes(facts)),
        section("Unseen photos", _unseen(facts)),
        section("Is 0.9 right 90% of the time?", _calibration(facts)),
        section("The photos", _photos(facts)),
        section("Labels worth a look", _suspects(facts)),
    ]
    return whole_page(f"{facts.card.name}: training report", "".join(parts))


def _head(facts: RunFacts) -> str:
    figures = facts.metrics[facts.asked_name]
    low, high = figures["interval"]
    origin = facts.card.provenance
    rows = {
        "labels": ", ".join(facts.card.labels[:12])
        + (f" and {len(facts.card.labels) - 12} more" if len(facts.card.labels) > 12 else ""),
        "input": f"{facts.card.input.width_px} x {facts.card.input.height_px} px, "
        f"{facts.card.input.region}",
        "architecture": " ".join(
            str(origin[k]) for k in ("architecture", "backbone") if origin.get(k)
        ),
        "data": origin.get("data"),
        "epochs": origin.get("epochs"),
        "seed": origin.get("seed"),
        "minutes": origin.get("minutes"),
        "code": origin.get("commit"),
    }
    facts_table = "".join(
        f"<tr><th>{k}</th><td>{escape(str(v))}</td></tr>" for k, v in rows.items() if v is not None
    )
    return (
        f"<header><h1>{escape(facts.card.name)}</h1>"
        f'<p class="big">{figures["accuracy"]:.1%} right</p>'
        f"<p>of {figures['n']:,} {facts.asked_name} photos (95% interval {low:.1%} to {high:.1%}); "
        "the Keras model before quantization.</p>"
        f"<table>{facts_table}</table><pre>{escape(facts.command)}</pre></header>"
    )


def _learned(facts: RunFacts) -> str:
    if not facts.history:
        return "<p>Only the head was trained, on features computed once: there are no epochs.</p>"
    charts = []
    for title, names in (
        ("loss", ("loss", "val_loss")),
        ("accuracy", ("accuracy", "val_accuracy")),
    ):
        series = {n: facts.history[n] for n in names if n in facts.history}
        if series:
            charts.append(curves(title, series))
    return f'<div class="row">{"".join(charts)}</div>'


def _right(facts: RunFacts) -> str:
    figures = facts.metrics[facts.asked_name]
    labels = facts.card.labels
    truth = truth_of(facts.asked.samples, labels)
    totals = np.bincount(truth, minlength=len(labels))
    rows = "".join(
        f"<tr><th>{escape(label)}</th><td>{share(figures['precision'][label])}</td>"
        f"<td>{share(figures['recall'][label])}</td><td>{int(totals[i])}</td></tr>"
        for i, label in enumerate(labels)
    )
    table = (
        '<table class="figures"><tr><th></th><th>precision</th><th>recall</th><th>photos</th></tr>'
        f"{rows}</table>"
    )
    counts = confusion(truth, facts.asked.scores.argmax(1).astype(np.int64), len(labels))
    if len(labels) > WIDEST_MATRIX:
        table = f'<div class="tall">{table}</div>'
    return f'<div class="row">{table}{confusion_table(counts, labels)}</div>'


def _mistakes(facts: RunFacts) -> str:
    labels = facts.card.labels
    scores = facts.asked.scores
    truth = truth_of(facts.asked.samples, labels)
    wrong = np.flatnonzero(scores.argmax(1) != truth)
    worst = wrong[np.argsort(-scores[wrong].max(1), kind="stable")][:_SHOWN]
    if len(worst) == 0:
        return f"<p>None of {len(truth):,} {facts.asked_name} photos is answered wrongly.</p>"
    cards = "".join(_answered(facts, facts.asked, int(i), truth=True) for i in worst)
    return (
        f"<p>The surest wrong answers of {len(wrong)} in {len(truth):,} {facts.asked_name} "
        f'photos.</p><div class="grid">{cards}</div>'
    )


def _unseen(facts: RunFacts) -> str:
    if facts.unseen is not None:
        cards = "".join(
            _answered(facts, facts.unseen, i, truth=False)
            for i in range(min(len(facts.unseen.samples), 2 * _SHOWN))
        )
        return f'<p>Photos without a label.</p><div class="grid">{cards}</div>'
    n = len(facts.asked.samples)
    chosen = np.random.default_rng(0).permutation(n)[:_SHOWN]
    cards = "".join(_answered(facts, facts.asked, int(i), truth=True) for i in chosen)
    return (
        f"<p>{len(chosen)} of the {facts.asked_name} photos, drawn by lot.</p>"
        f'<div class="grid">{cards}</div>'
    )


def _calibration(facts: RunFacts) -> str:
    figures = facts.metrics[facts.asked_name]
    truth = truth_of(facts.asked.samples, facts.card.labels)
    chart = calibration_chart(
        f"right against score, {facts.asked_name}", reliability(facts.asked.scores, truth)
    )
    said = figures["said"]
    reject, on_val = facts.card.reject, facts.metrics.get("val", figures)
    if reject is not None and reject.on == "cosine" and facts.card.answers == "labels":
        band = (
            "A face whose cosine to the nearest person is below "
            f"{reject.below:.2f} is “unknown” ({reject.false_accept:.0%} of strangers are above)."
        )
    elif reject is not None and reject.on == "cosine":
        band = (
            "It is made for enrolling people: a face whose cosine to the nearest of them is below "
            f"{reject.below:.2f} is “unknown” ({reject.false_accept:.0%} of strangers are above)."
        )
    elif said["below"] is None and on_val["accuracy"] < SAID_PRECISION:
        band = (
            f"Every answer is given, though not {SAID_PRECISION:.0%} of them are right: on val no "
            "score is high enough for that."
        )
    elif said["below"] is None:
        band = "Every answer is given: on val they are right often enough without withholding any."
    else:
        band = (
            f"Below a score of {said['below']:.2f} the answer is “uncertain”. On "
            f"{facts.asked_name}, {said['coverage']:.0%} of the photos get an answer, and "
            f"{said['precision']:.1%} of those answers are right."
        )
    return (
        f'<div class="row">{chart}<div><p>Mean gap of score and accuracy: '
        f"{figures['calibration_error']:.3f}. The scores were set right on val by dividing the "
        f"logits by {facts.card.provenance.get('temperature', 1)}.</p><p>{band}</p></div></div>"
    )


def _photos(facts: RunFacts) -> str:
    splits = [s for s in ("train", "val", "test") if any(k[1] == s for k in facts.counts)]
    head = "".join(f"<th>{s}</th>" for s in splits)
    rows = "".join(
        f"<tr><th>{escape(label)}</th>"
        + "".join(f"<td>{facts.counts.get((label, s), 0):,}</td>" for s in splits)
        + "</tr>"
        for label in facts.card.labels
    )
    total = "".join(
        f"<td>{sum(n for k, n in facts.counts.items() if k[1] == s):,}</td>" for s in splits
    )
    table = (
        f'<table class="figures"><tr><th></th>{head}</tr>{rows}<tr><th>all</th>{total}</tr></table>'
    )
    if len(facts.card.labels) > WIDEST_MATRIX:
        table = f'<div class="tall">{table}</div>'
    if not facts.problems:
        return table + "<p>No problem was found in them.</p>"
    groups = Counter((p.kept, p.kind) for p in facts.problems)
    parts = [table]
    for (kept, kind), count in sorted(groups.items()):
        chosen = [p for p in facts.problems if (p.kept, p.kind) == (kept, kind)][:_SHOWN]
        what = "used, but worth a look" if kept else "left out"
        cards = "".join(_problem(p) for p in chosen)
        parts.append(
            f'<h3>{escape(kind)}: {count} {what}</h3><div class="grid">{cards}</div>' + _more(count)
        )
    return "".join(parts)


def _more(count: int) -> str:
    if count <= _SHOWN:
        return ""
    return f"<p>{count - _SHOWN} more in problems.csv.</p>"


def _problem(problem: Problem) -> str:
    other = thumb(problem.other) if problem.other is not None else ""
    return (
        f"<figure>{thumb(problem.path)}{other}<figcaption><b>{escape(problem.label)}</b> "
        f"{escape(problem.path.name)}: {escape(problem.detail)}</figcaption></figure>"
    )


def _suspects(facts: RunFacts) -> str:
    labels = facts.card.labels
    truth = truth_of(facts.trained.samples, labels)
    scores = facts.trained.scores
    wrong = np.flatnonzero((scores.argmax(1) != truth) & (scores.max(1) >= _SURE))
    order = wrong[np.argsort(-scores[wrong].max(1), kind="stable")][:_SHOWN]
    if len(order) == 0:
        return (
            f"<p>No training photo of {len(truth):,} looked at contradicts its label with a score "
            f"of {_SURE} or more.</p>"
        )
    cards = "".join(_answered(facts, facts.trained, int(i), truth=True) for i in order)
    return (
        f"<p>{len(wrong)} of {len(truth):,} training photos still contradict their label after "
        "training on it, with a score of "
        f"{_SURE} or more: look whether they lie in another label's folder.</p>"
        f'<div class="grid">{cards}</div>'
    )


def _answered(facts: RunFacts, answered: Answered, i: int, truth: bool) -> str:
    sample, scores = answered.samples[i], answered.scores[i]
    best = int(scores.argmax())
    answer = facts.card.labels[best]
    reject = facts.card.reject
    unsure = (
        reject is not None and reject.on == "probability" and float(scores[best]) < reject.below
    )
    kind = "" if not truth else ("ok" if answer == sample.label else "bad")
    said = f"uncertain ({escape(answer)})" if unsure else escape(answer)
    is_label = f"<br>is {escape(sample.label)}" if truth else ""
    return (
        f'<figure class="{kind}">{thumb(sample.path)}<figcaption><b>{said}</b> '
        f"{scores[best]:.2f}{is_label}</figcaption></figure>"
    )
