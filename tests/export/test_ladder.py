"""The rungs that are tried, and what the last of them leave in float."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edge_runtime.model.card import InputSpec, ModelCard
from export.evaluate import evaluator_for
from export.gate import Candidate, Gate
from export.noise import LayerNoise
from export.package import pack
from export.quantize import RUNGS, Quantizer, Rung
from export.run_folder import Sample

pytestmark = pytest.mark.tensorflow
pytest.importorskip("keras")

LABELS = ("red", "green", "blue")
LAYERS = 10


@pytest.fixture
def ladder(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module; it times in two short turns, as a median is no matter here."""
    from export import ladder

    monkeypatch.setattr(ladder, "_TURNS", 2)
    monkeypatch.setattr(ladder, "_TURN_S", 0.0)
    return ladder


@pytest.fixture
def proto() -> onnx.ModelProto:
    """Ten 1x1 convolutions that pass three colors on, and a black fourth channel.

    The sixth makes one channel a thousand times as large and the seventh undoes it: in eight
    bits the other channels are lost between them, as one step is then larger than they are.
    """
    kernels = [np.eye(4)[..., None, None] for _ in range(LAYERS)]
    kernels[0] = np.eye(4, 3)[..., None, None] / 255
    kernels[5] = np.diag([1000.0, 1, 1, 1])[..., None, None]
    kernels[6] = np.diag([0.001, 1, 1, 1])[..., None, None]
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], name="float", to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["float"], ["planes"], name="planes", perm=[0, 3, 1, 2]),
        *(
            helper.make_node("Conv", [given, f"w{i}"], [f"layer {i}"], name=f"layer {i}")
            for i, given in enumerate(["planes", *(f"layer {i}" for i in range(LAYERS - 1))])
        ),
        helper.make_node("GlobalAveragePool", [f"layer {LAYERS - 1}"], ["mean"], name="mean"),
        helper.make_node("Flatten", ["mean"], ["flat"], name="flat"),
        helper.make_node("MatMul", ["flat", "matrix"], ["head"], name="head"),
        helper.make_node("Softmax", ["head"], ["scores"], name="scores"),
    ]
    weights = {f"w{i}": kernel for i, kernel in enumerate(kernels)} | {"matrix": 4 * np.eye(4, 3)}
    graph = helper.make_graph(
        nodes,
        "chain",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", 4, 4, 3])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", 3])],
        [numpy_helper.from_array(w.astype(np.float32), name) for name, w in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.fixture
def samples(tmp_path: Path) -> list[Sample]:
    """Four photos of each color, not all of one brightness."""
    found = []
    for channel, label in ((2, "red"), (1, "green"), (0, "blue")):
        for value in (120, 160, 200, 240):
            image = np.full((4, 4, 3), 40, np.uint8)
            image[..., channel] = value
            path = tmp_path / f"{label}-{value}.png"
            cv2.imwrite(str(path), image)
            found.append(Sample(path, label))
    return found


@pytest.fixture
def climbed(
    ladder, proto: onnx.ModelProto, samples: list[Sample], tmp_path: Path
) -> Callable[..., tuple[list[Any], list[str]]]:
    """Climb with limits; return the steps and the lines that were said."""

    def run(
        max_drop: float, min_agreement: float, finetune: Sequence[Sample] = ()
    ) -> tuple[list[Any], list[str]]:
        evaluator = evaluator_for("classification", LABELS)
        gate = Gate(samples, evaluator, max_drop, min_agreement, tmp_path)
        fp32 = gate.look(proto, ModelCard("colors", "classification", LABELS, InputSpec(4, 4)))
        lines: list[str] = []
        return ladder.climb(fp32, samples, gate, tmp_path, lines.append, finetune, 3), lines

    return run


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Rung, onnx.ModelProto]]:
    """Return a list that fills with the rungs that are quantized, and what came out."""
    found = []
    whole = Quantizer.quantize

    def noted(self: Quantizer, rung: Rung) -> onnx.ModelProto:
        found.append((rung, whole(self, rung)))
        return found[-1][1]

    monkeypatch.setattr(Quantizer, "quantize", noted)
    return found


def in_int8(proto: onnx.ModelProto) -> set[str]:
    """Return the layers whose weights are stored in eight bits."""
    made_by = {name: node.op_type for node in proto.graph.node for name in node.output}
    return {
        node.name
        for node in proto.graph.node
        if node.op_type == "Conv" and made_by.get(node.input[1]) == "DequantizeLinear"
    }


def test_first_rung_that_passes_is_the_last_that_is_tried(climbed, tried) -> None:
    (step,), lines = climbed(100.0, 0.0)
    assert [rung for rung, _ in tried] == [RUNGS[0]]
    assert (step.name, step.passed) == (RUNGS[0].name, True)
    card, figures = step.candidate.card, step.verdict.figures
    assert card.precision == "int8"
    assert card.quantization["rung"] == RUNGS[0].name
    assert card.quantization["reduce_range"] is True
    assert card.quantization["calibration"] == "minmax"
    assert card.quantization["calibration_photos"] == 12
    assert lines == [
        f"{RUNGS[0].name}: accuracy {figures['accuracy']:.4f}, n 12 "
        f"({figures['change_points']:+.2f} points), agreement {figures['agreement']:.4f}"
    ]


