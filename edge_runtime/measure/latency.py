"""Percentiles of durations; NumPy only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["summarize_ms"]


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
