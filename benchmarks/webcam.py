"""The live loop end to end: decode, detect, track, classify, draw, write."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path
from typing import Any

from edge_runtime.apps.opening import open_detector
from edge_runtime.apps.webcam import WebcamOutputs, WebcamSummary, run_webcam
from edge_runtime.measure.latency import summarize_ms
from edge_runtime.measure.machine import describe_machine, peak_rss_mb
from edge_runtime.media.sinks import EventLines, VideoFile
from edge_runtime.media.sources import open_source
from edge_runtime.model.catalog import find_model
from edge_runtime.model.classifier import Classifier
from edge_runtime.model.onnx_file import load_model_file
from edge_runtime.model.session import SessionOptions, open_session

__all__ = ["measure_webcam"]


def measure_webcam(clip: str, model: str, repeats: int) -> dict[str, Any]:
    """Run the loop three ways in turn, `repeats` times.

    `every_frame` takes all frames as fast as it can and writes events; `every_frame_recorded`
    also draws and encodes an mp4; `at_source_pace` plays the clip at its frame rate and keeps
    the newest frame, as a camera does.

    Returns:
        Median frames per second of the first two, age and drops of the third, and the machine.
    """
    ways: dict[str, list[WebcamSummary]] = {
        "every_frame": [],
        "every_frame_recorded": [],
        "at_source_pace": [],
    }
    options = SessionOptions(spinning=False)
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(repeats):
            for way, summaries in ways.items():
                source = open_source(clip)
                summaries.append(
                    run_webcam(
                        source,
                        open_detector("detector", options, thorough=False),
                        [Classifier(open_session(find_model(model), options))],
                        WebcamOutputs(
                            events=EventLines(Path(folder) / "events.jsonl"),
                            record=VideoFile(Path(folder) / "video.mp4", source.fps)
                            if way == "every_frame_recorded"
                            else None,
                        ),
                        take_every_frame=way != "at_source_pace",
                    )
                )
    return {
        "schema": 1,
        "command": f"python -m benchmarks webcam --clip {Path(clip).name} --model {model}",
        "machine": describe_machine(),
        "models": {
            name: load_model_file(find_model(name)).card.sha256 for name in ("detector", model)
        },
        "repeats": repeats,
        "frames_per_run": ways["every_frame"][0].frames,
        "peak_rss_mb": peak_rss_mb(),
        "every_frame_per_s": _rate(ways["every_frame"]),
        "every_frame_recorded_per_s": _rate(ways["every_frame_recorded"]),
        "at_source_pace": _pace(ways["at_source_pace"]),
    }


def _rate(summaries: list[WebcamSummary]) -> dict[str, float]:
    rates = [s.frames / s.elapsed_s for s in summaries]
    return {
        "median": round(statistics.median(rates), 1),
        "min": round(min(rates), 1),
        "max": round(max(rates), 1),
    }


def _pace(summaries: list[WebcamSummary]) -> dict[str, Any]:
    return {
        "frames": sum(s.frames for s in summaries),
        "dropped": sum(s.dropped for s in summaries),
        "age_ms": summarize_ms([age for s in summaries for age in s.ages_s]),
    }
