"""Faces in clips of one person: found in which share of the frames, as how many tracks."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edge_runtime.apps.webcam import WebcamOutputs, run_webcam
from edge_runtime.faces.detector import FaceDetector
from edge_runtime.media.sinks import EventLines
from edge_runtime.media.sources import open_source

__all__ = ["follow_faces"]


def follow_faces(detectors: Mapping[str, FaceDetector], clips: Sequence[Path]) -> dict[str, Any]:
    """Run the live loop over each frame of clips.

    Returns:
        For each detector frames, those with a face, their share, and the tracks of each clip.
    """
    report: dict[str, Any] = {}
    for name, detector in detectors.items():
        tracks = {clip.stem: _tracks(clip, detector) for clip in clips}
        frames = sum(n for n, _, _ in tracks.values())
        found = sum(n for _, n, _ in tracks.values())
        report[name] = {
            "frames": frames,
            "with_face": found,
            "share": round(found / frames, 4),
            "tracks": {clip: n for clip, (_, _, n) in tracks.items()},
        }
    return report


def _tracks(clip: Path, detector: FaceDetector) -> tuple[int, int, int]:
    """Return frames, frames with a face, and tracks."""
    with tempfile.TemporaryDirectory() as folder:
        events = Path(folder) / "events.jsonl"
        outputs = WebcamOutputs(events=EventLines(events))
        run_webcam(open_source(str(clip)), detector, [], outputs, take_every_frame=True)
        rows = [json.loads(line)["faces"] for line in events.read_text("utf-8").splitlines()]
    ids = {face["track"] for faces in rows for face in faces}
    return len(rows), sum(bool(faces) for faces in rows), len(ids)
