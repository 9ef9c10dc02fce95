"""From a frame to what is seen in it: faces, who they are, how they look."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from edge_runtime.faces.cadence import Cadence
from edge_runtime.faces.detector import FaceDetector
from edge_runtime.faces.smoothing import SteadyAnswers
from edge_runtime.faces.tracker import TrackedFace, Tracker, overlap
from edge_runtime.media.sources import Frame
from edge_runtime.model.classifier import Answerer, Prediction

__all__ = ["Hide", "Recognizer", "Seen"]

Hide = Literal["none", "unknown", "all"]


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of one frame.

    Attributes:
        faces: Each with its answers, by the name of the model.
        whole: Answers for the whole frame, by the name of the model.
        hidden: Boxes, x1, y1, x2, y2 in pixels, of faces nobody is to see.
    """

    faces: list[tuple[TrackedFace, dict[str, Prediction]]]
    whole: dict[str, Prediction]
    hidden: list[npt.NDArray[np.float32]]


class Recognizer:
    """Detector, tracker and models."""

    def __init__(
        self,
        detector: FaceDetector | None,
        answerers: Sequence[Answerer],
        cadence: Cadence,
        hide: Hide = "none",
        stills: bool = False,
    ) -> None:
        """Take what looks at frames.

        Args:
            detector: Finds faces; None where nobody asks for them.
            answerers: Asked about each face, or about the frame.
            cadence: Says in which frames to look for faces.
            hide: Which faces to hide.
            stills: Frames are pictures that have nothing to do with each other.
        """
        self._detector = detector
        self._on_faces = [a for a in answerers if a.wants_faces]
        self._on_frames = [a for a in answerers if not a.wants_faces]
        self._cadence = cadence
        self._hide = hide
        self._stills = stills
        self._faint: list[npt.NDArray[np.float32]] = []
        self._tracker = Tracker(detector.sure if detector else 1.0)
        self._steady = SteadyAnswers()

    def look(self, frame: Frame) -> Seen:
        """Look at the next frame."""
        began = time.monotonic()
        if self._stills:
            self._tracker.cut()
        tracked: list[TrackedFace] = []
        detected_s = 0.0
        if self._detector is not None and self._cadence.due():
            found = self._detector.detect(frame.image_bgr, self._detector.faint)
            tracked = self._tracker.update(found, frame.time_s)
            # Whoever is half behind somebody known, and no track of their own, is hidden too.
            self._faint = [
                face.box for face in found if not any(overlap(face, t.face) for t in tracked)
            ]
            detected_s = time.monotonic() - began
        elif self._detector is not None:
            height, width = frame.image_bgr.shape[:2]
            coasting = self._tracker.coast(frame.time_s)
            tracked = [t for t in coasting if _inside(t, height, width)]
        self._steady.forget(self._tracker.known)
        answers: list[dict[str, Prediction]] = [{} for _ in tracked]
        named: set[int] = set()
        for answerer in self._on_faces if tracked else ():
            inputs = np.stack(
                [answerer.prepare(frame.image_bgr, t.face.box, t.face.landmarks) for t in tracked]
            )
            rows = answerer.outputs(inputs)
            for t, row, answer in zip(tracked, rows, answers, strict=True):
                said = self._steady.answer(t.track, answerer, row, frame.time_s)
                answer[answerer.name] = said
                # Somebody else may have taken the place: the answer goes on for a while, but to be
                # shown this frame alone must say so too.
                if answerer.tells_strangers and _names(said, answerer.decide(row)):
                    named.add(t.track)
        whole = {
            a.name: a.decide(a.outputs(a.prepare(frame.image_bgr)[None])[0])
            for a in self._on_frames
        }
        self._cadence.took(detected_s, time.monotonic() - began - detected_s)
        faces = list(zip(tracked, answers, strict=True))
        return Seen(faces, whole, self._hidden(tracked, named, frame.time_s))

    def _hidden(
        self, faces: Sequence[TrackedFace], named: set[int], now_s: float
    ) -> list[npt.NDArray[np.float32]]:
        """Return what to hide: rather too much, such as faint faces and those lost just now."""
        if self._hide == "none":
            return []
        shown = named if self._hide == "unknown" else set()
        here = {face.track: face.face.box for face in faces}
        lately = {t.track: t.face.box for t in self._tracker.lately(now_s)}
        known = [box for track, box in (lately | here).items() if track not in shown]
        return known + self._faint


def _names(said: Prediction, now: Prediction) -> bool:
    """Return whether both are the name of one person."""
    return said.label == now.label and said.label not in ("unknown", "uncertain")


def _inside(tracked: TrackedFace, height: int, width: int) -> bool:
    """Return whether any of a face is in the picture; one that goes on may have left it."""
    x1, y1, x2, y2 = tracked.face.box
    return bool(x1 < width - 1 and y1 < height - 1 and x2 > 1 and y2 > 1)
