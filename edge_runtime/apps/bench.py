"""How fast a model runs on this machine: preprocessing and inference, single stream."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edge_runtime.measure.latency import summarize_ms
from edge_runtime.measure.machine import describe_machine, peak_rss_mb
from edge_runtime.model.golden import golden_picture
from edge_runtime.model.onnx_file import load_model_file
from edge_runtime.model.preprocess import Image, preprocess
from edge_runtime.model.session import Session, SessionOptions

__all__ = ["bench_model", "describe_bench"]

_FRAME_WH = (640, 480)  # what preprocessing is timed on: the usual webcam frame
_WARM_UP = 20


def describe_bench(path: Path, runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return bench.json: machine, model and runs."""
    model = load_model_file(path)
    return {
        "schema": 1,
        "machine": describe_machine(),
        "model": {
            "name": model.card.name,
            "sha256": model.card.sha256,
            "precision": model.card.precision,
            "bytes": len(model.data),
        },
        "runs": list(runs),
    }


def bench_model(
    path: Path,
    *,
    provider: str,
    threads: Sequence[int],
    batches: Sequence[int],
    duration_s: float,
) -> Iterator[dict[str, Any]]:
    """Time a model, one combination of threads and batch after the other.

    One query at a time (MLPerf's single-stream scenario): a 640x480 frame is preprocessed for
    each item of the batch, then the batch is run.

    Args:
        path: The model file.
        provider: As `SessionOptions.provider`.
        threads: Of one inference; 0 is the default.
        batches: Items of one inference.
        duration_s: Of each combination.

    Yields:
        One run of bench.json each: durations in ms, throughput in items per second.
    """
    for count in threads:
        session = Session(load_model_file(path), SessionOptions(provider, count))
        for batch in batches:
            yield _single_stream(session, batch, duration_s)


def _single_stream(session: Session, batch: int, duration_s: float) -> dict[str, Any]:
    frame = _frame(session)
    spec = session.card.input
    box = np.array([240, 160, 400, 320], np.float32)
    prepare_s: list[float] = []
    inference_s: list[float] = []
    started = time.perf_counter()
    warm_up = _WARM_UP
    while True:
        before = time.perf_counter()
        inputs = np.stack([preprocess(frame, spec, box) for _ in range(batch)])
        prepared = time.perf_counter()
        session.run(inputs)
        after = time.perf_counter()
        if warm_up:
            warm_up -= 1
            if not warm_up:
                started = time.perf_counter()
            continue
        prepare_s.append(prepared - before)
        inference_s.append(after - prepared)
        if after - started >= duration_s and len(inference_s) >= 10:
            break
    total_s = [a + b for a, b in zip(prepare_s, inference_s, strict=True)]
    return {
        "scenario": "single-stream",
        "provider_asked": session.provider_asked,
        "provider_used": session.provider_used,
        "threads": session.threads,
        "batch": batch,
        "n": len(total_s),
        "preprocess_ms": summarize_ms(prepare_s),
        "inference_ms": summarize_ms(inference_s),
        "total_ms": summarize_ms(total_s),
        "throughput_per_s": round(batch * len(total_s) / sum(total_s), 2),
        "peak_rss_mb": peak_rss_mb(),
    }


def _frame(session: Session) -> Image:
    """Return a 640x480 BGR frame: the golden sample enlarged, real content for the network."""
    if session.card.golden is None:
        return np.full((_FRAME_WH[1], _FRAME_WH[0], 3), 128, np.uint8)
    picture = golden_picture(session.card.golden, session)
    return np.asarray(cv2.resize(picture[..., ::-1], _FRAME_WH), np.uint8)
