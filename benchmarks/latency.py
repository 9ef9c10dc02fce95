"""Latency of files side by side: in turn, so that what else the machine does falls on all alike."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from edge_runtime.errors import OptionError
from edge_runtime.measure.latency import in_turns, summarize_ms
from edge_runtime.model.golden import golden_picture
from edge_runtime.model.session import Session, SessionOptions, open_session

__all__ = ["measure_latency", "side_by_side", "spread", "was_busy"]

_TURNS = 100
_TURN_S = 0.05
_BUSY = 2.0  # p95 over p50; on an idle machine it is below 1.5


def measure_latency(files: Mapping[str, Path], turns: int = _TURNS) -> dict[str, Any]:
    """Time one picture, the golden sample, on one CPU thread, without decoding.

    Args:
        files: Names of model files, each with a golden sample.
        turns: How often each file has its turn of 0.05 s; every other time in reverse order.

    Returns:
        `latency_ms`, percentiles of each, and `ratio` to the last: `median` over the turns of one
        median through the other, with `p5` and `p95`.

    Raises:
        OptionError: A file has no golden sample.
    """
    sessions = {n: open_session(path, SessionOptions("cpu", 1)) for n, path in files.items()}
    pictures = {name: _picture(session, files[name]) for name, session in sessions.items()}
    return side_by_side(
        {name: partial(session.run, pictures[name]) for name, session in sessions.items()}, turns
    )


def side_by_side(calls: Mapping[str, Callable[[], object]], turns: int = _TURNS) -> dict[str, Any]:
    """Time calls in turns of 0.05 s.

    Args:
        calls: Names of what is timed; the others are put in relation to the last.
        turns: See `measure_latency`.

    Returns:
        As `measure_latency`.
    """
    taken = in_turns(calls, turns, _TURN_S)
    medians = {name: [statistics.median(one) for one in those] for name, those in taken.items()}
    *others, last = calls
    return {
        "latency_ms": {
            n: summarize_ms([s for one in those for s in one]) for n, those in taken.items()
        },
        "ratio": {
            f"{name} / {last}": spread(np.divide(medians[name], medians[last])) for name in others
        },
    }


def was_busy(latency_ms: Mapping[str, Mapping[str, float]]) -> bool:
    """Whether so many calls took so long that something else must have been running."""
    return any(figures["p95"] > _BUSY * figures["p50"] for figures in latency_ms.values())


def _picture(session: Session, path: Path) -> Any:
    if session.card.golden is None:
        raise OptionError(f"{path}: has no golden sample to time it on; export it again")
    return golden_picture(session.card.golden, session)[None]


def spread(values: Any) -> dict[str, float]:
    """Return the median of ratios, and their 5th and 95th percentile."""
    p5, median, p95 = (round(float(p), 3) for p in np.percentile(values, [5, 50, 95]))
    return {"median": median, "p5": p5, "p95": p95}
