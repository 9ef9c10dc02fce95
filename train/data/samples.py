"""Labelled photos, and why some are not used."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from train.errors import DataError

__all__ = ["Problem", "Sample", "file_content", "truth_of"]


@dataclass(frozen=True, slots=True)
class Sample:
    """One photo.

    Attributes:
        path: Where it is.
        label: What it shows: its class folder.
        split: train, val or test; empty until it is decided.
        group: Photos of one group stay in one split: those of a subfolder of the class folder
            (one person, one burst), whatever the class. A photo by itself is its own group.
        content: Hash of its pixels, see `train.data.inspect.Print`, or of its file where nobody
            looked into it; empty before.
    """

    path: Path
    label: str
    split: str = ""
    group: str = ""
    content: str = ""


@dataclass(frozen=True, slots=True)
class Problem:
    """A file that is not trained on, or that deserves a look.

    Attributes:
        path: The file.
        kind: What is wrong, in a word or two; the report groups by it.
        detail: The same for people, with what to compare it to.
        label: Its class folder.
        other: The photo it repeats.
        kept: It is used all the same.
    """

    path: Path
    kind: str
    detail: str
    label: str
    other: Path | None = None
    kept: bool = False


def file_content(path: Path) -> str:
    """Return the hash of a file's bytes, hexadecimal.

    Raises:
        DataError: It cannot be read.
    """
    try:
        return hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None


def truth_of(samples: Sequence[Sample], labels: tuple[str, ...]) -> npt.NDArray[np.int64]:
    """Return the index of each sample's label, int64 (N,)."""
    return np.array([labels.index(s.label) for s in samples], np.int64)
