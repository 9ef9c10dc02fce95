"""One command from a Keras model to a proven file: convert, prove, make smaller, gate, write."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from edge_runtime.errors import OptionError
from edge_runtime.files import check_writable, write_whole
from edge_runtime.measure.scoring import brief
from edge_runtime.model.card import ModelCard, Reject
from edge_runtime.model.golden import make_golden
from export.convert import check_parity, keras_to_onnx
from export.errors import AccuracyError
from export.evaluate import Evaluator, evaluator_for
from export.gate import Candidate, Gate, Verdict, opened
from export.half import beyond_half, to_half
from export.ladder import Step, climb, refusal, time_beside
from export.options import ExportOptions
from export.package import pack
from export.pictures import golden_input, proving_inputs
from export.quantize import calibration_samples
from export.report import ExportFacts, write_export_report
from export.run_folder import Sample
from export.session import cpu_session
from export.source import Source, open_source

__all__ = ["export_model"]

# With fewer val photos one answer is more than a quarter of a point; training photos then fill up
# the gate.
_FEWEST_AT_THE_GATE = 400
_HALF_WITHIN = 0.01  # of fp32's scores, where no photos say what that would cost


def export_model(
    path: Path, output: Path, options: ExportOptions, say: Callable[[str], None]
) -> None:
    """Export a run folder, a Keras file or a SavedModel.

    Args:
        path: Which.
        output: The .onnx to write; appears only when every check has passed.
        options: Photos, gate and precision.
        say: Told each step in one line.

    Raises:
        EdgeError: The model cannot be taken, see `open_source`.
        ParityError: ONNX does not answer as Keras does.
        AccuracyError: Nothing of the precision asked for passed the gate.
        OutputError: `output` cannot be written.
    """
    _expect_another_place(path, output, ".onnx")
    check_writable(output)
    if options.report is not None:
        _expect_another_place(path, options.report, ".html")
        check_writable(options.report)
        check_writable(options.report.with_suffix(".json"))
    if options.finetune is not None and options.precision in ("fp16", "fp32"):
        raise OptionError(
            f"--finetune: trains what int8 rounds, and --precision is {options.precision}; leave "
            "one of them away"
        )
    source = open_source(
        path, options.described, options.calibration, options.evaluate, options.finetune,
        options.calibration_photos, say,
    )  # fmt: skip
    _expect_photos_for(options, source)
    golden_picture = golden_input(options.golden, source)
    proto = keras_to_onnx(source.model, options.opset)
    proving = proving_inputs(source)
    parity = check_parity(source.model, proto, proving)
    say("parity with Keras: " + ", ".join(f"{k} within {v:.1e}" for k, v in parity.items()))

    evaluator = evaluator_for(source.card.task, source.card.labels, source.labelled)
    with tempfile.TemporaryDirectory(prefix="edge-export-") as folder:
        work = Path(folder)
        calibrating = calibration_samples(source.splits["train"], options.calibration_photos)
        gate = _gate(source, options, calibrating, evaluator, work, say)
        fp32 = Candidate(proto, source.card, None, {}, len(pack(proto, source.card)))
        if gate is not None:
            fp32 = gate.look(proto, source.card)
            say(f"fp32 at the gate: {gate.headline(fp32.report)}")
        steps = _steps(fp32, source, gate, options, calibrating, proving, work, say)
        passed = [step.candidate for step in steps if step.passed]
        if options.precision in ("auto", "fp32"):
            passed.append(fp32)
        best = min(passed, key=lambda candidate: candidate.size_bytes, default=None)
        if options.report is not None:
            write_export_report(
                options.report,
                ExportFacts(
                    source, options.provenance, options.command, gate, fp32, steps, best, parity
                ),
            )
            say(f"wrote {options.report} and {options.report.with_suffix('.json').name}")
        if best is None:
            raise AccuracyError(_refused(options, fp32, steps, gate))
        best = _with_rejection(best, source, evaluator)
        metrics = _metrics(fp32, best, source, evaluator, work)
        if "test" in metrics and gate is not None:
            say(f"{best.card.precision} on test: "
                f"{gate.headline(metrics['test'][best.card.precision])}")  # fmt: skip
        card = replace(
            best.card,
            metrics={**source.card.metrics, **metrics},
            provenance={
                **source.card.provenance,
                **dict(options.provenance),
                "weights_sha256": source.weights_sha256,
            },
            golden=make_golden(opened(best.proto, best.card, work), golden_picture),
        )
        write_whole(output, pack(best.proto, card))
    say(f"wrote {output} ({output.stat().st_size:,} bytes, {card.precision})")


def _expect_another_place(path: Path, output: Path, suffix: str) -> None:
    """Refuse to write over the model itself, or into the folder it lies in as one."""
    if output.suffix.lower() != suffix:
        raise OptionError(f"{output}: expected a name ending in {suffix}")
    if path.is_dir() and output.resolve().is_relative_to(path.resolve()):
        raise OptionError(f"{output}: lies in {path}, which is exported; choose a place beside it")


def _expect_photos_for(options: ExportOptions, source: Source) -> None:
    if options.precision == "int8" and not source.splits["train"]:
        raise OptionError(
            "--calibration: int8 needs photos like those the model will see, to set its ranges; "
            "name a folder of some hundred, or take --precision fp16 or fp32"
        )
    if source.card.task == "detection":
        if options.finetune is not None:
            raise OptionError("--finetune: learns from a classifier's scores; this is a detector")
        if options.evaluate is not None:
            raise OptionError(
                "--evaluate: a folder has no boxes; a detector is judged on its run's"
            )


def _steps(
    fp32: Candidate,
    source: Source,
    gate: Gate | None,
    options: ExportOptions,
    calibrating: list[Sample],
    proving: npt.NDArray[np.uint8],
    work: Path,
    say: Callable[[str], None],
) -> list[Step]:
    """Try what is smaller than fp32, of the precision asked for."""
    steps: list[Step] = []
    if options.precision in ("auto", "int8") and gate is not None and calibrating:
        if gate.one_photo:
            say(f"one photo is {gate.one_photo:.2f} points here: one answer may change for the "
                "worse")  # fmt: skip
        steps += climb(fp32, calibrating, gate, work, say, source.finetune, options.finetune_epochs)
        if options.precision == "auto" and not steps[-1].passed:
            say(refusal(fp32, steps, gate, bool(source.finetune)))
    elif options.precision == "auto":
        say("int8 is not tried: it needs --calibration, photos like those the model will see")
    if options.precision in ("auto", "fp16"):
        steps.append(_half(fp32, proving, gate, work, say))
    return steps


def _half(
    fp32: Candidate,
    proving: npt.NDArray[np.uint8],
    gate: Gate | None,
    work: Path,
    say: Callable[[str], None],
) -> Step:
    described = {"format": "fp16 weights and values, softmax and both ends fp32"}
    card = replace(fp32.card, precision="fp16", quantization=described)
    proto = to_half(fp32.proto)
    if gate is None:
        candidate = Candidate(proto, card, None, {}, len(pack(proto, card)))
        verdict = _as_fp32(fp32.proto, proto, proving)
        say(f"fp16: {verdict.why}{'' if verdict.passed else ', refused'}")
    else:
        candidate = gate.look(proto, card)
        verdict = gate.judge(fp32, candidate)
        say(f"fp16: {gate.said(verdict)}{'' if verdict.passed else f', refused: {verdict.why}'}")
    if why := beyond_half(fp32.proto, proving):
        say(f"fp16: {why}, refused")
        verdict = Verdict(False, why, verdict.figures if verdict else {})
    return Step("fp16", candidate, verdict, (), time_beside(fp32, candidate, proving[:1], work))


def _as_fp32(
    fp32: onnx.ModelProto, half: onnx.ModelProto, proving: npt.NDArray[np.uint8]
) -> Verdict:
    """Compare scores on noise and the drawn pattern, where there are no photos."""
    both = [cpu_session(proto).run(["scores"], {"image": proving})[0] for proto in (fp32, half)]
    worst = float(np.abs(both[0] - both[1]).max())
    why = f"scores within {worst:.1e} of fp32 on noise, {_HALF_WITHIN:g} allowed"
    return Verdict(worst <= _HALF_WITHIN, why, {"largest_score_difference": round(worst, 5)})


def _refused(options: ExportOptions, fp32: Candidate, steps: list[Step], gate: Gate | None) -> str:
    if options.precision == "int8" and gate is not None:
        return refusal(fp32, steps, gate, options.finetune is not None)
    verdict = steps[-1].verdict
    why = verdict.why if verdict else ""
    beside = ""
    if gate is not None and verdict is not None and "agreement" in verdict.figures:
        beside = f": {gate.said(verdict)}; fp32 {gate.headline(fp32.report)}"
    return f"fp16 does not pass the gate ({why}){beside}; take --precision fp32"


def _gate(
    source: Source,
    options: ExportOptions,
    calibrating: list[Sample],
    evaluator: Evaluator,
    work: Path,
    say: Callable[[str], None],
) -> Gate | None:
    """Return the gate: val, of a run filled up with training photos if it is small."""
    val = source.splits["val"]
    if not val:
        return None
    # Only a run's own training photos are of the same kind as its val, and labelled.
    own = source.trained_here and options.calibration is None and options.evaluate is None
    lacking = max(0, _FEWEST_AT_THE_GATE - len(val)) if own else 0
    taken = {s.path for s in calibrating}
    added = calibration_samples([s for s in source.splits["train"] if s.path not in taken], lacking)
    if len(added) < lacking:
        added += calibration_samples(calibrating, lacking - len(added))
    if added:
        twice = sum(s.path in taken for s in added)
        also = f"; {twice} of them calibrate too" if twice else ""
        say(
            f"val is small: the gate looks at {len(val) + len(added)} photos, val and some of "
            f"train{also}"
        )
    samples = val + added
    return Gate(samples, evaluator, options.max_drop, options.min_agreement, work)


def _with_rejection(best: Candidate, source: Source, evaluator: Evaluator) -> Candidate:
    """Set where this file's own scores, not Keras's, become too weak to be said.

    Only of our runs, whose scores are set right and whose val is large enough to say so: another
    model would begin to answer "uncertain" by some photos at hand.
    """
    reject = best.card.reject
    if best.answers is None or not source.trained_here or not source.labelled:
        return best
    if reject is not None and reject.on != "probability":
        return best
    val = source.splits["val"]
    below = evaluator.withhold_below(best.answers[: len(val)], val)
    card = replace(best.card, reject=None if below is None else Reject("probability", below))
    return replace(best, card=card)


def _withheld(card: ModelCard) -> float | None:
    reject = card.reject
    return reject.below if reject is not None and reject.on == "probability" else None


def _metrics(
    fp32: Candidate, best: Candidate, source: Source, evaluator: Evaluator, work: Path
) -> dict[str, Any]:
    """Return val's figures, and test's, which is scored here once, after all is decided."""
    precision, below = best.card.precision, _withheld(best.card)
    # Right answers of a run's test are known, also where those of the photos that judge are not.
    tester = evaluator_for(source.card.task, source.card.labels)

    def compared(
        before: Any, after: Any, samples: list[Sample], scorer: Evaluator
    ) -> dict[str, Any]:
        return {
            "fp32": brief(scorer.report(before, samples, None if samples is val else below)),
            precision: brief(scorer.report(after, samples, below)),
            "agreement": round(scorer.agreement(before, after), 4),
        }

    metrics: dict[str, Any] = {"keras": dict(source.measured)} if source.measured else {}
    val, test = source.splits["val"], source.splits["test"]
    if val:
        one, other = (c.answers[: len(val)] for c in (fp32, best))
        metrics["val"] = compared(one, other, val, evaluator)
    if test:
        one, other = (tester.answers(opened(c.proto, c.card, work), test) for c in (fp32, best))
        metrics["test"] = compared(one, other, test, tester)
    return metrics
