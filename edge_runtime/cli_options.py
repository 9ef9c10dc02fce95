"""Options that several commands have, and how they speak; imports nothing heavy but typer."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import typer

from edge_runtime.errors import SourceError

__all__ = [
    "Detector", "GalleryFile", "Labels", "LiveThreshold", "Model", "Provider", "Threads",
    "Threshold", "end_rows", "number", "say", "say_once",
]  # fmt: skip


def number(value: float | None) -> float | None:
    """Refuse what is no number; ranges let it pass."""
    if value is not None and math.isnan(value):
        raise typer.BadParameter("nan is no number")
    return value


Model = Annotated[str, typer.Option(help="Model file, or the name of a shipped model.")]
Provider = Annotated[
    str, typer.Option(help="auto, cpu, cuda, tensorrt, openvino, ...; a named one must work.")
]
Threads = Annotated[int, typer.Option(min=0, help="Of one inference; 0: all cores, at most 4.")]
Labels = Annotated[
    str,
    typer.Option(
        help="Answer only with these labels, comma separated; builtin: the likest of the people a "
        "face model came with."
    ),
]
Detector = Annotated[
    str, typer.Option(help="Face detector: a shipped name, a model file, yunet or haar.")
]
GalleryFile = Annotated[Path, typer.Option(help="File of the people to recognize, .npz.")]


def _cosine_from(share: str) -> Any:
    """Return the option of a threshold, by default the one that so many strangers reach."""
    about = "Cosine from which on two faces are one person's; by default the one at which "
    return typer.Option(min=-1.0, max=1.0, callback=number, help=about + share)


Threshold = Annotated[
    float | None, _cosine_from("1% of strangers are taken for somebody, in varied photos.")
]
LiveThreshold = Annotated[
    float | None,
    _cosine_from(
        "0.1% of strangers' faces are taken for somebody, in varied photos; in one room they are "
        "more."
    ),
]


def end_rows(written: Sequence[Path | None], failed: int, pictures: int) -> None:
    """Say where rows went, and fail where some are errors.

    Raises:
        SourceError: Some are.
    """
    for path in written:
        if path:
            say(f"wrote {path}")
    if failed:
        raise SourceError(f"{failed} of {pictures} pictures failed; see the error column")


@cache
def say_once(text: str) -> None:
    """Tell the user something that is worth telling once."""
    say(text)


def say(text: str) -> None:
    """Tell the user what is no result."""
    print(text, file=sys.stderr)
