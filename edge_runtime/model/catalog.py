"""Finding a model by what the user typed: a path, or the name of a shipped one."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from edge_runtime.errors import ModelError
from edge_runtime.model.downloads import KNOWN, cached, fetch, from_address

__all__ = ["find_model", "shipped_folder", "shipped_models"]


def find_model(text: str) -> Path:
    """Return the path of a model file.

    Args:
        text: A path if it exists, else an address with a hash, which is fetched once, else a
            shipped model's name with or without `.onnx`, else the name of one that was fetched.

    Raises:
        ModelError: There is none.
    """
    path = Path(text)
    if path.is_file():
        return path
    if text.startswith(("http://", "https://")):
        return fetch(from_address(text), lambda done, total: None)
    shipped = shipped_models()
    name = text.removesuffix(".onnx")
    if name in shipped:
        return shipped[name]
    if name in KNOWN:
        there = cached(KNOWN[name])
        if there is None:
            raise ModelError(f"{text}: is not here yet; fetch it with edge-run models get {name}")
        return there
    if path.is_dir():
        raise ModelError(f"{text}: is a folder, not a model file")
    raise ModelError(
        f"{text}: no such file, and no shipped model of that name (there are: "
        f"{', '.join(shipped) or 'none'})"
    )


def shipped_models() -> dict[str, Path]:
    """Return the models inside the package, by name, sorted."""
    return {p.stem: p for p in sorted(shipped_folder().glob("*.onnx"))}


def shipped_folder() -> Path:
    """Return the package's folder of models and the demo clip."""
    return Path(str(resources.files("edge_runtime") / "shipped"))