def test_last_rungs_leave_the_layers_in_float_that_add_most_noise(climbed, tried) -> None:
    """They change what came nearest: here all are alike, and the first counts."""
    steps, _ = climbed(-1.0, 0.98)
    assert not any(step.passed for step in steps)
    rungs = [rung for rung, _ in tried]
    assert tuple(rungs[: len(RUNGS)]) == RUNGS
    one, two = rungs[len(RUNGS) :]
    assert one.nodes_in_float == ("layer 6",)  # it is given what the thousandfold channel left
    # A tenth and a quarter of eleven layers with weights.
    assert two.nodes_in_float[0] == "layer 6"
    assert len(two.nodes_in_float) == 3
    (nearest,) = (r for r in RUNGS if r == replace(one, name=r.name, nodes_in_float=()))
    assert one.name == f"{nearest.name}, and the 1 layer(s) that add most noise"
    assert two.name == f"{nearest.name}, and the 3 layer(s) that add most noise"
    before = in_int8(tried[RUNGS.index(nearest)][1])
    assert "layer 6" in before
    last = [in_int8(int8) for _, int8 in tried[len(RUNGS) :]]
    assert last == [before - set(one.nodes_in_float), before - set(two.nodes_in_float)]


def test_card_says_what_was_refused_before_and_why(climbed) -> None:
    steps, lines = climbed(-1.0, 0.98)
    assert "refused" not in steps[0].candidate.card.quantization
    last = steps[-1].candidate.card.quantization["refused"]
    assert list(last) == [step.name for step in steps[:-1]]
    assert list(last.values()) == [step.verdict.why for step in steps[:-1]]
    assert lines[0].endswith(f", refused: {last[RUNGS[0].name]}")


def test_fine_tuning_comes_last_and_begins_with_what_came_nearest(
    ladder, climbed, samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = []

    def tuned(fp32, int8, photos, spec, epochs, say):
        begun.append((photos, epochs))
        return int8

    monkeypatch.setattr(ladder, "fine_tuned", tuned)
    steps, _ = climbed(-1.0, 0.98, samples[:5])
    assert begun == [(samples[:5], 3)]
    said = steps[-1].candidate.card.quantization
    nearest = max(steps[:-1], key=lambda step: step.verdict.figures["agreement"])
    assert said["rung"] == steps[-1].name == f"{nearest.name}, fine-tuned"
    assert said["fine_tuning"] == "3 epochs of 5 photos"
    climbed(100.0, 0.0, samples[:5])
    assert len(begun) == 1  # not where a rung passes


def test_network_that_cannot_be_fine_tuned_is_said(
    ladder, climbed, samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_):
        raise ladder.FinetuneError("no way")

    monkeypatch.setattr(ladder, "fine_tuned", refuse)
    steps, lines = climbed(-1.0, 0.98, samples)
    assert lines[-1] == "no fine-tuning: no way"
    assert not steps[-1].name.endswith("fine-tuned")


def test_refusal_names_limits_what_came_nearest_and_the_noisiest_layers(
    ladder, proto: onnx.ModelProto, samples: list[Sample], tmp_path: Path
) -> None:
    gate = Gate(samples, evaluator_for("classification", LABELS), 20.0, 0.98, tmp_path)
    fp32 = gate.look(proto, ModelCard("colors", "classification", LABELS, InputSpec(4, 4)))
    steps = []
    for name, wrong in (("coarse", 6), ("nearly", 3), ("last", 4)):
        answers = fp32.answers.copy()
        answers[:wrong] = answers[:wrong, ::-1]  # red becomes blue
        report = gate._evaluator.report(answers, samples)
        candidate = replace(fp32, answers=answers, report=report)
        noise = [
            LayerNoise(layer=f"{name} {i}", title=f"{name} {i}", own=10.0 + i, reached=9.0)
            for i in range(5)
        ]
        steps.append(ladder.Step(name, candidate, gate.judge(fp32, candidate), noise, {}))
    text = ladder.refusal(fp32, steps, gate, finetuned=False)
    again = ladder.refusal(fp32, steps, gate, finetuned=True)
    assert "; try --finetune with" in text
    assert "try --finetune" not in again
    assert "--finetune-epochs" in again
    assert text.startswith(
        "no int8 file keeps within 20.0 points and agreement 0.98 of fp32 (accuracy 1.0000, n 12);"
        " nearest: nearly, accuracy 0.7500, n 12 (-25.00 points), agreement 0.7500; most noise: "
        "nearly 0, nearly 1, nearly 2; try "
    )
    for way in ("--calibration", "--max-drop", "--min-agreement", "--precision fp16 or fp32"):
        assert way in text


def test_two_files_are_timed_in_milliseconds(
    ladder, monkeypatch: pytest.MonkeyPatch, proto: onnx.ModelProto, tmp_path: Path
) -> None:
    """What the first call of each turn takes is told by a clock of our own."""
    seconds = {"fp32": [0.004, 0.001, 0.002], "this": [0.005, 0.006, 0.001]}
    asked = []

    def in_turns(calls, turns, turn_s):
        asked.append({name: call()["scores"].shape for name, call in calls.items()})
        return {name: [taken[:1], taken[1:]] for name, taken in seconds.items()}

    monkeypatch.setattr(ladder, "in_turns", in_turns)
    card = ModelCard("colors", "classification", LABELS, InputSpec(4, 4))
    candidate = Candidate(proto, card, None, {}, len(pack(proto, card)))
    picture = np.zeros((1, 4, 4, 3), np.uint8)
    taken = ladder.time_beside(candidate, candidate, picture, tmp_path)
    assert taken == {"fp32": 2.0, "this": 5.0}
    assert asked == [{"fp32": (1, 3), "this": (1, 3)}]
