"""Labelled photos from folders: which files, which label, which split."""

from __future__ import annotations

import hashlib
import random
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edge_runtime.errors import ImageError
from edge_runtime.media.image import IMAGE_SUFFIXES, read_image
from train.errors import DataError

__all__ = ["Cleaned", "Sample", "clean", "scan"]

_SPLIT_FOLDERS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "public_test": "val",
    "test": "test",
    "testing": "test",
    "private_test": "test",
}
_SHARES = {"train": 0.7, "val": 0.15, "test": 0.15}
_BLANK_STD = 2.0  # gray levels; FER2013's blank frames are 0, its flattest faces above 6
_MIN_SIDE_PX = 8


@dataclass(frozen=True, slots=True)
class Sample:
    """One photo: where it is, what it shows, what it is used for."""

    path: Path
    label: str
    split: str


@dataclass(frozen=True, slots=True)
class Cleaned:
    """The samples worth training on, and why the others were left out.

    Attributes:
        samples: What is kept.
        left_out: (path, reason) of each file that is not.
    """

    samples: list[Sample]
    left_out: list[tuple[Path, str]]


def scan(root: Path, classes: tuple[str, ...] | None, seed: int) -> list[Sample]:
    """List the photos under a folder with a folder a class.

    `root/CLASS/*.jpg` is split 70 / 15 / 15 by seed; `root/SPLIT/CLASS/*.jpg` keeps its splits
    (train or training; val, valid, validation or public_test; test, testing or private_test).
    Where one of val and test is missing there, the other stays `test` and a seeded sixth of
    train becomes `val`.

    Args:
        root: The folder.
        classes: The classes wanted, in output order; None takes all folders in sorted order.
        seed: Of the split.

    Raises:
        DataError: No such folder, fewer than two classes, a class without photos.
    """
    if not root.is_dir():
        raise DataError(f"{root}: no such folder; --data wants a folder with a folder a class")
    tops = sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
    splits = {p: _SPLIT_FOLDERS.get(p.name.lower()) for p in tops}
    if tops and all(splits.values()):
        found = [
            Sample(path, folder.name, str(split))
            for top, split in splits.items()
            for folder in _class_folders(top, classes)
            for path in _photos(folder)
        ]
        samples = _complete_splits(found, seed)
    else:
        found = [
            Sample(path, folder.name, "")
            for folder in _class_folders(root, classes)
            for path in _photos(folder)
        ]
        samples = _split(found, _SHARES, seed)
    _check_classes(root, samples, classes)
    return samples


def clean(samples: Iterable[Sample]) -> Cleaned:
    """Leave out what cannot be learned from: unreadable, tiny, blank and repeated photos.

    A photo that appears again (the same pixels) is kept once, in train before val before test,
    so that no test photo was trained on. Decodes every file once.
    """
    samples = list(samples)
    order = {"train": 0, "val": 1, "test": 2}
    kept: list[Sample] = []
    left_out: list[tuple[Path, str]] = []
    seen: dict[bytes, Sample] = {}
    for sample in sorted(samples, key=lambda s: (order[s.split], s.path)):
        try:
            image = read_image(sample.path).image_bgr
        except ImageError as error:
            left_out.append((sample.path, str(error)))
            continue
        if min(image.shape[:2]) < _MIN_SIDE_PX:
            left_out.append((sample.path, f"tiny: {image.shape[1]}x{image.shape[0]} pixels"))
            continue
        if float(np.std(image)) < _BLANK_STD:
            left_out.append((sample.path, "blank"))
            continue
        key = hashlib.blake2b(image.tobytes(), digest_size=16).digest()
        first = seen.setdefault(key, sample)
        if first is not sample:
            other = "" if first.label == sample.label else f", labelled {first.label} there"
            left_out.append((sample.path, f"same pixels as {first.path}{other}"))
            continue
        kept.append(sample)
    for label in sorted({s.label for s in samples}):
        if not any(s.label == label and s.split == "train" for s in kept):
            raise DataError(f"class {label}: no usable photo left to train on")
    return Cleaned(kept, left_out)


def _class_folders(root: Path, classes: tuple[str, ...] | None) -> list[Path]:
    folders = sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
    if classes is None:
        return folders
    missing = sorted(set(classes) - {p.name for p in folders})
    if missing:
        raise DataError(f"{root}: no folder for {', '.join(missing)}")
    return [root / name for name in classes]


def _photos(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES)


def _split(samples: list[Sample], shares: dict[str, float], seed: int) -> list[Sample]:
    """Split class by class, seeded; each class keeps at least one photo in the first split."""
    by_label: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        by_label[sample.label].append(sample)
    out: list[Sample] = []
    for label in sorted(by_label):
        group = sorted(by_label[label], key=lambda s: s.path)
        random.Random(f"{seed}/{label}").shuffle(group)
        start = 0
        names = list(shares)
        counts = [round(len(group) * shares[name]) for name in names[1:]]
        counts.insert(0, len(group) - sum(counts))
        for name, count in zip(names, counts, strict=True):
            out += [replace(s, split=name) for s in group[start : start + count]]
            start += count
    return out


def _complete_splits(samples: list[Sample], seed: int) -> list[Sample]:
    present = {s.split for s in samples}
    if "train" not in present:
        raise DataError("there is no train folder beside the others")
    if present == {"train", "val", "test"}:
        return samples
    if present == {"train"}:
        return _split(samples, _SHARES, seed)
    rest = [replace(s, split="test") for s in samples if s.split != "train"]
    return (
        _split([s for s in samples if s.split == "train"], {"train": 5 / 6, "val": 1 / 6}, seed)
        + rest
    )


def _check_classes(root: Path, samples: list[Sample], classes: tuple[str, ...] | None) -> None:
    counts = Counter(s.label for s in samples)
    lowered = Counter(label.lower() for label in counts)
    twice = sorted(label for label in counts if lowered[label.lower()] > 1)
    if twice:
        raise DataError(f"{root}: {' and '.join(twice)} differ only in case; rename one")
    for label in classes or ():
        if not counts[label]:
            raise DataError(f"{root}: the folder of class {label} holds no photo")
    if len(counts) < 2:
        raise DataError(
            f"{root}: {len(counts)} class folder(s) with photos, two are needed; "
            "put the photos of each class into a folder named after it"
        )
