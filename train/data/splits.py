"""Which photo trains, which chooses, which is asked once at the end."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace

from train.data.samples import Sample

__all__ = ["split", "split_rule"]

_VAL_SHARE, _TEST_SHARE = 0.15, 0.15
_VAL_OF_TRAIN = 1 / 6
# More photos a class than this choose no better, and are better trained on.
_MOST_VAL = 250


def split(samples: Sequence[Sample], seed: int) -> list[Sample]:
    """Give every sample without a split one, class by class, seeded.

    Without any split: 70 / 15 / 15. Where the folders have a train but not both others, a sixth
    of train (at most 250 photos a class) becomes val, and what came as val is the test: it was
    kept apart for that. Photos of one group stay together, whatever their class.

    Args:
        samples: Photos with a split, or without one, all alike.
        seed: Of the choice; the same photos and seed give the same splits.
    """
    present = {s.split for s in samples}
    if {"train", "val", "test"} <= present:
        return list(samples)
    if present <= {"", "train"}:
        return _choose(samples, {"val": _VAL_SHARE, "test": _TEST_SHARE}, seed)
    rest = [replace(s, split="test") for s in samples if s.split != "train"]
    trained = [s for s in samples if s.split == "train"]
    return _choose(trained, {"val": _VAL_OF_TRAIN}, seed) + rest


def split_rule(samples: Sequence[Sample], seed: int) -> str:
    """Say in a few words how `split` parts these photos."""
    present = {s.split for s in samples}
    if {"train", "val", "test"} <= present:
        return "as the folders are"
    if present <= {"", "train"}:
        return f"70 / 15 / 15 by seed {seed}"
    return (
        f"val is a sixth of the train folder, of a class at most {_MOST_VAL}, by seed {seed}; the "
        "other folder is the test"
    )


def _choose(samples: Sequence[Sample], shares: dict[str, float], seed: int) -> list[Sample]:
    """Fill val and test up to their share of each class; the rest trains."""
    groups: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        groups[sample.group].append(sample)
    sizes = Counter(s.label for s in samples)
    wanted = {
        (name, label): _wanted(name, n, share)
        for name, share in shares.items()
        for label, n in sizes.items()
    }
    names = sorted(groups)
    random.Random(seed).shuffle(names)
    out: list[Sample] = []
    for name in names:
        counts = Counter(s.label for s in groups[name])
        place = next((to for to in shares if _fits(counts, wanted, to)), "train")
        for label, count in counts.items():
            if place != "train":
                wanted[place, label] -= count
        out += [replace(s, split=place) for s in groups[name]]
    return sorted(out, key=lambda s: s.path)


def _fits(counts: Counter[str], wanted: dict[tuple[str, str], int], split: str) -> bool:
    """Whether a group brings a split nearer to its share, passing it by what it lacked at most."""
    return all(
        wanted[split, label] > 0 and 2 * wanted[split, label] >= count
        for label, count in counts.items()
    )


def _wanted(name: str, photos: int, share: float) -> int:
    count = round(photos * share)
    return min(count, _MOST_VAL) if name == "val" else count
