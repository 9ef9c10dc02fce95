"""The card: what a model file says about itself, as JSON under the ONNX metadata key `edge`.

Must not import onnxruntime, OpenCV or anything that trains: `edge-run info` reads cards with the
standard library alone. Parsing is `json.loads`, never `eval`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, get_args

from edge_runtime.errors import CardError

__all__ = [
    "CARD_KEY",
    "UNHASHED",
    "Alignment",
    "Answers",
    "Golden",
    "InputSpec",
    "ModelCard",
    "Reject",
    "RejectOn",
    "is_margin",
    "is_number",
    "is_side",
]

CARD_KEY = "edge"
SCHEMA = 1
UNHASHED = "0" * 64  # what `sha256` holds while the hash is taken

Task = Literal["classification", "identity", "detection"]
Region = Literal["frame", "face"]
Resize = Literal["stretch", "center-crop", "letterbox"]
Interpolation = Literal["area", "linear"]
Alignment = Literal["none", "five-point"]
Precision = Literal["fp32", "fp16", "int8"]
RejectOn = Literal["probability", "cosine"]
Answers = Literal["labels", "gallery"]


@dataclass(frozen=True, slots=True)
class InputSpec:
    """What a model's input tensor `image` holds: uint8, (N, height_px, width_px, 3), RGB.

    Attributes:
        height_px: Rows of the input.
        width_px: Columns of the input.
        region: `frame` feeds the whole picture, `face` a crop around one face.
        face_margin: Added on each side of a face box, as a share of the box's longer side; the
            crop is square. Only for region `face`.
        alignment: `five-point` turns a face upright by its landmarks and scales it by them,
            `face_margin` around ArcFace's crop; `none` takes a square around its box.
        resize: `stretch` ignores the aspect ratio, `center-crop` cuts the longer side,
            `letterbox` keeps all of the picture at the top left and pads with gray 114.
        interpolation: `area` averages when shrinking (bilinear when enlarging), `linear` is
            bilinear both ways.
    """

    height_px: int
    width_px: int
    region: Region = "frame"
    face_margin: float = 0.0
    alignment: Alignment = "none"
    resize: Resize = "stretch"
    interpolation: Interpolation = "area"


@dataclass(frozen=True, slots=True)
class Reject:
    """When an answer is withheld.

    Attributes:
        on: `probability` compares the top score (label becomes "uncertain"), `cosine` the
            similarity to the nearest enrolled person (label becomes "unknown").
        below: Answers with less than this are withheld.
        false_accept: The false-accept rate measured at that threshold, if one was.
    """

    on: RejectOn
    below: float
    false_accept: float | None = None


@dataclass(frozen=True, slots=True)
class Golden:
    """One picture and what the model answered on the machine that exported it.

    Attributes:
        image_png: The input, already preprocessed, as base64 of a PNG of exactly the input size.
        expected: For classifiers the K scores; for detectors the best box, x1, y1, x2, y2 as
            shares of the input's width and height, followed by its score.
        tolerance: Largest absolute difference allowed on a CPU of the kind in `cpu`.
        tolerance_elsewhere: The same on any other CPU or provider; int8 arithmetic differs
            between CPUs with and without VNNI.
        cpu: Kind of CPU the expected values come from (`edge_runtime.measure.machine.cpu_kind`).
    """

    image_png: str
    expected: tuple[float, ...]
    tolerance: float
    tolerance_elsewhere: float
    cpu: str


@dataclass(frozen=True, slots=True)
class ModelCard:
    """Everything the runtime needs to know about a model, and everything a user may ask.

    Attributes:
        name: Short name, used as the key of predictions.
        task: What kind of answer comes out.
        labels: Class names in output order; for detectors the one label `face`.
        input: What goes in.
        reject: When an answer is withheld; None never withholds.
        answers: `labels` are given as answers; with `gallery` people are enrolled on the device,
            and the labels, people the model was trained on, are given only when asked for.
        precision: Arithmetic of the weights.
        quantization: How the file was quantized (recipe, calibration), empty for fp32.
        metrics: Accuracy of Keras, fp32 and this file with n, agreement, per split.
        provenance: Recipe, git commit, data set and its license, SHA-256 of the source weights.
        golden: The self-test of `edge-run check`.
        sha256: Hash of the file with these 64 characters zeroed.
    """

    name: str
    task: Task
    labels: tuple[str, ...]
    input: InputSpec
    reject: Reject | None = None
    answers: Answers = "labels"
    precision: Precision = "fp32"
    quantization: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    golden: Golden | None = None
    sha256: str = UNHASHED

    def to_json(self) -> str:
        """Return the card as one line of JSON, `schema` first."""
        return json.dumps({"schema": SCHEMA, **asdict(self)}, ensure_ascii=False, sort_keys=False)

    @classmethod
    def from_json(cls, text: str, where: str) -> ModelCard:
        """Parse and validate a card.

        Args:
            text: The JSON.
            where: What to call the file in messages.

        Raises:
            CardError: Not JSON, another schema, a field missing, unknown or out of range.
        """
        try:
            raw = json.loads(text)
        except ValueError as error:
            raise CardError(f"{where}: the card is not JSON ({error})") from None
        except RecursionError:
            raise CardError(f"{where}: the card is not JSON (nested too deep)") from None
        if not isinstance(raw, dict):
            raise CardError(f"{where}: the card is not a JSON object")
        if raw.pop("schema", None) != SCHEMA:
            raise CardError(
                f"{where}: the card's schema is not {SCHEMA}; export the model again, "
                "or upgrade edge-run"
            )
        if "answers" not in raw and (raw.get("reject") or {}).get("on") == "cosine":
            raw["answers"] = "gallery"  # files exported before the field was there
        raw["input"] = _record(InputSpec, raw.get("input"), "input", where)
        raw["labels"] = _labels(raw.get("labels"), where)
        if raw.get("reject") is not None:
            raw["reject"] = _record(Reject, raw["reject"], "reject", where)
        if raw.get("golden") is not None:
            golden = dict(raw["golden"]) if isinstance(raw["golden"], dict) else {}
            if isinstance(golden.get("expected"), list):
                golden["expected"] = tuple(golden["expected"])
            raw["golden"] = _record(Golden, golden, "golden", where)
        card: ModelCard = _record(cls, raw, "card", where)
        card._validate(where)
        return card

    def _validate(self, where: str) -> None:
        size, reject, golden = self.input, self.reject, self.golden
        rows: list[tuple[str, Any, Callable[[Any], bool], str]] = [
            ("name", self.name, _is_text, "a name"),
            ("task", self.task, *_one_of(Task)),
            ("precision", self.precision, *_one_of(Precision)),
            ("answers", self.answers, *_one_of(Answers)),
            ("sha256", self.sha256, _is_digest, "64 hexadecimal digits"),
            ("input.region", size.region, *_one_of(Region)),
            ("input.resize", size.resize, *_one_of(Resize)),
            ("input.interpolation", size.interpolation, *_one_of(Interpolation)),
            ("input.alignment", size.alignment, *_one_of(Alignment)),
            ("input.height_px", size.height_px, is_side, "1..8192"),
            ("input.width_px", size.width_px, is_side, "1..8192"),
            ("input.face_margin", size.face_margin, is_margin, "-0.4..2"),
        ]
        for name in ("quantization", "metrics", "provenance"):
            rows.append((name, getattr(self, name), _is_object, "an object"))
        if reject is not None:
            rows += [
                ("reject.on", reject.on, *_one_of(RejectOn)),
                ("reject.below", reject.below, is_number, "a number"),
            ]
        if golden is not None:
            rows += [
                ("golden.image_png", golden.image_png, _is_text, "base64 of a PNG"),
                ("golden.expected", golden.expected, _are_numbers, "a list of numbers"),
                ("golden.tolerance", golden.tolerance, is_number, "a number"),
                ("golden.tolerance_elsewhere", golden.tolerance_elsewhere, is_number, "a number"),
                ("golden.cpu", golden.cpu, _is_text, "a kind of CPU"),
            ]
        for what, value, fits, expected in rows:
            if not fits(value):
                raise CardError(
                    f"{where}: card field {what} is {value!r}, expected {expected}; export the "
                    "model again, or upgrade edge-run"
                )


def _one_of(choices: Any) -> tuple[Callable[[Any], bool], str]:
    allowed = get_args(choices)
    return (lambda value: value in allowed), f"one of {', '.join(allowed)}"


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _is_digest(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) is not None


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def is_number(value: Any) -> bool:
    """Whether it is a finite number, and no truth value."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _are_numbers(value: Any) -> bool:
    return isinstance(value, tuple) and all(map(is_number, value))


def is_side(value: Any) -> bool:
    """Whether it may be the height or width of an input in pixels."""
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 8192


def is_margin(value: Any) -> bool:
    """Whether it may be added around a face, as a share of its box."""
    return is_number(value) and -0.4 <= value <= 2.0


def _labels(raw: Any, where: str) -> tuple[str, ...]:
    if not isinstance(raw, list) or not raw or not all(isinstance(x, str) and x for x in raw):
        raise CardError(f"{where}: card field labels must be a list of names, got {raw!r}")
    if len(set(raw)) != len(raw):
        raise CardError(f"{where}: card field labels names a label twice: {raw}")
    return tuple(raw)


def _record(kind: type[Any], raw: Any, what: str, where: str) -> Any:
    if not isinstance(raw, dict):
        raise CardError(f"{where}: card field {what} is missing or not an object")
    known = {f.name for f in fields(kind)}
    unknown = sorted(set(raw) - known)
    if unknown:
        raise CardError(
            f"{where}: card field {what} has unknown {', '.join(unknown)}; upgrade edge-run"
        )
    try:
        return kind(**raw)
    except TypeError as error:
        missing = str(error).split(":")[-1].strip()
        raise CardError(f"{where}: card field {what} lacks {missing}") from None
