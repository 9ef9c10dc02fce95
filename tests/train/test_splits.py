import random
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from train.data.samples import Sample
from train.data.splits import split


def _photos(label: str, count: int, split: str = "", root: str = "data") -> list[Sample]:
    names = [f"{i:04}.jpg" for i in range(count)]
    folder = Path(root, split, label)
    return [Sample(folder / name, label, split, f"{label}/{name}") for name in names]


def _counts(samples: list[Sample]) -> dict[tuple[str, str], int]:
    return dict(Counter((s.label, s.split) for s in samples))


PETS = _photos("cat", 20) + _photos("dog", 40)


def test_folders_of_classes_are_split_70_15_15_in_each_class() -> None:
    assert _counts(split(PETS, seed=1)) == {
        ("cat", "train"): 14, ("cat", "val"): 3, ("cat", "test"): 3,
        ("dog", "train"): 28, ("dog", "val"): 6, ("dog", "test"): 6,
    }  # fmt: skip


def test_every_photo_is_in_exactly_one_split_and_keeps_its_label() -> None:
    out = split(PETS, seed=1)
    assert [(s.path, s.label) for s in out] == [(s.path, s.label) for s in PETS]
    assert {s.split for s in out} == {"train", "val", "test"}


def test_split_is_decided_by_the_seed() -> None:
    assert split(PETS, seed=1) == split(PETS, seed=1)
    assert len({tuple(split(PETS, seed)) for seed in range(5)}) == 5


def test_split_does_not_depend_on_the_order_of_the_photos() -> None:
    mixed = random.Random(0).sample(PETS, len(PETS))
    assert split(mixed, seed=1) == split(PETS, seed=1)


def test_split_does_not_depend_on_where_the_folder_lies() -> None:
    moved = _photos("cat", 20, root="/mnt/a") + _photos("dog", 40, root="/mnt/a")
    assert [s.split for s in split(moved, seed=1)] == [s.split for s in split(PETS, seed=1)]


def test_class_of_one_photo_trains() -> None:
    out = split(PETS + _photos("emu", 1), seed=1)
    assert [s.split for s in out if s.label == "emu"] == ["train"]


def test_three_splits_that_are_there_stay_as_they_are() -> None:
    samples = [s for name in ("test", "val", "train") for s in _photos("cat", 9, name)]
    assert split(samples, seed=1) == samples


@pytest.mark.parametrize("other", ["val", "test"])
def test_missing_split_is_made_from_a_sixth_of_train(other: str) -> None:
    samples = _photos("cat", 12, "train") + _photos("dog", 24, "train") + _photos("cat", 5, other)
    out = split(samples, seed=1)
    assert _counts(out) == {
        ("cat", "train"): 10, ("cat", "val"): 2, ("cat", "test"): 5,
        ("dog", "train"): 20, ("dog", "val"): 4,
    }  # fmt: skip
    assert {s.path for s in out if s.split == "test"} == {s.path for s in samples[-5:]}


def test_train_folder_alone_is_split_in_three() -> None:
    assert _counts(split(_photos("cat", 20, "train"), seed=1)) == {
        ("cat", "train"): 14, ("cat", "val"): 3, ("cat", "test"): 3,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("samples", "counts"),
    [
        pytest.param(
            _photos("cat", 2000) + _photos("dog", 1000),
            {("cat", "val"): 250, ("cat", "test"): 300, ("cat", "train"): 1450,
             ("dog", "val"): 150, ("dog", "test"): 150, ("dog", "train"): 700},
            id="all made",
        ),
        pytest.param(
            _photos("cat", 1800, "train") + _photos("cat", 700, "test"),
            {("cat", "val"): 250, ("cat", "test"): 700, ("cat", "train"): 1550},
            id="test is there",
        ),
    ],
)  # fmt: skip
def test_val_takes_at_most_250_photos_of_a_class_and_train_the_rest(samples, counts) -> None:
    assert _counts(split(samples, seed=1)) == counts


def _people(split: str = "") -> list[Sample]:
    """Forty people, each happy twice and sad once, and photos of nobody known."""
    people = [
        Sample(Path("data", split, label, f"p{p}", f"{i}.jpg"), label, split, f"p{p}")
        for p in range(40)
        for label, count in (("happy", 2), ("sad", 1))
        for i in range(count)
    ]
    return people + _photos("happy", 20, split) + _photos("sad", 60, split)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    "beside", [(), ("test",)], ids=["all splits made", "val made beside a test"]
)
def test_photos_of_a_group_stay_together_also_across_classes(beside, seed: int) -> None:
    given = _people("train" if beside else "")
    out = split(given + [s for name in beside for s in _photos("happy", 9, name)], seed)
    splits: dict[str, set[str]] = defaultdict(set)
    for sample in out:
        if sample.group.startswith("p"):
            splits[sample.group].add(sample.split)
    assert len(splits) == 40
    assert all(len(found) == 1 for found in splits.values())
    assert set.union(*splits.values()) >= {"train", "val"}  # groups are chosen, not only singles


def _bursts(label: str, count: int, size: int) -> list[Sample]:
    """So many bursts of so many photos."""
    return [
        Sample(Path("data", label, f"{label}{b}", f"{i}.jpg"), label, "", f"{label}{b}")
        for b in range(count)
        for i in range(size)
    ]


@pytest.mark.parametrize(
    ("bursts", "size", "held"),
    [
        pytest.param(20, 2, 6, id="three of two make six"),
        pytest.param(10, 5, 10, id="eight and no seventh: two of five"),  # 1.5 bursts are wanted
        pytest.param(4, 10, 10, id="one of ten passes six by four"),
        pytest.param(4, 15, 15, id="one of fifteen passes nine by six"),
    ],
)
def test_group_may_pass_a_share_by_less_than_it_lacked(bursts: int, size: int, held: int) -> None:
    """15% of n photos are wanted; the last group that goes in brings a split nearer to that."""
    for seed in range(3):
        counts = _counts(split(_bursts("cat", bursts, size), seed))
        assert (counts["cat", "val"], counts["cat", "test"]) == (held, held)


@pytest.mark.parametrize("size", [31, 60])
def test_group_more_than_twice_a_share_trains(size: int) -> None:
    samples = _bursts("cat", 1, size) + _photos("cat", 100 - size)  # 15 are wanted
    for seed in range(5):
        out = split(samples, seed)
        assert {s.split for s in out if s.group == "cat0"} == {"train"}
        assert _counts(out) == {("cat", "train"): 70, ("cat", "val"): 15, ("cat", "test"): 15}


def test_group_of_two_classes_goes_where_both_have_room() -> None:
    """A class whose share is full is not filled further for the other class's sake."""
    for seed in range(5):
        counts = _counts(split(_people(), seed))
        for name in ("val", "test"):
            assert 15 <= counts["happy", name] <= 16  # of 100, in twos and ones
            assert counts["sad", name] == 15
