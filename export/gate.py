"""What decides whether a smaller file may take the place of the fp32 one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx

from edge_runtime.apps.progress import progress, stepping
from edge_runtime.model.card import ModelCard
from edge_runtime.model.onnx_file import load_model_file
from edge_runtime.model.session import Session, SessionOptions
from export.evaluate import Evaluator
from export.package import pack
from export.run_folder import Sample

__all__ = ["Candidate", "Gate", "Verdict", "opened"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A graph, its card, and what it answered at the gate.

    Attributes:
        proto: The graph.
        card: Before packing.
        answers: To the gate's photos, in the evaluator's own form; None without photos.
        report: The evaluator's figures of them.
        size_bytes: Of the packed file.
    """

    proto: onnx.ModelProto
    card: ModelCard
    answers: Any
    report: dict[str, Any]
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate says of a candidate.

    Attributes:
        passed: Whether it may take fp32's place.
        why: What decided, in a line.
        figures: Headline with n, its change in points, agreement, score differences, recall of
            each class, bytes.
    """

    passed: bool
    why: str
    figures: dict[str, Any]


class Gate:
    """Judges on photos, those of val first, that calibrated nothing as far as there are enough."""

    def __init__(
        self,
        samples: Sequence[Sample],
        evaluator: Evaluator,
        max_drop: float,
        min_agreement: float,
        work: Path,
    ) -> None:
        """Take the photos and the limits.

        Args:
            samples: At least one.
            evaluator: Of the model's task.
            max_drop: Points of the headline that may be lost; where one photo is more than that,
                one may.
            min_agreement: Share of answers that must be fp32's.
            work: Folder for the files that are tried.
        """
        self.samples = list(samples)
        self._evaluator = evaluator
        self.min_agreement = min_agreement
        self._work = work
        one = 100 / len(self.samples)
        self.one_photo = one if 0 < max_drop < one and evaluator.headline else None
        # Accuracies are rounded, hence the hundredth.
        self.allowed = one + 0.01 if self.one_photo else max_drop

    def look(self, proto: onnx.ModelProto, card: ModelCard) -> Candidate:
        """Ask a graph about the gate's photos."""
        session = opened(proto, card, self._work)
        with progress(f"{card.precision} at the gate", len(self.samples)) as step:
            answers = self._evaluator.answers(session, stepping(self.samples, step))
        report = self._evaluator.report(answers, self.samples)
        return Candidate(proto, card, answers, report, len(pack(proto, card)))

    def judge(self, fp32: Candidate, tried: Candidate) -> Verdict:
        """Compare a candidate with fp32."""
        key = self._evaluator.headline
        agreed = self._evaluator.agreement(fp32.answers, tried.answers)
        change = round(100 * (tried.report[key] - fp32.report[key]), 2) if key else None
        reasons = []
        if change is not None and not -change <= self.allowed:
            reasons.append(f"loses {-change:.2f} points, {self.allowed:.2f} are allowed")
        if not agreed >= self.min_agreement:
            reasons.append(f"agreement {agreed:.4f} is below {self.min_agreement}")
        figures: dict[str, Any] = {
            "n": len(self.samples),
            **({key: tried.report[key], "change_points": change} if key else {}),
            "agreement": round(agreed, 4),
            **self._evaluator.difference(fp32.answers, tried.answers),
            **({"recall": tried.report["recall"]} if "recall" in tried.report else {}),
            "bytes": tried.size_bytes,
            "of_fp32": round(tried.size_bytes / fp32.size_bytes, 3),
        }
        return Verdict(not reasons, "; ".join(reasons) or "keeps within the limits", figures)

    @property
    def headline_name(self) -> str:
        """What the one figure is called; "" where there is none."""
        return self._evaluator.headline

    def headline(self, report: dict[str, Any]) -> str:
        """Return a report's one figure, for a line."""
        key = self._evaluator.headline
        figure = f"{key.replace('_', ' ')} {report[key]:.4f}, " if key else ""
        return f"{figure}n {report['n']}"

    def said(self, verdict: Verdict) -> str:
        """Return a verdict's figures, for a line."""
        figures, key = verdict.figures, self._evaluator.headline
        first = (
            f"{self.headline(figures)} ({figures['change_points']:+.2f} points), " if key else ""
        )
        return f"{first}agreement {figures['agreement']:.4f}"


def opened(proto: onnx.ModelProto, card: ModelCard, work: Path) -> Session:
    """Open a graph the way a device does: from a packed file."""
    path = work / "candidate.onnx"
    path.write_bytes(pack(proto, card))
    return Session(load_model_file(path), SessionOptions("cpu"))
