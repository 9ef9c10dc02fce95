"""What machine this is; standard library only."""

from __future__ import annotations

import os
import platform
import sys
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

__all__ = ["cpu_kind", "describe_machine", "peak_rss_mb"]

# The CPU features that decide how int8 is multiplied, on x86 and on ARM.
_INT8_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm")


def describe_machine() -> dict[str, Any]:
    """Return cpu, cores, flags, os, python, onnxruntime, opencv, as bench.json holds them."""
    name, flags = _cpu()
    return {
        "cpu": name,
        "cores": os.cpu_count() or 1,
        "flags": [f for f in _INT8_FLAGS if f in flags],
        "os": platform.platform(terse=True),
        "python": platform.python_version(),
        "onnxruntime": _version("onnxruntime", "onnxruntime", "onnxruntime-gpu"),
        "opencv": _version("cv2", "opencv-python", "opencv-python-headless"),
    }


def cpu_kind() -> str:
    """Return a short name of how this CPU multiplies int8: answers differ between kinds."""
    _, flags = _cpu()
    vnni = any("vnni" in f for f in flags) or "amx_int8" in flags
    dot = "asimddp" in flags or "i8mm" in flags
    feature = "vnni" if vnni else "dotprod" if dot else "plain"
    return f"{platform.machine().lower()}-{feature}"


def peak_rss_mb() -> float:
    """Return the most memory this process has held so far, in MiB."""
    if sys.platform == "win32":  # the resource module is Unix's; bench.json then holds 0
        return 0.0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if sys.platform == "darwin" else 2**10), 1)


@cache
def _cpu() -> tuple[str, frozenset[str]]:
    name, flags = platform.processor() or platform.machine(), frozenset[str]()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(errors="replace").splitlines():
            key, _, value = (part.strip() for part in line.partition(":"))
            if key in ("model name", "Model"):
                name = value
            if key in ("flags", "Features"):
                flags = frozenset(value.split())
    return name, flags


def _version(module: str, *packages: str) -> str:
    """Ask the module where it is loaded, so that a vendor's own build answers too."""
    loaded = getattr(sys.modules.get(module), "__version__", None)
    if loaded:
        return str(loaded)
    for package in packages:
        try:
            return metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return "not installed"
