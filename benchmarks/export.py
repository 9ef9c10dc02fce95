"""The exporter's figures: against other engines, and against quantizing unasked."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.engines import measure_engines
from benchmarks.naive import measure_networks
from edge_runtime.measure.machine import describe_machine

__all__ = ["measure_export"]


def measure_export(engines: Mapping[str, Path], networks: Sequence[Path]) -> dict[str, Any]:
    """Measure both.

    Args:
        engines: Model file or shipped name, and the run folder it came from.
        networks: Finished run folders of classifiers.
    """
    words = [f"--engines {Path(model).name}=RUN" for model in engines]
    words += ["--network RUN"] * len(networks)
    return {
        "schema": 1,
        "command": f"python -m benchmarks export {' '.join(words)}",
        "machine": describe_machine(),
        "networks": measure_networks(networks, lambda line: print(line, file=sys.stderr)),
        "engines": measure_engines(engines),
    }
