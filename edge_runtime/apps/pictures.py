"""Which picture files a list of paths means."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from edge_runtime.errors import SourceError
from edge_runtime.media.image import IMAGE_SUFFIXES

__all__ = ["list_pictures"]


def list_pictures(paths: Iterable[Path]) -> list[Path]:
    """Return the picture files below folders, and all files named directly, in order.

    Linked folders are followed, each real folder once.

    Raises:
        SourceError: A path is neither file nor folder, a folder cannot be listed, or there is
            no picture at all.
    """
    found: list[Path] = []
    visited: set[str] = set()
    for path in paths:
        if path.is_dir():
            found += _walk(path, visited)
        elif path.is_file():
            found.append(path)
        else:
            raise SourceError(f"{path}: no such file or folder")
    if not found:
        raise SourceError(f"no pictures found; looked for {', '.join(sorted(IMAGE_SUFFIXES))}")
    return found


def _walk(root: Path, visited: set[str]) -> Iterator[Path]:
    for folder, subfolders, files in os.walk(root, onerror=_refuse, followlinks=True):
        real = os.path.realpath(folder)
        if real in visited:
            subfolders.clear()
            continue
        visited.add(real)
        subfolders.sort()
        for name in sorted(files):
            if Path(name).suffix.lower() in IMAGE_SUFFIXES:
                yield Path(folder) / name


def _refuse(error: OSError) -> None:
    raise SourceError(f"{error.filename}: cannot be listed ({error.strerror})")
