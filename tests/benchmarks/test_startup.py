"""The benchmark whose figures do not depend on data anybody must have."""

from __future__ import annotations

import pytest

from benchmarks.startup import measure_startup


@pytest.mark.slow
def test_startup_benchmark_reports_ratio_and_loads_nothing_heavy() -> None:
    figures = measure_startup(3)
    assert figures["heavy_modules_loaded"] == []
    assert figures["median_ms"]["edge_run_help"] > 0
    assert figures["ratio_median"] > 0
