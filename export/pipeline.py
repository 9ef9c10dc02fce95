"""One command from a run folder to a proven int8 file: convert, prove, quantize, gate, write."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from edge_runtime.files import check_writable, write_whole
from edge_runtime.measure.scoring import brief
from edge_runtime.media.image import read_image
from edge_runtime.model.card import ModelCard, Reject
from edge_runtime.model.golden import make_golden
from edge_runtime.model.onnx_file import load_model_file
from edge_runtime.model.preprocess import Image, preprocess
from edge_runtime.model.session import Session, SessionOptions
from export.convert import check_parity, keras_to_onnx, load_keras
from export.errors import AccuracyError
from export.evaluate import Evaluator, evaluator_for, model_inputs
from export.package import pack
from export.quantize import RUNGS, Quantizer, Rung, calibration_samples
from export.run_folder import RunFolder, Sample, read_run

__all__ = ["ExportOptions", "export_run"]

_PARITY_PHOTOS = 16
# With fewer val photos one answer is more than a quarter of a point; training photos then fill up
# the gate.
_FEWEST_AT_THE_GATE = 400


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """What the user may set.

    Attributes:
        precision: `int8` or `fp32`.
        max_drop: Points of accuracy int8 may lose on val; where one photo is more than that, one.
        min_agreement: Share of val answers int8 must have in common with fp32.
        calibration: Number of training photos that set the activation ranges.
        golden: Picture for the golden sample; None takes the first val photo.
        provenance: Added to the card's, as the data set's license.
    """

    precision: str = "int8"
    max_drop: float = 0.5
    min_agreement: float = 0.98
    calibration: int = 256
    golden: Path | None = None
    provenance: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A graph, what it answered at the gate (val comes first there) and how it was made."""

    proto: onnx.ModelProto
    card: ModelCard
    answers: Any
    report: dict[str, Any]

    def on_val(
        self, run: RunFolder, evaluator: Evaluator, below: float | None = None
    ) -> dict[str, Any]:
        """Return the figures of val alone."""
        val = run.splits["val"]
        return evaluator.report(self.answers[: len(val)], val, below)


def export_run(
    run_path: Path, output: Path, options: ExportOptions, say: Callable[[str], None]
) -> None:
    """Export a run folder.

    Args:
        run_path: What `python -m train` wrote.
        output: The .onnx to write; appears only when every check has passed.
        options: Gate and calibration.
        say: Told each step in one line.

    Raises:
        RunError: The run folder is not whole.
        ParityError: ONNX does not answer as Keras does.
        AccuracyError: No rung of the ladder passed the gate.
        OutputError: `output` cannot be written.
    """
    check_writable(output)
    run = read_run(run_path)
    golden_picture = _golden_picture(options, run)
    model = load_keras(run.model_path)
    spec = run.card.input
    proto = keras_to_onnx(model)
    proving = np.concatenate(list(model_inputs(run.splits["val"][:_PARITY_PHOTOS], spec)))
    parity = check_parity(model, proto, proving)
    say("parity with Keras: " + ", ".join(f"{k} within {v:.1e}" for k, v in parity.items()))

    evaluator = evaluator_for(run.card.task, run.card.labels)
    with tempfile.TemporaryDirectory(prefix="edge-export-") as folder:
        work = Path(folder)
        gate = _gate(run)
        fp32 = _candidate(proto, run.card, gate, evaluator, work)
        say(f"fp32 on val: {_headline(evaluator, fp32.on_val(run, evaluator))}")
        best = fp32
        if options.precision == "int8":
            if len(gate) > len(run.splits["val"]):
                say(f"val is small: the gate looks at {len(gate)} photos, val and some of train")
            best = _climb(fp32, run, gate, options, evaluator, work, say)
        best = _with_rejection(best, run, evaluator)
        val = slice(len(run.splits["val"]))
        below = _withheld(best.card)
        metrics: dict[str, Any] = {
            "val": {
                "fp32": fp32.on_val(run, evaluator),
                options.precision: best.on_val(run, evaluator, below),
                "agreement": round(evaluator.agreement(fp32.answers[val], best.answers[val]), 4),
            }
        }
        metrics["keras"] = _keras_metrics(run)
        if run.splits["test"]:
            metrics["test"] = _score_test(fp32, best, options, run, evaluator, work)
            tested = metrics["test"][options.precision]
            say(f"{options.precision} on test: {_headline(evaluator, tested)}")
        golden = make_golden(_session(best.proto, best.card, work), golden_picture)
        card = replace(
            best.card,
            metrics={**run.card.metrics, **metrics},
            provenance={
                **run.card.provenance,
                **dict(options.provenance),
                "weights_sha256": run.weights_sha256,
            },
            golden=golden,
        )
        write_whole(output, pack(best.proto, card))
    say(f"wrote {output} ({output.stat().st_size:,} bytes, {card.precision})")


