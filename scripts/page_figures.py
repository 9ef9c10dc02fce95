"""What pages say of a result in benchmarks/results/, in one way."""

from __future__ import annotations

from typing import Any

__all__ = ["main_figures", "unless_int8"]


def main_figures(result: dict[str, Any]) -> dict[str, Any]:
    """Return the figures on test of the file itself, in whatever precision."""
    figures: dict[str, Any] = result["test"][result["model"]["precision"]]
    return figures


def unless_int8(result: dict[str, Any]) -> str:
    """Return what is said of a file that is not int8."""
    precision = result["model"]["precision"]
    return "" if precision == "int8" else f" ({precision}, the smallest that passed)"
