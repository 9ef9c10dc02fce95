"""What is installed, what conflicts, what works: the page to send with a question."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path

from edge_runtime import __version__
from edge_runtime.errors import EdgeError, InstallError
from edge_runtime.libraries import need_libraries
from edge_runtime.measure.machine import cpu_kind, describe_machine
from edge_runtime.model.catalog import shipped_folder, shipped_models

__all__ = ["Finding", "examine"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's page.

    Attributes:
        subject: What was looked at.
        state: What was found, and what to do where it is not good.
        good: False where something must be mended.
    """

    subject: str
    state: str
    good: bool = True


# Distributions that install a module of that name.
_FLAVORS = {
    "cv2": re.compile(r"opencv(-contrib)?-python(-headless)?(-rolling)?"),
    "onnxruntime": re.compile(
        r"onnxruntime(-gpu|-directml|-openvino|-training|-qnn|-rocm|-migraphx|-vitisai|-silicon)?"
    ),
}


def examine() -> Iterator[Finding]:
    """Look at the machine, the libraries, the shipped models and the cameras."""
    machine = describe_machine()
    yield Finding("edge-run", f"{__version__}, Python {machine['python']}, {machine['os']}")
    cores = f"{machine['cores']} cores"
    yield Finding("cpu", f"{machine['cpu']}, {cores}, int8 arithmetic {cpu_kind()}")
    yield _one_of("onnxruntime", "onnxruntime", "onnxruntime-gpu")
    yield _one_of("cv2", "opencv-python", "opencv-python-headless")
    try:
        need_libraries()
    except InstallError as error:
        yield Finding("libraries", str(error), False)
    else:
        yield _providers()
        yield from _models()
    yield _cameras()


def _one_of(module: str, *packages: str) -> Finding:
    """Exactly one distribution may provide a module; two overwrite each other's files."""
    installed: dict[str, str] = {}
    for d in metadata.distributions():
        if d.name and _FLAVORS[module].fullmatch(name := d.name.lower().replace("_", "-")):
            installed.setdefault(name, f"{d.name} {d.version}")  # the first is the one imported
    found = sorted(installed.values())
    if len(found) > 1:
        names = " and ".join(found)
        return Finding(module, f"{names} overwrite each other; uninstall all, install one", False)
    if found:
        return Finding(module, found[0])
    if util.find_spec(module):
        return Finding(module, "built by the vendor")
    ways = " or ".join(f"pip install {package}" for package in packages)
    return Finding(module, f"not installed; {ways}", False)


def _providers() -> Finding:
    import onnxruntime

    names = [n.removesuffix("ExecutionProvider") for n in onnxruntime.get_available_providers()]
    telemetry = "off" if os.environ.get("ORT_DISABLE_TELEMETRY") == "1" else "ON"
    return Finding("providers", f"{', '.join(names)} (listed); onnxruntime's telemetry {telemetry}")


def _models() -> Iterator[Finding]:
    from edge_runtime.model.golden import check_golden
    from edge_runtime.model.session import SessionOptions, open_session

    for name, path in shipped_models().items():
        try:
            result = check_golden(open_session(path, SessionOptions("cpu", 1)))
        except EdgeError as error:
            yield Finding(f"model {name}", str(error), False)
            continue
        state = f"golden sample differs by {result.difference:.4f}, allowed {result.tolerance}"
        yield Finding(f"model {name}", state, result.passed)
    if not (shipped_folder() / "demo.mp4").is_file():
        yield Finding("demo clip", "missing from the package; install it again", False)


def _cameras() -> Finding:
    if sys.platform != "linux":
        return Finding("cameras", "not looked for on this system; try --source 0")
    found = sorted(str(p) for p in Path("/dev").glob("video*"))
    locked = [p for p in found if not os.access(p, os.R_OK | os.W_OK)]
    if locked:
        state = f"{', '.join(locked)} may not be opened; add yourself to the group video"
        return Finding("cameras", state, False)
    return Finding("cameras", ", ".join(found) or "none found (clips and folders still work)")
