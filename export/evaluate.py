"""Scoring an ONNX file on a split, through the runtime, as a device would run it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from edge_runtime.faces.average_precision import (
    FAINTEST,
    detection_report,
    faces_in_common,
    score_differences,
)
from edge_runtime.faces.boxes import FaceBox
from edge_runtime.faces.detector import OnnxFaceDetector
from edge_runtime.measure.confusion import agreement
from edge_runtime.measure.scoring import score_report, withhold_below
from edge_runtime.media.image import read_for, read_image
from edge_runtime.model.card import InputSpec
from edge_runtime.model.classifier import Classifier
from edge_runtime.model.preprocess import Image, preprocess
from edge_runtime.model.session import Session
from export.errors import RunError
from export.run_folder import Sample, labelled_boxes

__all__ = ["Evaluator", "evaluator_for", "model_inputs"]

_BATCH = 64


def model_inputs(samples: Iterable[Sample], spec: InputSpec) -> Iterator[Image]:
    """Yield each sample's input, uint8 (1, H, W, 3), by the runtime's own preprocessing."""
    for sample in samples:
        yield preprocess(read_for(sample.path, spec).image_bgr, spec)[None]


class Evaluator(Protocol):
    """How one task is scored."""

    @property
    def headline(self) -> str:
        """The figure of a report that the gate looks at, a share from 0 to 1; "" for none."""
        ...

    def answers(self, session: Session, samples: Iterable[Sample]) -> Any:
        """Run a model on samples; what comes back goes into the other two."""
        ...

    def report(
        self, answers: Any, samples: Sequence[Sample], below: float | None = None
    ) -> dict[str, Any]:
        """Return figures with n; `below` is the score under which answers are withheld."""
        ...

    def withhold_below(self, answers: Any, samples: Sequence[Sample]) -> float | None:
        """Return the score under which val's answers are not right often enough."""
        ...

    def agreement(self, a: Any, b: Any) -> float:
        """Return the share of answers that two models have in common."""
        ...

    def difference(self, a: Any, b: Any) -> dict[str, float]:
        """Return mean and largest difference of two models' scores."""
        ...


def evaluator_for(task: str, labels: tuple[str, ...], labelled: bool = True) -> Evaluator:
    """Return the evaluator of a task; where right answers are unknown, of agreement alone."""
    if task == "detection":
        return _Detection()
    return _Classification(labels) if labelled else _Unlabelled(labels)


class _Classification:
    headline = "accuracy"

    def __init__(self, labels: tuple[str, ...]) -> None:
        self.labels = labels

    def answers(self, session: Session, samples: Iterable[Sample]) -> npt.NDArray[np.float32]:
        classifier = Classifier(session)
        rows, batch = [], []
        for image in model_inputs(samples, session.card.input):
            batch.append(image)
            if len(batch) == _BATCH:
                rows.append(classifier.scores(np.concatenate(batch)))
                batch.clear()
        if batch:
            rows.append(classifier.scores(np.concatenate(batch)))
        return np.concatenate(rows)

    def report(
        self,
        answers: npt.NDArray[np.float32],
        samples: Sequence[Sample],
        below: float | None = None,
    ) -> dict[str, Any]:
        report = score_report(answers, self._truth(samples), self.labels, below)
        del report["confusion"]
        return report

    def withhold_below(
        self, answers: npt.NDArray[np.float32], samples: Sequence[Sample]
    ) -> float | None:
        return withhold_below(answers, self._truth(samples))

    def _truth(self, samples: Sequence[Sample]) -> npt.NDArray[np.int64]:
        unknown = {s.label for s in samples} - set(self.labels)
        if unknown:
            raise RunError(f"split.csv names {', '.join(sorted(unknown))}, which the card does not")
        return np.array([self.labels.index(s.label) for s in samples], np.int64)

    def agreement(self, a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> float:
        return agreement(a, b)

    def difference(
        self, a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]
    ) -> dict[str, float]:
        return _mean_and_largest(np.abs(a - b))


class _Unlabelled(_Classification):
    """Nobody said what is in the photos."""

    headline = ""

    def report(
        self,
        answers: npt.NDArray[np.float32],
        samples: Sequence[Sample],
        below: float | None = None,
    ) -> dict[str, Any]:
        return {"n": len(samples)}

    def withhold_below(
        self, answers: npt.NDArray[np.float32], samples: Sequence[Sample]
    ) -> float | None:
        return None


class _Detection:
    """Average precision at IoU 0.5 of faces of 24 px or more."""

    headline = "average_precision"

    def answers(self, session: Session, samples: Iterable[Sample]) -> list[list[FaceBox]]:
        detector = OnnxFaceDetector(session)
        return [detector.detect(read_image(s.path).image_bgr, FAINTEST) for s in samples]

    def report(
        self,
        answers: list[list[FaceBox]],
        samples: Sequence[Sample],
        below: float | None = None,
    ) -> dict[str, Any]:
        return detection_report(answers, [labelled_boxes(s.label) for s in samples])

    def withhold_below(
        self, answers: list[list[FaceBox]], samples: Sequence[Sample]
    ) -> float | None:
        return None

    def agreement(self, a: list[list[FaceBox]], b: list[list[FaceBox]]) -> float:
        return faces_in_common(a, b)

    def difference(self, a: list[list[FaceBox]], b: list[list[FaceBox]]) -> dict[str, float]:
        return _mean_and_largest(score_differences(a, b))


def _mean_and_largest(apart: npt.NDArray[np.float32]) -> dict[str, float]:
    if not len(apart):
        return {}  # neither detector found a face
    return {
        "mean_score_difference": round(float(apart.mean()), 5),
        "largest_score_difference": round(float(apart.max()), 5),
    }
