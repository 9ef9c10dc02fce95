"""A folder with a folder a class: which files, which label, which split they came in."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from train.data.samples import Sample
from train.errors import DataError

__all__ = ["scan"]

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

_FEWEST_GROUPS = 3


def scan(root: Path, classes: tuple[str, ...] | None = None) -> list[Sample]:
    """List the files under a folder with a folder a class, whatever their names end in.

    `root/CLASS/*` leaves the split empty, `root/SPLIT/CLASS/*` keeps it (train or training; val,
    valid, validation or public_test; test, testing or private_test). Files of a subfolder of a
    class are one group, with those of its namesakes in other classes, where there are three
    subfolders or more. Hidden files and folders are passed over.

    Args:
        root: The folder.
        classes: The classes wanted; None takes all folders.

    Returns:
        Sorted by path.

    Raises:
        DataError: No such folder, fewer than two classes, a class without files, a class in
            another split than train alone, names that differ only in case.
    """
    if not root.is_dir():
        raise DataError(f"{root}: no such folder; it should be one with a folder a class")
    tops = _folders(root)
    splits = {top: _SPLIT_FOLDERS.get(top.name.lower(), "") for top in tops}
    if tops and all(splits.values()):
        if "train" not in splits.values():
            raise DataError(f"{root}: there is no train folder beside the others")
        parts = list(splits.items())
    elif splits_beside := [top.name for top, split in splits.items() if split]:
        others = [top.name for top, split in splits.items() if not split]
        if "train" in splits.values() and len(set(splits.values()) - {""}) > 1:
            raise DataError(
                f"{root}: {' and '.join(splits_beside)} are splits, {others[0]} beside them is "
                "none; move it away, or give --data another folder"
            )
        parts = [(root, "")]
    else:
        parts = [(root, "")]
    samples: list[Sample] = []
    subfolders: list[str] = []
    empty: list[Path] = []
    for top, split in parts:
        for folder in _class_folders(top, classes, must_exist=split in ("", "train")):
            files = _files(folder)
            if not files:
                empty.append(folder)
            inside = [p.relative_to(folder) for p in files]
            alone = [f"{folder.name}/{p.as_posix()}" for p in inside]
            samples += [Sample(p, folder.name, split, g) for p, g in zip(files, alone, strict=True)]
            subfolders += [p.parts[0] if len(p.parts) > 1 else "" for p in inside]
    # One or two cannot be shared out to three splits: then they mean nothing.
    if len(set(subfolders) - {""}) >= _FEWEST_GROUPS:
        samples = [replace(s, group=f or s.group) for s, f in zip(samples, subfolders, strict=True)]
    if empty:
        raise DataError(
            f"{empty[0]}: the class folder is empty; put photos into it or remove it"
            + (f" (and {len(empty) - 1} more like it)" if len(empty) > 1 else "")
        )
    _check_classes(root, samples)
    return sorted(samples, key=lambda s: s.path)


def _folders(root: Path) -> list[Path]:
    return sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))


def _class_folders(root: Path, classes: tuple[str, ...] | None, must_exist: bool) -> list[Path]:
    folders = _folders(root)
    if classes is None:
        return folders
    missing = sorted(set(classes) - {p.name for p in folders})
    if missing and must_exist:
        raise DataError(
            f"{root}: no folder for {', '.join(missing)}; there are "
            f"{', '.join(p.name for p in folders) or 'none'}"
        )
    return [p for p in folders if p.name in classes]


def _files(folder: Path) -> list[Path]:
    return sorted(
        p
        for p in folder.rglob("*")
        if p.is_file() and not any(part.startswith(".") for part in p.relative_to(folder).parts)
    )


def _check_classes(root: Path, samples: Sequence[Sample]) -> None:
    counts = Counter(s.label for s in samples)
    spellings: dict[str, list[str]] = defaultdict(list)
    for label in sorted(counts):
        spellings[label.lower()].append(label)
    for twice in spellings.values():
        if len(twice) > 1:
            raise DataError(f"{root}: {' and '.join(twice)} differ only in case; rename one")
    if len(counts) < 2:
        raise DataError(
            f"{root}: {len(counts)} class folder(s) with photos, two are needed; "
            + (
                _one_level_too_high(root, counts)
                or "put the photos of each class into a folder named after it"
            )
        )
    if any(s.split for s in samples):
        untrained = sorted(set(counts) - {s.label for s in samples if s.split == "train"})
        if untrained:
            raise DataError(
                f"{root}: no train folder for {', '.join(untrained)}, which other splits have"
            )


def _one_level_too_high(root: Path, labels: Iterable[str]) -> str:
    """Return what to do where the only class folder holds the class folders."""
    for label in labels:
        inside = _folders(root / label) if (root / label).is_dir() else []
        if len(inside) > 1:
            return f"{root / label} holds {len(inside)} folders: were those meant?"
    return ""