def _climb(
    fp32: _Candidate,
    run: RunFolder,
    gate: list[Sample],
    options: ExportOptions,
    evaluator: Evaluator,
    work: Path,
    say: Callable[[str], None],
) -> _Candidate:
    """Try each way of quantizing until one passes the gate."""
    samples = calibration_samples(run.splits["train"], options.calibration)
    key = evaluator.headline
    allowed, one = options.max_drop, 100 / len(gate)
    if 0 < allowed < one:
        allowed = one + 0.01  # accuracies are rounded
        say(f"one photo is {one:.2f} points here: one answer may change for the worse")
    best_tried: tuple[float, str] = (-1.0, "")
    quantizer = Quantizer(fp32.proto, lambda: model_inputs(samples, run.card.input), work)
    for rung in RUNGS:
        proto = quantizer.quantize(rung)
        card = replace(run.card, precision="int8", quantization=_describe(rung, len(samples)))
        candidate = _candidate(proto, card, gate, evaluator, work)
        agreed = evaluator.agreement(fp32.answers, candidate.answers)
        change = round(100 * (candidate.report[key] - fp32.report[key]), 2)
        figures = (
            f"{_headline(evaluator, candidate.report)} ({change:+.2f} points), "
            f"agreement {agreed:.4f}"
        )
        passed = -change <= allowed and agreed >= options.min_agreement
        say(f"{rung.name}: {figures}{'' if passed else ', refused'}")
        best_tried = max(best_tried, (candidate.report[key], f"{rung.name}: {figures}"))
        if passed:
            return candidate
    raise AccuracyError(
        f"no int8 file keeps within {round(allowed, 2)} points of fp32's "
        f"{fp32.report[key]:.4f} with agreement {options.min_agreement}; best tried: "
        f"{best_tried[1]}; try a larger --calibration, allow more with --max-drop and "
        "--min-agreement, or take --precision fp32"
    )


def _headline(evaluator: Evaluator, report: dict[str, Any]) -> str:
    name = evaluator.headline
    return f"{name.replace('_', ' ')} {report[name]:.4f}, n {report['n']}"


def _describe(rung: Rung, photos: int) -> dict[str, Any]:
    return {
        "format": "QDQ, int8 activations and weights, weights per channel",
        "rung": rung.name,
        "rounding": "GPTQ, means kept by biases",
        "reduce_range": rung.reduce_range,
        "calibration": rung.method.name.lower(),
        "calibration_photos": photos,
    }


def _candidate(
    proto: onnx.ModelProto, card: ModelCard, gate: list[Sample], evaluator: Evaluator, work: Path
) -> _Candidate:
    answers = evaluator.answers(_session(proto, card, work), gate)
    return _Candidate(proto, card, answers, evaluator.report(answers, gate))


def _gate(run: RunFolder) -> list[Sample]:
    """Return the photos int8 is judged on: val, filled up with training photos if it is small."""
    val = run.splits["val"]
    lacking = max(0, _FEWEST_AT_THE_GATE - len(val))
    return val + calibration_samples(run.splits["train"], lacking, seed=1)


def _with_rejection(best: _Candidate, run: RunFolder, evaluator: Evaluator) -> _Candidate:
    """Set where this file's own scores, not Keras's, become too weak to be said."""
    reject = best.card.reject
    if reject is not None and reject.on != "probability":
        return best
    val = run.splits["val"]
    below = evaluator.withhold_below(best.answers[: len(val)], val)
    card = replace(best.card, reject=None if below is None else Reject("probability", below))
    return replace(best, card=card)


def _withheld(card: ModelCard) -> float | None:
    reject = card.reject
    return reject.below if reject is not None and reject.on == "probability" else None


def _score_test(
    fp32: _Candidate,
    best: _Candidate,
    options: ExportOptions,
    run: RunFolder,
    evaluator: Evaluator,
    work: Path,
) -> dict[str, Any]:
    """Score fp32 and the chosen file on test, once, after everything is decided."""
    samples = run.splits["test"]
    below = _withheld(best.card)
    before = evaluator.answers(_session(fp32.proto, fp32.card, work), samples)
    after = evaluator.answers(_session(best.proto, best.card, work), samples)
    return {
        "fp32": evaluator.report(before, samples, below),
        options.precision: evaluator.report(after, samples, below),
        "agreement": round(evaluator.agreement(before, after), 4),
    }


def _keras_metrics(run: RunFolder) -> dict[str, Any]:
    """Return what training measured, less the confusion matrices."""
    path = run.path / "metrics.json"
    if not path.is_file():
        return {}
    measured = json.loads(path.read_text("utf-8"))
    return {
        split: brief(figures) if "confusion" in figures else figures
        for split, figures in measured.items()
    }


def _session(proto: onnx.ModelProto, card: ModelCard, work: Path) -> Session:
    """Open a graph the way a device does: from a packed file."""
    path = work / "candidate.onnx"
    path.write_bytes(pack(proto, card))
    return Session(load_model_file(path), SessionOptions("cpu"))


def _golden_picture(options: ExportOptions, run: RunFolder) -> Image:
    path = options.golden or run.splits["val"][0].path
    return preprocess(read_image(path).image_bgr, run.card.input)
