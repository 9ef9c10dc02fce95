"""The ways of quantizing, tried in order until one passes the gate, and what each was worth."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from edge_runtime.measure.latency import in_turns, summarize_ms
from edge_runtime.model.onnx_file import load_model_file
from edge_runtime.model.session import Session, SessionOptions
from export.errors import FinetuneError
from export.evaluate import model_inputs
from export.finetune import fine_tuned
from export.gate import Candidate, Gate, Verdict
from export.noise import CLEANEST, LayerNoise, layer_noise
from export.package import pack
from export.quantize import RUNGS, Quantizer, Rung
from export.run_folder import Sample

__all__ = ["Step", "climb", "refusal", "time_beside"]

_NOISE_PHOTOS = 8
_WORST = (0.1, 0.25)  # shares of the layers that the last rungs leave in float
_TURNS, _TURN_S = 20, 0.05


@dataclass(frozen=True, slots=True)
class Step:
    """One way of making the file smaller that was tried.

    Attributes:
        name: Of the rung.
        candidate: What came of it.
        verdict: Of the gate; None without photos.
        noise: Of each layer, the one that adds most first; empty for fp16.
        latency_ms: Median of one picture on one thread: `this` and `fp32`, in turns.
    """

    name: str
    candidate: Candidate
    verdict: Verdict | None
    noise: Sequence[LayerNoise]
    latency_ms: dict[str, float]

    @property
    def passed(self) -> bool:
        """Whether nothing speaks against it."""
        return self.verdict is None or self.verdict.passed


def climb(
    fp32: Candidate,
    calibration: Sequence[Sample],
    gate: Gate,
    work: Path,
    say: Callable[[str], None],
    finetune: Sequence[Sample] = (),
    epochs: int = 0,
) -> list[Step]:
    """Try each way of quantizing until one passes the gate.

    Args:
        fp32: What is quantized.
        calibration: Photos that set the ranges.
        gate: Decides.
        work: Folder for files on the way.
        say: Told what each rung was worth.
        finetune: Photos to train on where no rung passes; none trains nothing.
        epochs: How often each of them.

    Returns:
        All that were tried; only the last may have passed.
    """
    spec = fp32.card.input
    quantizer = Quantizer(
        fp32.proto, lambda: model_inputs(calibration, spec), len(calibration), work
    )
    seen = np.concatenate(list(model_inputs(calibration[:_NOISE_PHOTOS], spec)))
    steps: list[Step] = []

    def tried(name: str, proto: onnx.ModelProto, quantization: dict[str, Any]) -> bool:
        refused = {s.name: s.verdict.why for s in steps if s.verdict is not None}
        told = {**quantization, "refused": refused} if refused else quantization
        card = replace(fp32.card, precision="int8", quantization=told)
        candidate = gate.look(proto, card)
        verdict = gate.judge(fp32, candidate)
        say(f"{name}: {gate.said(verdict)}{'' if verdict.passed else f', refused: {verdict.why}'}")
        noise = layer_noise(quantizer.prepared, proto, seen)
        latency = time_beside(fp32, candidate, seen[:1], work)
        steps.append(Step(name, candidate, verdict, noise, latency))
        return verdict.passed

    for rung in _rungs(steps):
        proto = quantizer.quantize(rung)
        if steps and all(node.op_type != "QuantizeLinear" for node in proto.graph.node):
            continue  # of a network of dense layers alone, with the head in float: that is fp32
        if tried(rung.name, proto, _described(rung, len(calibration))):
            return steps
    if finetune:
        nearest, _ = _nearest(steps)
        try:
            tuned = fine_tuned(
                quantizer.prepared, nearest.candidate.proto, finetune, spec, epochs, say
            )
        except FinetuneError as error:
            say(f"no fine-tuning: {error}")
            return steps
        described = nearest.candidate.card.quantization
        name = f"{nearest.name}, fine-tuned"
        said = {"rung": name, "fine_tuning": f"{epochs} epochs of {len(finetune)} photos"}
        tried(name, tuned, {**described, **said})
    return steps


def _rungs(steps: Sequence[Step]) -> Iterator[Rung]:
    """Yield the rungs; the last ones leave in float what was seen to add most to the nearest."""
    yield from RUNGS
    nearest, _ = _nearest(steps)
    rung = next(r for r in RUNGS if r.name == nearest.name)
    tried = 0
    for share in _WORST:
        # Of few layers both shares are one: then two are left as well, if there are more.
        count = max(tried + 1, round(share * len(nearest.noise)))
        if count >= len(nearest.noise) and tried:
            return
        tried = count
        worst = tuple(n.layer for n in nearest.noise[:count])
        name = f"{rung.name}, and the {len(worst)} layer(s) that add most noise"
        yield replace(rung, name=name, nodes_in_float=worst)


def time_beside(fp32: Candidate, tried: Candidate, picture: Any, work: Path) -> dict[str, float]:
    """Return the median milliseconds of one picture on one thread, `fp32` and `this`, in turns."""
    calls = {}
    for name, candidate in (("fp32", fp32), ("this", tried)):
        path = work / f"timed-{name}.onnx"
        path.write_bytes(pack(candidate.proto, candidate.card))
        calls[name] = partial(Session(load_model_file(path), SessionOptions("cpu", 1)).run, picture)
    taken = in_turns(calls, _TURNS, _TURN_S)
    return {
        n: summarize_ms([s for turn in those for s in turn])["p50"] for n, those in taken.items()
    }


def _described(rung: Rung, photos: int) -> dict[str, Any]:
    return {
        "format": "QDQ, uint8 activations, int8 weights per channel",
        "rung": rung.name,
        "rounding": "GPTQ, means kept by biases",
        "reduce_range": rung.reduce_range,
        "calibration": rung.method.name.lower(),
        "calibration_photos": photos,
    }


def refusal(fp32: Candidate, steps: Sequence[Step], gate: Gate, finetuned: bool) -> str:
    """Return why no int8 file was taken, with both numbers and the next thing to try.

    Args:
        fp32: What was quantized.
        steps: All that were tried.
        gate: Which refused them.
        finetuned: Whether fine-tuning was among them.
    """
    best, verdict = _nearest(steps)
    noisy = [noise for noise in best.noise if noise.own < CLEANEST]
    worst = ", ".join(noise.title for noise in noisy[:3])
    training = (
        "fine-tune on more photos or with more --finetune-epochs"
        if finetuned
        else "try --finetune with some thousand photos"
    )
    return (
        f"no int8 file keeps within {round(gate.allowed, 2)} points and agreement "
        f"{gate.min_agreement} of fp32 ({gate.headline(fp32.report)}); nearest: {best.name}, "
        f"{gate.said(verdict)}; most noise: {worst}; {training}, "
        "more photos with --calibration, allow more with --max-drop and --min-agreement, or take "
        "--precision fp16 or fp32"
    )


def _nearest(steps: Sequence[Step]) -> tuple[Step, Verdict]:
    """Return what answered most like fp32."""
    judged = [(step, step.verdict) for step in steps if step.verdict is not None]
    return max(judged, key=lambda pair: pair[1].figures["agreement"])
