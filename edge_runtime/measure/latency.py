"""Calls timed in turns, and percentiles of durations; NumPy only."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np

__all__ = ["in_turns", "summarize_ms"]


def summarize_ms(durations_s: Sequence[float]) -> dict[str, float]:
    """Return p50, p90, p95, p99, mean, min and max in milliseconds, rounded to the microsecond.

    Args:
        durations_s: In seconds, any order. Percentiles interpolate linearly between samples.

    Raises:
        ValueError: There is none.
    """
    if not len(durations_s):
        raise ValueError("no durations to summarize")
    ms = np.asarray(durations_s, np.float64) * 1000
    p50, p90, p95, p99 = np.percentile(ms, [50, 90, 95, 99])
    figures = {
        "p50": p50, "p90": p90, "p95": p95, "p99": p99,
        "mean": ms.mean(), "min": ms.min(), "max": ms.max(),
    }  # fmt: skip
    return {name: round(float(value), 3) for name, value in figures.items()}


def in_turns(
    calls: Mapping[str, Callable[[], object]], turns: int, turn_s: float
) -> dict[str, list[list[float]]]:
    """Time calls side by side, so that what else the machine does falls on all alike.

    Args:
        calls: Names of what is timed.
        turns: How often each has its turn; every other time in reverse order.
        turn_s: Seconds of a turn, in which a call is made at least once.

    Returns:
        For each name and turn the seconds of each call. A turn before them is not counted.
    """
    for call in calls.values():
        _turn(call, turn_s)
    taken: dict[str, list[list[float]]] = {name: [] for name in calls}
    for turn in range(turns):
        for name in list(calls)[:: 1 if turn % 2 else -1]:
            taken[name].append(_turn(calls[name], turn_s))
    return taken


def _turn(call: Callable[[], object], turn_s: float) -> list[float]:
    taken: list[float] = []
    end = time.perf_counter() + turn_s
    before = time.perf_counter()
    while before < end or not taken:
        call()
        after = time.perf_counter()
        taken.append(after - before)
        before = after
    return taken
