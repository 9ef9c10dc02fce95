"""Photos to calibrate and judge on: a folder of photos, or of folders named like labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from edge_runtime.apps.pictures import list_pictures
from edge_runtime.apps.progress import progress
from edge_runtime.errors import ImageError, OptionError, SourceError
from edge_runtime.media.image import read_image
from export.run_folder import Sample

__all__ = ["photos_in", "readable"]


def photos_in(
    folder: Path, option: str, labels: Sequence[str], say: Callable[[str], None]
) -> list[Sample]:
    """Return the photos in a folder, each with the label of its folder.

    Args:
        folder: With a folder a label, or with photos in no order, which have the label "".
        option: That named it; for messages.
        labels: Of the model.
        say: Told how many photos lie beside the folders, and are left out.

    Raises:
        OptionError: There is no such folder, no photo in it, or its folders are other classes.
    """
    if not folder.is_dir():
        raise OptionError(f"{option} {folder}: no such folder")
    try:
        found = list_pictures([folder])
    except SourceError as error:
        raise OptionError(f"{option} {folder}: {error}") from None
    samples = []
    for path in found:
        parts = path.relative_to(folder).parts
        if not any(part.startswith(".") for part in parts):  # thumbnails and the like
            samples.append(Sample(path, parts[0] if len(parts) > 1 else ""))
    inside = [sample for sample in samples if sample.label]
    if inside and len(inside) < len(samples):
        say(f"{option}: left out {len(samples) - len(inside)} photos that lie beside the folders")
        samples = inside
    other = sorted({s.label for s in samples} - {"", *labels})
    if other:
        raise OptionError(
            f"{option} {folder}: has folders that are no labels of the model "
            f"({', '.join(other[:5])}); it wants folders named {', '.join(labels[:5])}"
            f"{', ...' if len(labels) > 5 else ''}, or photos without folders"
        )
    return samples


def readable(samples: Sequence[Sample], option: str, say: Callable[[str], None]) -> list[Sample]:
    """Return the photos that can be read, and say how many cannot.

    Raises:
        OptionError: None can.
    """
    kept, broken = [], []
    with progress(f"reading {option}", len(samples)) as step:
        for sample in samples:
            try:
                read_image(sample.path)
                kept.append(sample)
            except ImageError as error:
                broken.append(str(error))
            step()
    if broken:
        say(f"{option}: left out {len(broken)} of {len(samples)} photos; the first: {broken[0]}")
    if not kept:
        raise OptionError(f"{option}: none of its {len(samples)} photos can be read")
    return kept
