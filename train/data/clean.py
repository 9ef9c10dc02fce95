"""From folders to photos worth training on, split without leaks, and the list of the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edge_runtime.apps.progress import progress
from train.data.folders import scan
from train.data.inspect import Print, inspect
from train.data.repeats import exact_repeats, near_repeats
from train.data.samples import Problem, Sample
from train.data.splits import split, split_rule
from train.errors import DataError

__all__ = ["Dataset", "read_background", "read_dataset"]

_FEWEST = 4  # of which one is to validate on
_ORDER = {"train": 0, "": 0, "val": 1, "test": 2}


@dataclass(frozen=True, slots=True)
class Dataset:
    """Photos ready to train on.

    Attributes:
        samples: Those that are used, each with its split.
        problems: Files that are left out, or kept and worth a look.
        rule: How the splits were made, in a few words.
    """

    samples: list[Sample]
    problems: list[Problem]
    rule: str = ""

    def of(self, name: str) -> list[Sample]:
        """Return the photos of one split."""
        return [s for s in self.samples if s.split == name]


def read_dataset(
    root: Path,
    classes: tuple[str, ...] | None,
    seed: int,
    aliases: Mapping[str, str] | None = None,
) -> Dataset:
    """Scan, inspect, clean and split a folder with a folder a class.

    Left out: what is no photo, damaged, tiny or blank; every further copy of the same pixels, in
    whatever split (train keeps its copy, so that nothing tested was trained on); a near copy in
    train or val of a photo of a later split; training photos that are copies, or nearly, of one
    with another label, since nobody knows which is right. Near copies within one split are
    otherwise kept and named; where the seed makes the splits they stay together. Nothing is moved
    or deleted.

    Args:
        root: See `scan`.
        classes: See `scan`.
        seed: Of the split.
        aliases: What folders are called besides the label they stand for.

    Raises:
        DataError: The folders cannot be trained on.
    """
    names = aliases or {}
    files = [replace(s, label=names.get(s.label, s.label)) for s in scan(root, classes)]
    with progress("looking at the photos", len(files)) as step:
        found, problems = inspect(files, step)
    found.sort(key=lambda pair: (_ORDER[pair[0].split], pair[0].path))
    found, repeated = _without_exact(found)
    problems += repeated
    samples, alike = _without_near(found, seed)
    problems = sorted(problems + alike, key=lambda p: (p.kind, p.path))
    dataset = Dataset(samples, problems, split_rule(files, seed))
    _check_enough(root, files, dataset)
    return dataset


def read_background(root: Path, beside: Sequence[Sample]) -> Dataset:
    """Scan and inspect a folder of further classes that only teach, all of it for training.

    Left out: what is no photo, damaged, tiny or blank, a further copy of the same pixels, and
    every photo that is, or nearly is, one of those it stands beside: it may be one to test on.

    Args:
        root: See `scan`.
        beside: The photos of the dataset.

    Raises:
        DataError: The folder cannot be trained on.
    """
    files = scan(root)
    with progress("looking at the other photos", len(files) + len(beside)) as step:
        known, _ = inspect(beside, step)
        found, problems = inspect(files, step)
    both = known + [(replace(s, split="train"), p) for s, p in found]
    prints = [p for _, p in both]
    pairs = [(g[0], i, "the same pixels") for g in exact_repeats(prints) for i in g[1:]]
    pairs += [(i, j, "nearly the same") for i, j in near_repeats(prints) if i < len(known)]
    out: dict[int, Problem] = {}
    for i, j, how in pairs:
        if j >= len(known):
            out.setdefault(j, _repeat("repeat", both[j][0], both[i][0], how))
    samples = [s for k, (s, _) in enumerate(both) if k >= len(known) and k not in out]
    return Dataset(samples, [*problems, *out.values()])


def _without_exact(
    found: list[tuple[Sample, Print]],
) -> tuple[list[tuple[Sample, Print]], list[Problem]]:
    out: set[int] = set()
    problems = []
    for group in exact_repeats([p for _, p in found]):
        first = found[group[0]][0]
        labels = sorted({found[i][0].label for i in group})
        for i in group:
            sample = found[i][0]
            if len(labels) > 1 and sample.split in ("", "train"):
                other = next(s for s in (found[k][0] for k in group) if s.label != sample.label)
                problems.append(_repeat("two labels", sample, other, "the same pixels"))
            elif i != group[0]:
                across = sample.split != first.split
                kind = "repeat across splits" if across else "repeat"
                problems.append(_repeat(kind, sample, first, "the same pixels"))
            else:
                continue
            out.add(i)
    return [pair for i, pair in enumerate(found) if i not in out], problems


def _without_near(
    found: list[tuple[Sample, Print]], seed: int
) -> tuple[list[Sample], list[Problem]]:
    samples = [s for s, _ in found]
    pairs = near_repeats([p for _, p in found])
    by_path = {s.path: s for s in split(_grouped(samples, pairs), seed)}
    samples = [by_path[s.path] for s in samples]
    out: dict[int, Problem] = {}
    kept: dict[int, Problem] = {}
    for i, j in pairs:
        a, b = samples[i], samples[j]
        kind = "two labels" if a.label != b.label else "repeat across splits"
        for k, sample, other in ((i, a, b), (j, b, a)):
            earlier = _ORDER[sample.split] < _ORDER[other.split]
            if earlier or (a.label != b.label and sample.split == "train"):
                out.setdefault(k, _repeat(kind, sample, other, "nearly the same"))
        if a.split == b.split:
            kind = "two labels" if a.label != b.label else "near repeat"
            problem = _repeat(kind, b, a, "nearly the same")
            kept.setdefault(j, replace(problem, kept=True))
    named = [p for k, p in kept.items() if k not in out]
    return [s for i, s in enumerate(samples) if i not in out], [*out.values(), *named]


def _grouped(samples: Sequence[Sample], pairs: Sequence[tuple[int, int]]) -> list[Sample]:
    """Make near copies one group, so that the seed cannot part them."""
    keys = [s.group for s in samples]
    parent = {key: key for key in keys}

    def root(key: str) -> str:
        while parent[key] != key:
            key = parent[key]
        return key

    for i, j in pairs:
        a, b = sorted((root(keys[i]), root(keys[j])))
        parent[b] = a
    return [replace(s, group=root(key)) for s, key in zip(samples, keys, strict=True)]


def _repeat(kind: str, sample: Sample, other: Sample, how: str) -> Problem:
    where = f" in {other.split}" if other.split and other.split != sample.split else ""
    label = f", labeled {other.label}" if other.label != sample.label else ""
    return Problem(
        sample.path, kind, f"{how} as {other.path}{where}{label}", sample.label, other.path
    )


def _check_enough(root: Path, files: Sequence[Sample], dataset: Dataset) -> None:
    splits = {s.split for s in files}
    if len({s.label for s in files}) < 2:
        raise DataError(
            f"{root}: the class folders all stand for {files[0].label}; two classes are needed"
        )
    for label in sorted({s.label for s in files}):
        kept = [s for s in dataset.samples if s.label == label]
        if not kept:
            first = next(p for p in dataset.problems if p.label == label and not p.kept)
            raise DataError(
                f"{root}: class {label} has no usable photo; the first of its "
                f"{sum(p.label == label for p in dataset.problems)} files, {first.path.name}: "
                f"{first.detail}"
            )
        for name, what in (("train", "to train on"), ("val", "to validate on")):
            if not any(s.split == name for s in kept):
                # Else val is drawn, and nobody is drawn out of train altogether.
                given = name == "train" or {"train", "val", "test"} <= splits
                raise DataError(
                    f"{root}: class {label} has {len(kept)} usable photo(s) and none of them "
                    f"{what}; {_remedy(name, len(kept), given)}"
                )


def _remedy(lacks: str, photos: int, given: bool) -> str:
    if given:
        return f"put good ones into its {lacks} folder"
    if photos < _FEWEST:
        return f"give it {_FEWEST} or more"
    return "those of a subfolder stay together, and near copies do: add others"
