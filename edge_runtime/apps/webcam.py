"""The live loop: newest frame, faces, who they are and how they look, out to every sink."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from edge_runtime.apps.recognizer import Hide, Recognizer, Seen
from edge_runtime.faces.cadence import Cadence
from edge_runtime.faces.detector import FaceDetector
from edge_runtime.measure.latency import summarize_ms
from edge_runtime.media.overlay import draw_face, draw_lines, hide_face
from edge_runtime.media.reader import NewestFrames, every_frame
from edge_runtime.media.sinks import EventLines, Still, VideoFile, Window
from edge_runtime.media.sources import Frame, Source
from edge_runtime.model.classifier import Answerer, Prediction

__all__ = ["WebcamOutputs", "WebcamSummary", "run_webcam"]


@dataclass(slots=True)
class WebcamOutputs:
    """Where results go; None leaves one out."""

    window: Window | None = None
    record: VideoFile | None = None
    events: EventLines | None = None
    still: Still | None = None

    def close(self) -> None:
        """Close all, the later ones also when an earlier one fails."""
        with ExitStack() as stack:
            for sink in (self.still, self.window, self.events, self.record):
                if sink is not None:
                    stack.callback(sink.close)


@dataclass(slots=True)
class WebcamSummary:
    """What a run did.

    Attributes:
        frames: Looked at.
        dropped: Passed by unused while the loop was busy.
        frames_with_face: Of those looked at.
        tracks: Different faces seen.
        elapsed_s: From the first frame to the end of the last.
        ages_s: Per frame, from capture to its results being out; the last 100,000.
        problems: What the source could not read.
    """

    frames: int = 0
    dropped: int = 0
    frames_with_face: int = 0
    tracks: int = 0
    elapsed_s: float = 0.0
    ages_s: deque[float] = field(default_factory=lambda: deque(maxlen=100_000))
    problems: list[str] = field(default_factory=list)

    def describe(self) -> str:
        """Return the run in one line."""
        if not self.frames:
            return "no frame was read"
        ages = summarize_ms(list(self.ages_s))
        return (
            f"{self.frames} frames at {self.frames / max(self.elapsed_s, 1e-9):.1f}/s, "
            f"{self.dropped} dropped; a face in {self.frames_with_face}, {self.tracks} "
            f"track(s); frame age p50 {ages['p50']:.1f} ms, p95 {ages['p95']:.1f} ms"
        )


def run_webcam(
    source: Source,
    detector: FaceDetector | None,
    answerers: Sequence[Answerer],
    outputs: WebcamOutputs,
    *,
    take_every_frame: bool = False,
    max_frames: int | None = None,
    detect_every: int = 0,
    hide: Hide = "none",
) -> WebcamSummary:
    """Run until the source ends, the user stops, or `max_frames` were looked at.

    Closes the source and the outputs, also on Ctrl-C, which ends the loop like the source's end.

    Args:
        source: Where frames come from.
        detector: Finds faces; None where no model looks at faces.
        answerers: What is asked of each face, or of the whole frame.
        outputs: Where results go.
        take_every_frame: Look at each frame of a clip in turn, instead of the newest at its pace.
        max_frames: Stop after so many.
        detect_every: Look for faces in every so many-th frame; 0: in each, or as time allows.
        hide: Which faces nobody is to see, in any picture that leaves here.

    Returns:
        Counts, ages and problems.
    """
    summary = WebcamSummary()
    # A folder has no pace, so there is no newest picture in it.
    in_turn = take_every_frame or source.fps == 0
    # Between two looks a face that comes in, or turns away fast, would be seen uncovered.
    hurry = not in_turn and hide == "none"
    cadence = Cadence(1 / source.fps if hurry else 0.0, detect_every)
    recognizer = Recognizer(detector, answerers, cadence, hide, stills=source.fps == 0)
    try:
        if in_turn:
            frames: Any = every_frame(source)
            _loop(frames, source, recognizer, outputs, max_frames, summary)
        else:
            with NewestFrames(source) as frames:
                _loop(frames, source, recognizer, outputs, max_frames, summary)
            summary.dropped = frames.dropped
    finally:
        with ExitStack() as stack:
            stack.callback(source.close)
            stack.callback(outputs.close)  # runs first: what was seen matters most
    summary.problems = source.problems
    return summary


def _loop(
    frames: Any,
    source: Source,
    recognizer: Recognizer,
    outputs: WebcamOutputs,
    max_frames: int | None,
    summary: WebcamSummary,
) -> None:
    """Look at frames until there is a reason to stop."""
    started = None
    try:
        for frame in frames:
            if started is None:
                started = time.monotonic()
            seen = recognizer.look(frame)
            going_on = _write(frame, seen, source, outputs, summary)
            summary.elapsed_s = time.monotonic() - started
            if not going_on or summary.frames == max_frames:
                break
    except KeyboardInterrupt:
        pass  # how a live view is ended; everything is closed by the caller


def _write(
    frame: Frame, seen: Seen, source: Source, outputs: WebcamOutputs, summary: WebcamSummary
) -> bool:
    """Send one frame's results out; return False once the user wants to stop."""
    going_on = True
    if outputs.window or outputs.record or outputs.still:
        picture = frame.image_bgr.copy()
        for box in seen.hidden:
            hide_face(picture, box)
        for tracked, answers in seen.faces:
            lines = [str(p) for p in answers.values()]
            draw_face(picture, tracked.face.box, tracked.track, lines or ["face"])
        draw_lines(picture, [f"{name}: {p}" for name, p in seen.whole.items()])
        if outputs.record:
            outputs.record.write(picture, frame.time_s)
        if outputs.still:
            best = max((t.face.score for t, _ in seen.faces), default=0.0)
            outputs.still.offer(picture, best)
        if outputs.window:
            going_on = outputs.window.show(picture)
    age_s = time.monotonic() - frame.captured_s
    if outputs.events:
        outputs.events.write(_event(frame, seen, source.name, age_s))
    summary.frames += 1
    summary.frames_with_face += bool(seen.faces)
    summary.tracks = max([summary.tracks, *(t.track for t, _ in seen.faces)])  # ids count up
    summary.ages_s.append(age_s)
    return going_on


def _event(frame: Frame, seen: Seen, source: str, age_s: float) -> dict[str, Any]:
    return {
        "frame": frame.index,
        "time_s": round(frame.time_s, 4),
        "utc": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "source": source,
        "age_ms": round(age_s * 1000, 2),
        "faces": [
            {
                "track": tracked.track,
                "box": [round(float(v), 1) for v in tracked.face.box],
                "score": round(tracked.face.score, 4),
                "predictions": _predictions(answers),
            }
            for tracked, answers in seen.faces
        ],
        "frame_predictions": _predictions(seen.whole),
    }


def _predictions(answers: dict[str, Prediction]) -> dict[str, Any]:
    return {n: {"label": p.label, "score": round(p.score, 4)} for n, p in answers.items()}
