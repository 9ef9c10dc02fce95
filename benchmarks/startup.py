"""How long `edge-run --help` takes, against the least a typer program can take."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from typing import Any

from edge_runtime.measure.machine import describe_machine

__all__ = ["measure_startup"]

_COMMANDS = {
    "edge_run_help": [sys.executable, "-m", "edge_runtime", "--help"],
    "import_typer": [sys.executable, "-c", "import typer"],
}
_HEAVY = ("cv2", "onnxruntime", "tensorflow", "keras", "rich", "numpy")


def measure_startup(repeats: int) -> dict[str, Any]:
    """Run both commands in turn and compare medians.

    Returns:
        Medians in ms, the median of the ratios pair by pair, and which heavy modules importing
        the command line loads.
    """
    took: dict[str, list[float]] = {name: [] for name in _COMMANDS}
    for _ in range(repeats + 1):
        for name, command in _COMMANDS.items():
            before = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            took[name].append(time.perf_counter() - before)
    pairs = zip(*(times[1:] for times in took.values()), strict=True)  # the first run warms up
    code = (
        "import sys, json, edge_runtime.cli; "
        f"print(json.dumps([m for m in {_HEAVY!r} if m in sys.modules]))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    return {
        "schema": 1,
        "command": "python -m benchmarks startup",
        "machine": describe_machine(),
        "repeats": repeats,
        "median_ms": {
            name: round(statistics.median(times[1:]) * 1000, 1) for name, times in took.items()
        },
        "ratio_median": round(statistics.median(a / b for a, b in pairs), 3),
        "heavy_modules_loaded": json.loads(loaded.stdout),
    }
