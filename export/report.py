"""The page that shows what quantization cost, and its figures as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_runtime.apps.rows import write_json
from edge_runtime.files import write_whole
from edge_runtime.measure.confusion import confusion
from edge_runtime.measure.machine import describe_machine
from edge_runtime.pages.confusion import WIDEST_MATRIX, confusion_table, share
from edge_runtime.pages.frame import section, whole_page
from edge_runtime.pages.thumbs import thumb
from export.gate import Candidate, Gate
from export.ladder import Step
from export.source import Source

__all__ = ["ExportFacts", "write_export_report"]

_SHOWN = 24  # photos
_LAYERS = 20
_BAR_DB = 60.0  # a full bar: a thousandth of the signal


@dataclass(frozen=True, slots=True)
class ExportFacts:
    """All that a page is made from.

    Attributes:
        source: The model and its photos.
        provenance: Data license and command, as the card tells them.
        command: What makes all this again, here.
        gate: None where there are no photos.
        fp32: What all others are compared with.
        steps: All that was tried, in order.
        best: What was taken; None where nothing passed.
        parity: Largest difference of each output between Keras and fp32.
    """

    source: Source
    provenance: Sequence[tuple[str, str]]
    command: str
    gate: Gate | None
    fp32: Candidate
    steps: Sequence[Step]
    best: Candidate | None
    parity: Mapping[str, float]

    @property
    def shown(self) -> Step | None:
        """The step the page looks at closely: what was taken, or else what was tried last."""
        taken = [step for step in self.steps if step.candidate is self.best]
        return taken[0] if taken else (self.steps[-1] if self.steps else None)


def write_export_report(path: Path, facts: ExportFacts) -> None:
    """Write the page, and the figures under the same name with .json.

    Raises:
        OutputError: One cannot be written.
    """
    write_json(path.with_suffix(".json"), _figures(facts))
    parts = [
        _head(facts),
        section("The ladder", _ladder(facts)),
        section("Right and wrong, before and after", _confusions(facts)),
        section("Where the answers differ most", _different(facts)),
        section("The layers that add noise", _layers(facts)),
    ]
    title = f"{facts.source.card.name}: export report"
    write_whole(path, whole_page(title, "".join(parts)).encode())


def _figures(facts: ExportFacts) -> dict[str, Any]:
    return {
        "schema": 1,
        "machine": describe_machine(),
        "model": facts.source.card.name,
        "weights_sha256": facts.source.weights_sha256,
        **dict(facts.provenance),
        "export": facts.command,
        "parity": dict(facts.parity),
        "limits": facts.gate
        and {"max_drop_points": facts.gate.allowed, "min_agreement": facts.gate.min_agreement},
        "fp32": {"bytes": facts.fp32.size_bytes, **facts.fp32.report},
        "steps": [
            {
                "name": step.name,
                "precision": step.candidate.card.precision,
                "passed": step.passed,
                "why": step.verdict.why if step.verdict else "no photos to judge by",
                **(step.verdict.figures if step.verdict else {}),
                "latency_ms": step.latency_ms,
                "layers": [asdict(noise) for noise in step.noise],
            }
            for step in facts.steps
        ],
        "taken": facts.best.card.precision if facts.best else None,
    }


def _head(facts: ExportFacts) -> str:
    card = facts.source.card
    best, shown = facts.best, facts.shown
    if best is None:
        big, why = "nothing passed", "no file was written"
    elif shown is None or shown.candidate is not best:
        big, why = best.card.precision, "nothing smaller was asked for, or passed"
    else:
        big = f"{best.card.precision}, {best.size_bytes / facts.fp32.size_bytes:.0%} of fp32's size"
        why = f"{shown.name}: {shown.verdict.why if shown.verdict else 'no photos to judge by'}"
    parity = ", ".join(f"{name} within {value:.1e}" for name, value in facts.parity.items())
    rows = {
        "answers": f"{len(card.labels)} labels",
        "input": f"{card.input.width_px} x {card.input.height_px} px, {card.input.resize}",
        "fp32 against Keras": parity,
        "judged on": f"{len(facts.gate.samples):,} photos" if facts.gate else "no photos",
        "limits": f"{facts.gate.allowed:.2f} points, agreement {facts.gate.min_agreement}"
        if facts.gate
        else None,
    }
    table = "".join(
        f"<tr><th>{escape(k)}</th><td>{escape(v)}</td></tr>" for k, v in rows.items() if v
    )
    return (
        f'<header><h1>{escape(card.name)}</h1><p class="big">{escape(big)}</p>'
        f"<p>{escape(why)}</p><table>{table}</table><pre>{escape(facts.command)}</pre></header>"
    )


def _ladder(facts: ExportFacts) -> str:
    key = facts.gate.headline_name if facts.gate else ""
    head = ["", key, "points", "agreement", "mean diff.", "largest", "bytes", "of fp32", "ms",
            "fp32 ms", ""]  # fmt: skip
    rows = [_ladder_row(facts, step, key) for step in facts.steps]
    fp32 = ["fp32", _number(facts.fp32.report.get(key)), "", "", "", "",
            f"{facts.fp32.size_bytes:,}", "", "", "", ""]  # fmt: skip
    body = "".join(
        f"<tr><th>{escape(name)}</th>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"
        for name, *cells in [fp32, *rows]
    )
    titles = "".join(f"<th>{escape(title)}</th>" for title in head)
    return (
        "<p>Tried from the top; the first int8 file that passes is taken. Milliseconds of one "
        "picture on one thread of this machine, both files in turns.</p>"
        f'<table class="figures"><tr>{titles}</tr>{body}</table>'
    )


def _ladder_row(facts: ExportFacts, step: Step, key: str) -> list[str]:
    figures = step.verdict.figures if step.verdict else {}
    change = figures.get("change_points")
    return [
        step.name,
        _number(figures.get(key)),
        "" if change is None else f"{change:+.2f}",
        _number(figures.get("agreement")),
        _number(figures.get("mean_score_difference")),
        _number(figures.get("largest_score_difference")),
        f"{step.candidate.size_bytes:,}",
        f"{step.candidate.size_bytes / facts.fp32.size_bytes:.0%}",
        f"{step.latency_ms['this']:.2f}",
        f"{step.latency_ms['fp32']:.2f}",
        "taken" if step.candidate is facts.best
        else step.verdict.why if step.verdict and not step.passed else "passed",
    ]  # fmt: skip


def _confusions(facts: ExportFacts) -> str:
    step, gate = facts.shown, facts.gate
    if step is None or gate is None or not facts.source.labelled or not _is_classifier(facts):
        return "<p>The right answers are not known here: only agreement was looked at.</p>"
    labels = facts.source.card.labels
    truth = np.array([labels.index(s.label) for s in gate.samples], np.int64)
    tables = []
    for name, candidate in (("fp32", facts.fp32), (step.name, step.candidate)):
        answered = candidate.answers.argmax(1).astype(np.int64)
        table = confusion_table(confusion(truth, answered, len(labels)), labels, f"{name}: ")
        tables.append(f"<div>{table}</div>")
    return f'<div class="row">{"".join(tables)}{_recalls(facts, step)}</div>'


def _recalls(facts: ExportFacts, step: Step) -> str:
    before, after = facts.fp32.report.get("recall"), step.candidate.report.get("recall")
    if not before or not after:
        return ""
    many = len(before) > WIDEST_MATRIX
    known = [label for label in before if before[label] is not None]  # in some photo
    fallen = sorted(known, key=lambda label: after[label] - before[label])
    rows = "".join(
        f"<tr><th>{escape(label)}</th><td>{share(before[label])}</td>"
        f"<td>{share(after[label])}</td></tr>"
        for label in (fallen if many else before)
    )
    table = (
        '<table class="figures"><caption>recall</caption><tr><th></th><th>fp32</th>'
        f"<th>{escape(step.candidate.card.precision)}</th></tr>{rows}</table>"
    )
    return f'<div class="tall">{table}</div>' if many else table


def _different(facts: ExportFacts) -> str:
    step, gate = facts.shown, facts.gate
    if step is None or gate is None or not _is_classifier(facts):
        return "<p>No photos of a classifier were looked at.</p>"
    before, after = facts.fp32.answers, step.candidate.answers
    apart = np.abs(before - after).max(1)
    order = np.argsort(-apart, kind="stable")[:_SHOWN]
    changed = int((before.argmax(1) != after.argmax(1)).sum())
    cards = "".join(_pair(facts, before[i], after[i], int(i)) for i in order)
    return (
        f"<p>{changed} of {len(before):,} answers are different ones. The photos whose scores "
        f'moved most: fp32, then {escape(step.name)}.</p><div class="grid">{cards}</div>'
    )


def _pair(facts: ExportFacts, before: npt.NDArray[Any], after: npt.NDArray[Any], i: int) -> str:
    labels = facts.source.card.labels
    sample = facts.gate.samples[i] if facts.gate else None
    if sample is None:
        return ""
    one, other = int(before.argmax()), int(after.argmax())
    truth = f"<br>is {escape(sample.label)}" if sample.label in labels else ""
    return (
        f'<figure class="{"ok" if one == other else "bad"}">{thumb(sample.path)}<figcaption>'
        f"{escape(labels[one])} {before[one]:.2f}<br><b>{escape(labels[other])}</b> "
        f"{after[other]:.2f}{truth}</figcaption></figure>"
    )


def _layers(facts: ExportFacts) -> str:
    steps = [step for step in facts.steps if step.noise]
    if not steps:
        return "<p>Nothing was quantized.</p>"
    step = facts.shown if facts.shown is not None and facts.shown.noise else steps[-1]
    rows = "".join(
        f"<tr><th>{escape(noise.title)}</th><td>{_bar(noise.own)}</td><td>{noise.own:.1f}</td>"
        f"<td>{noise.reached:.1f}</td></tr>"
        for noise in step.noise[:_LAYERS]
    )
    return (
        f"<p>{escape(step.name)}: signal to quantization noise of each layer's output in dB. "
        "<i>Alone</i> is what the layer adds itself, <i>reached</i> what comes out of it with the "
        "noise of all before it. 20 dB is noise of a tenth of the signal; 99 is a layer in float."
        f'</p><table class="figures"><tr><th>layer</th><th></th><th>alone</th><th>reached</th>'
        f"</tr>{rows}</table>"
        + (f"<p>{len(step.noise) - _LAYERS} more add less.</p>" * (len(step.noise) > _LAYERS))
    )


def _bar(decibel: float) -> str:
    width = round(120 * min(1.0, max(0.0, decibel / _BAR_DB)))
    return (
        f'<svg width="120" height="10"><rect width="120" height="10" fill="var(--faint)"/>'
        f'<rect width="{width}" height="10" fill="var(--a)"/></svg>'
    )


def _is_classifier(facts: ExportFacts) -> bool:
    return facts.source.card.task != "detection"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
