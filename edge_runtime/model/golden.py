"""The self-test inside a model file: one picture, and what it must answer."""

from __future__ import annotations

import base64
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edge_runtime.errors import CardError
from edge_runtime.measure.machine import cpu_kind
from edge_runtime.model.card import Golden
from edge_runtime.model.preprocess import Image
from edge_runtime.model.session import Session

__all__ = ["GoldenResult", "check_golden", "golden_answer", "golden_picture", "make_golden"]

# int8 answers are the same to the last bit on one kind of CPU; elsewhere saturation and rounding
# may differ. Both are far under what an altered weight or a wrong color order does.
_TOLERANCE = 0.01
_TOLERANCE_ELSEWHERE = 0.1


@dataclass(frozen=True, slots=True)
class GoldenResult:
    """What `check_golden` saw.

    Attributes:
        difference: Largest absolute difference to the expected values.
        tolerance: What is allowed on this machine.
        same_cpu: Whether this is the kind of CPU the values come from.
    """

    difference: float
    tolerance: float
    same_cpu: bool

    @property
    def passed(self) -> bool:
        """Whether the answer is close enough."""
        return self.difference <= self.tolerance


def check_golden(session: Session) -> GoldenResult:
    """Run a model's golden sample on this machine.

    Raises:
        CardError: The card holds none, or one that does not fit the model.
    """
    golden = session.card.golden
    if golden is None:
        raise CardError(f"model {session.card.name}: holds no golden sample; export it again")
    answer = golden_answer(session, golden_picture(golden, session))
    expected = np.asarray(golden.expected, np.float32)
    if answer.shape != expected.shape:
        raise CardError(
            f"model {session.card.name}: its golden sample expects {expected.size} values, the "
            f"model gives {answer.size}"
        )
    same = golden.cpu == cpu_kind() and session.provider_used == "cpu"
    difference = float(np.abs(answer - expected).max())
    tolerance = golden.tolerance if same else golden.tolerance_elsewhere
    return GoldenResult(difference, tolerance, same)


def make_golden(session: Session, image: Image) -> Golden:
    """Record what a model answers to a preprocessed picture, uint8 (H, W, 3) RGB."""
    smallest = (cv2.IMWRITE_PNG_COMPRESSION, 9)
    png = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), smallest)[1]
    return Golden(
        image_png=base64.b64encode(png.tobytes()).decode(),
        expected=tuple(round(float(v), 5) for v in golden_answer(session, image)),
        tolerance=_TOLERANCE,
        tolerance_elsewhere=_TOLERANCE_ELSEWHERE,
        cpu=cpu_kind(),
    )


def golden_picture(golden: Golden, session: Session) -> Image:
    """Return the golden sample's input, uint8 (H, W, 3) RGB.

    Raises:
        CardError: It is no PNG of the model's input size.
    """
    spec = session.card.input
    try:
        data = np.frombuffer(base64.b64decode(golden.image_png, validate=True), np.uint8)
        image = cv2.imdecode(data, cv2.IMREAD_COLOR)
    except (ValueError, cv2.error):
        image = None
    if image is None or image.shape != (spec.height_px, spec.width_px, 3):
        raise CardError(f"model {session.card.name}: its golden sample is no picture of its input")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


def golden_answer(session: Session, image: Image) -> npt.NDArray[np.float32]:
    """Return the numbers a golden sample compares, see `edge_runtime.model.card.Golden`."""
    out = session.run(image[None])
    if session.card.task != "detection":
        return np.asarray(out["scores"][0], np.float32)
    best = int(out["scores"][0].argmax())
    height, width = session.card.input.height_px, session.card.input.width_px
    box = out["boxes"][0, best] / np.array([width, height, width, height], np.float32)
    return np.asarray([*box, out["scores"][0, best]], np.float32)
