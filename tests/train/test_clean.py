from collections import Counter, defaultdict
from pathlib import Path

import cv2
import numpy as np
import pytest

from train.data.clean import Dataset, read_background, read_dataset
from train.data.samples import Problem
from train.errors import DataError


@pytest.fixture
def pets(draw) -> Path:
    """Twenty cats and forty dogs, without splits."""
    for i in range(20):
        draw(f"pets/cat/{i:02}.png", i)
    for i in range(40):
        draw(f"pets/dog/{i:02}.png", 100 + i)
    return Path("pets")


@pytest.fixture
def parted(draw) -> Path:
    """Six cats and dogs in each of three split folders."""
    for s, split in enumerate(("train", "val", "test")):
        for n, label in enumerate(("cat", "dog")):
            for i in range(6):
                draw(f"parted/{split}/{label}/{i}.png", 1000 + 100 * s + 10 * n + i)
    return Path("parted")


@pytest.fixture
def again(draw, photo):
    """Write a scene as another program would: a JPEG, a little brighter, of another size."""

    def write(path: str, scene: int) -> Path:
        image = cv2.resize(photo(scene), (40, 40), interpolation=cv2.INTER_AREA)
        return draw(path, cv2.add(image, (9, 9, 9, 0)))

    return write


def _counts(dataset: Dataset) -> dict[tuple[str, str], int]:
    return dict(Counter((s.label, s.split) for s in dataset.samples))


def _splits(dataset: Dataset) -> dict[str, str]:
    return {s.path.as_posix(): s.split for s in dataset.samples}


def _problem(dataset: Dataset, path: str) -> Problem:
    (found,) = (p for p in dataset.problems if p.path == Path(path))
    return found


# Whole folders


def test_good_photos_are_all_used_and_split_in_each_class(pets) -> None:
    dataset = read_dataset(pets, None, seed=1)
    assert _counts(dataset) == {
        ("cat", "train"): 14, ("cat", "val"): 3, ("cat", "test"): 3,
        ("dog", "train"): 28, ("dog", "val"): 6, ("dog", "test"): 6,
    }  # fmt: skip
    assert sorted(s.path for s in dataset.samples) == sorted(pets.rglob("*.png"))
    assert dataset.problems == []
    assert dataset.of("val") == [s for s in dataset.samples if s.split == "val"] != []


def test_same_seed_gives_the_same_split_and_another_one_another(pets) -> None:
    assert read_dataset(pets, None, seed=1) == read_dataset(pets, None, seed=1)
    assert _splits(read_dataset(pets, None, 1)) != _splits(read_dataset(pets, None, 2))


def test_split_folders_are_kept(parted) -> None:
    dataset = read_dataset(parted, None, seed=1)
    assert len(dataset.samples) == 36
    assert all(s.path.parts[1] == s.split for s in dataset.samples)


def test_folders_may_be_called_otherwise_than_their_labels(pets, draw) -> None:
    draw(pets / "kitten" / "a.png", 500)
    draw(pets / "kitten" / "b.png", 3)  # a photo of cat's: no second label
    dataset = read_dataset(pets, None, seed=1, aliases={"kitten": "cat"})
    assert Counter(s.label for s in dataset.samples) == {"cat": 21, "dog": 40}
    assert [(p.path, p.kind) for p in dataset.problems] == [(pets / "kitten/b.png", "repeat")]


def test_what_cannot_be_learned_from_is_left_out_and_told_with_its_reason(
    pets, draw, photo, picture
) -> None:
    jpeg = cv2.imencode(".jpg", photo(500))[1].tobytes()
    draw(pets / "dog/blank.png", picture("gray"))
    (pets / "cat/cut.jpg").write_bytes(jpeg[:-400])
    (pets / "cat/list.jpg").write_bytes(b"a shopping list")
    draw(pets / "dog/tiny.png", photo(501)[:12])
    (pets / "dog/photo.txt").write_bytes(jpeg)
    before = {p: p.read_bytes() for p in pets.rglob("*.*")}
    dataset = read_dataset(pets, None, seed=1)
    assert [(p.path.name, p.kind, p.label, p.kept) for p in dataset.problems] == [
        ("blank.png", "blank", "dog", False),
        ("cut.jpg", "damaged", "cat", False),
        ("list.jpg", "not a photo", "cat", False),
        ("tiny.png", "tiny", "dog", False),
    ]
    used = {s.path.name for s in dataset.samples}
    assert used & {"blank.png", "cut.jpg", "list.jpg", "tiny.png", "photo.txt"} == {"photo.txt"}
    assert {p: p.read_bytes() for p in pets.rglob("*.*")} == before  # nothing moved or deleted


# Leaks where the seed makes the splits


def test_copies_of_the_same_pixels_are_used_once(pets, draw) -> None:
    for i in range(20):
        draw(pets / f"cat/x{i:02}.bmp", i)
    dataset = read_dataset(pets, None, seed=1)
    assert _counts(dataset)["cat", "train"] == 14
    pixels = [cv2.imread(str(s.path)).tobytes() for s in dataset.samples]
    assert len(pixels) == len(set(pixels)) == 60
    assert [p.path for p in dataset.problems] == [pets / f"cat/x{i:02}.bmp" for i in range(20)]
    assert dataset.problems[0] == Problem(
        pets / "cat/x00.bmp",
        "repeat",
        f"the same pixels as {pets / 'cat/00.png'}",
        "cat",
        pets / "cat/00.png",
    )


@pytest.mark.parametrize(
    ("suffix", "change"),
    [
        pytest.param(".jpg", lambda image: image, id="saved as JPEG"),
        pytest.param(
            ".png",
            lambda image: cv2.resize(image, (32, 32), interpolation=cv2.INTER_AREA),
            id="resized",
        ),
        pytest.param(".png", lambda image: cv2.add(image, (30, 30, 30, 0)), id="brightened"),
    ],
)
def test_near_copies_are_used_but_never_parted(pets, draw, photo, suffix, change) -> None:
    for i in range(20):
        draw(pets / f"cat/{i:02}-again{suffix}", change(photo(i)))
    for seed in range(4):
        dataset = read_dataset(pets, None, seed)
        splits: dict[str, list[str]] = defaultdict(list)
        for sample in dataset.samples:
            if sample.label == "cat":
                splits[sample.path.name[:2]].append(sample.split)
        assert len(splits) == 20
        assert all(len(two) == 2 and len(set(two)) == 1 for two in splits.values())
        assert {s.split for s in dataset.samples} == {"train", "val", "test"}
        assert {(p.kind, p.kept) for p in dataset.problems} == {("near repeat", True)}
        assert len(dataset.problems) == 20


def test_photos_of_one_person_stay_in_one_split_whatever_their_class(draw) -> None:
    for person in range(20):
        for i in range(2):
            draw(f"faces/happy/p{person}/{i}.png", 10 * person + i)
            draw(f"faces/sad/p{person}/{i}.png", 1000 + 10 * person + i)
    for seed in range(4):
        splits: dict[str, set[str]] = defaultdict(set)
        for sample in read_dataset(Path("faces"), None, seed).samples:
            splits[sample.path.parts[2]].add(sample.split)
        assert all(len(found) == 1 for found in splits.values())
        assert Counter(next(iter(found)) for found in splits.values()) == {
            "train": 14,
            "val": 3,
            "test": 3,
        }


def test_near_copy_ties_two_groups_and_a_photo_of_its_own_together(draw, again) -> None:
    for group in range(20):
        for i in range(2):
            draw(f"bursts/cat/g{group}/{i}.png", 10 * group + i)
            draw(f"bursts/dog/{group}-{i}.png", 1000 + 10 * group + i)
    again("bursts/cat/g5/x.jpg", 30)  # a photo of g3
    again("bursts/cat/own.jpg", 51)  # and one of g5
    tied = ("g3/", "g5/", "own")
    for seed in range(6):
        splits = _splits(read_dataset(Path("bursts"), None, seed))
        found = [s for path, s in splits.items() if path.startswith(tied, len("bursts/cat/"))]
        assert len(found) == 6
        assert len(set(found)) == 1


@pytest.mark.parametrize("test_there", [False, True], ids=["train alone", "train and test"])
def test_near_copies_of_a_train_folder_are_never_parted_either(
    draw, again, test_there: bool
) -> None:
    """The splits are made of train, so what would leak is one group as without any split."""
    for label, first in (("cat", 0), ("dog", 100)):
        for i in range(20):
            draw(f"data/train/{label}/{i:02}.png", first + i)
            again(f"data/train/{label}/{i:02}-again.jpg", first + i)
        for i in range(6 if test_there else 0):
            draw(f"data/test/{label}/{i}.png", 1000 + first + i)
    for seed in range(3):
        dataset = read_dataset(Path("data"), None, seed)
        splits: dict[str, list[str]] = defaultdict(list)
        for path, name in _splits(dataset).items():
            if path.startswith("data/train/"):
                splits[path[: len("data/train/cat/00")]].append(name)
        assert len(splits) == 40
        assert all(len(two) == 2 and len(set(two)) == 1 for two in splits.values())
        counts = _counts(dataset)
        if test_there:  # a sixth of 40 is 7, to which pairs come no nearer than 8
            assert [counts["cat", name] for name in ("train", "val", "test")] == [32, 8, 6]
        else:
            assert [counts["cat", name] for name in ("train", "val", "test")] == [28, 6, 6]
        assert {(p.kind, p.kept) for p in dataset.problems} == {("near repeat", True)}


def test_near_copies_of_a_test_photo_in_train_do_not_reach_val_either(draw, again, parted) -> None:
    for path in (parted / "val").rglob("*.png"):
        path.unlink()
    for folder in (parted / "val/cat", parted / "val/dog", parted / "val"):
        folder.rmdir()
    for i in range(6):
        again(f"parted/train/cat/{i}-of-test.jpg", 1200 + i)  # a photo of test/cat
    for seed in range(3):
        dataset = read_dataset(parted, None, seed)
        assert not [path for path in _splits(dataset) if "of-test" in path]
        assert len(dataset.of("test")) == 12
        assert {(p.kind, p.kept) for p in dataset.problems} == {("repeat across splits", False)}


# Leaks between split folders


@pytest.mark.parametrize(
    ("places", "used"),
    [
        (("train", "val", "test"), "train"),
        (("train", "test"), "train"),
        (("train", "val"), "train"),
        (("val", "test"), "val"),
    ],
    ids=["+".join(p) for p in (("train", "val", "test"), ("train", "test"), ("train", "val"))]
    + ["val+test"],
)
def test_same_pixels_in_several_splits_are_used_in_the_first(parted, draw, places, used) -> None:
    paths = {place: str(draw(parted / place / "cat/copy.png", 5)) for place in places}
    dataset = read_dataset(parted, None, seed=1)
    splits = _splits(dataset)
    assert [place for place in places if f"parted/{place}/cat/copy.png" in splits] == [used]
    for place in set(places) - {used}:
        problem = _problem(dataset, paths[place])
        assert (problem.kind, problem.other) == ("repeat across splits", Path(paths[used]))
        assert problem.detail == f"the same pixels as {paths[used]} in {used}"


@pytest.mark.parametrize(
    ("early", "late"), [("train", "val"), ("train", "test"), ("val", "test")], ids="{}".format
)
@pytest.mark.parametrize("turned", [False, True], ids=["first early", "first late"])
def test_near_copy_of_a_photo_of_a_later_split_is_left_out(
    parted, draw, again, early: str, late: str, turned: bool
) -> None:
    places = (late, early) if turned else (early, late)
    draw(parted / places[0] / "cat/copy.png", 5)
    again(parted / places[1] / "cat/copy.jpg", 5)
    dataset = read_dataset(parted, None, seed=1)
    (kept,) = (path for path in _splits(dataset) if "copy" in path)
    assert kept.startswith(f"parted/{late}/")
    (problem,) = dataset.problems
    assert (problem.path.parts[1], problem.kind) == (early, "repeat across splits")
    assert problem.other == Path(kept)
    assert problem.detail == f"nearly the same as {Path(kept)} in {late}"
    assert not problem.kept


def test_test_split_loses_only_exact_repeats(parted, draw, again) -> None:
    draw(parted / "train/cat/exact.png", 1)
    draw(parted / "test/cat/exact.bmp", 1)
    draw(parted / "train/cat/near.png", 2)
    again(parted / "test/cat/near.jpg", 2)
    draw(parted / "train/dog/other.png", 3)
    again(parted / "test/cat/other-label.jpg", 3)
    draw(parted / "test/cat/twin.png", 4)
    again(parted / "test/cat/twin.jpg", 4)
    before = {p.as_posix() for p in parted.glob("test/*/*")}
    dataset = read_dataset(parted, None, seed=1)
    assert before - {s.path.as_posix() for s in dataset.of("test")} == {"parted/test/cat/exact.bmp"}
    train = {s.path.name for s in dataset.of("train")}
    assert train & {"exact.png", "near.png", "other.png"} == {"exact.png"}


def test_near_copies_of_one_label_within_train_are_used_and_told(parted, draw, again) -> None:
    draw(parted / "train/cat/x.png", 5)
    again(parted / "train/cat/y.jpg", 5)
    dataset = read_dataset(parted, None, seed=1)
    assert len(dataset.of("train")) == 14
    assert dataset.problems == [
        Problem(
            parted / "train/cat/y.jpg",
            "near repeat",
            f"nearly the same as {parted / 'train/cat/x.png'}",
            "cat",
            parted / "train/cat/x.png",
            kept=True,
        )
    ]


# One photo, two labels


@pytest.mark.parametrize("alike", ["the same pixels", "nearly the same"])
def test_photo_with_two_labels_in_train_is_left_out_both_times(
    parted, draw, again, alike: str
) -> None:
    draw(parted / "train/cat/x.png", 5)
    if alike == "the same pixels":
        draw(parted / "train/dog/y.png", 5)
    else:
        again(parted / "train/dog/y.png", 5)
    dataset = read_dataset(parted, None, seed=1)
    assert len(dataset.of("train")) == 12
    assert [(p.path.name, p.kind, p.detail, p.kept) for p in dataset.problems] == [
        ("x.png", "two labels", f"{alike} as {parted / 'train/dog/y.png'}, labeled dog", False),
        ("y.png", "two labels", f"{alike} as {parted / 'train/cat/x.png'}, labeled cat", False),
    ]


@pytest.mark.parametrize("alike", ["the same pixels", "nearly the same"])
def test_photo_with_two_labels_is_never_trained_on_where_the_seed_splits(
    pets, draw, again, alike: str
) -> None:
    for i in range(6):
        (draw if alike == "the same pixels" else again)(f"pets/dog/{i}-cat.png", i)
    double = {f"{i:02}.png" for i in range(6)}
    for seed in range(4):
        train = [s.path for s in read_dataset(pets, None, seed).of("train")]
        assert not [p for p in train if p.name.endswith("-cat.png")]
        assert not [p for p in train if p.parent.name == "cat" and p.name in double]


@pytest.mark.parametrize("alike", ["the same pixels", "nearly the same"])
@pytest.mark.parametrize("late", ["val", "test"])
def test_train_photo_that_another_split_labels_otherwise_is_left_out(
    parted, draw, again, late: str, alike: str
) -> None:
    draw(parted / "train/cat/x.png", 5)
    (draw if alike == "the same pixels" else again)(parted / late / "dog/y.png", 5)
    dataset = read_dataset(parted, None, seed=1)
    assert len(dataset.of("train")) == 12
    problem = _problem(dataset, "parted/train/cat/x.png")
    other = parted / late / "dog/y.png"
    assert (problem.kind, problem.other) == ("two labels", other)
    assert problem.detail == f"{alike} as {other} in {late}, labeled dog"


def test_val_photo_that_test_labels_otherwise_is_left_out(parted, draw, again) -> None:
    draw(parted / "val/cat/x.png", 5)
    other = again(parted / "test/dog/y.jpg", 5)
    dataset = read_dataset(parted, None, seed=1)
    assert [len(dataset.of(name)) for name in ("train", "val", "test")] == [12, 12, 13]
    (problem,) = dataset.problems
    assert problem == Problem(
        parted / "val/cat/x.png",
        "two labels",
        f"nearly the same as {other} in test, labeled dog",
        "cat",
        other,
    )


@pytest.mark.parametrize("split", ["val", "test"])
def test_photo_with_two_labels_in_one_split_that_is_not_trained_on_is_used_and_told(
    parted, draw, again, split: str
) -> None:
    first = draw(parted / split / "cat/x.png", 5)
    second = again(parted / split / "dog/y.jpg", 5)
    dataset = read_dataset(parted, None, seed=1)
    assert len(dataset.of(split)) == 14
    assert dataset.problems == [
        Problem(
            second,
            "two labels",
            f"nearly the same as {first}, labeled cat",
            "dog",
            first,
            kept=True,
        )
    ]


def test_photo_that_has_two_labels_in_train_and_a_third_in_test_stays_in_test(
    parted, draw, again
) -> None:
    draw(parted / "train/cat/x.png", 5)
    again(parted / "train/dog/y.jpg", 5)
    draw(parted / "test/dog/z.png", cv2.add(cv2.imread(str(parted / "train/cat/x.png")), 5))
    dataset = read_dataset(parted, None, seed=1)
    used = {path for path in _splits(dataset) if Path(path).stem in "xyz"}
    assert used == {"parted/test/dog/z.png"}
    assert {(p.path.name, p.kind, p.kept) for p in dataset.problems} == {
        ("x.png", "two labels", False), ("y.jpg", "two labels", False)
    }  # fmt: skip


# What cannot be trained on


def test_background_holds_no_photo_of_the_dataset(pets, draw, again) -> None:
    dataset = read_dataset(pets, None, seed=1)
    held = next(s for s in dataset.samples if s.split == "test")
    scene = cv2.imread(str(held.path))
    near = cv2.add(cv2.resize(scene, (40, 40), interpolation=cv2.INTER_AREA), (9, 9, 9, 0))
    draw("others/emu/same.png", scene)
    draw("others/emu/near.png", near)
    for i in range(3):
        draw(f"others/emu/{i}.png", 700 + i)
        draw(f"others/yak/{i}.png", 800 + i)
    draw("others/yak/again.png", 800)
    Path("others/yak/bad.png").write_bytes(b"")
    others = read_background(Path("others"), dataset.samples)
    assert {s.split for s in others.samples} == {"train"}
    assert sorted(s.path.as_posix() for s in others.samples) == [
        "others/emu/0.png", "others/emu/1.png", "others/emu/2.png",
        "others/yak/0.png", "others/yak/1.png", "others/yak/2.png",
    ]  # fmt: skip
    assert sorted((p.path.name, p.kind, p.other and p.other.name) for p in others.problems) == [
        ("again.png", "repeat", "0.png"),
        ("bad.png", "not a photo", None),
        ("near.png", "repeat", held.path.name),
        ("same.png", "repeat", held.path.name),
    ]


def _refusal(root: Path) -> str:
    with pytest.raises(DataError) as caught:
        read_dataset(root, None, seed=1)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_class_without_usable_photos_is_refused_with_the_first_reason(pets) -> None:
    (pets / "emu").mkdir()
    (pets / "emu/a.jpg").touch()
    (pets / "emu/b.jpg").write_bytes(b"<html>")
    assert _refusal(pets) == (
        "pets: class emu has no usable photo; the first of its 2 files, a.jpg: "
        "the file is empty (0 bytes)"
    )


def test_class_all_of_whose_photos_have_another_label_too_is_refused(pets, draw) -> None:
    draw(pets / "emu/a.png", 7)
    assert _refusal(pets) == (
        "pets: class emu has no usable photo; the first of its 1 files, a.png: "
        f"the same pixels as {pets / 'cat/07.png'}, labeled cat"
    )


@pytest.mark.parametrize("count", [1, 3])
def test_class_of_too_few_photos_to_validate_on_is_refused(pets, draw, count: int) -> None:
    for i in range(count):
        draw(pets / f"emu/{i}.png", 500 + i)
    assert _refusal(pets) == (
        f"pets: class emu has {count} usable photo(s) and none of them to validate on; "
        "give it 4 or more"
    )


def test_class_of_near_copies_cannot_be_parted(pets, draw, photo) -> None:
    for i in range(5):
        draw(pets / f"emu/{i}.png", cv2.add(photo(500), (i, i, i, 0)))
    assert _refusal(pets) == (
        "pets: class emu has 5 usable photo(s) and none of them to validate on; "
        "those of a subfolder stay together, and near copies do: add others"
    )


def test_class_of_seven_photos_is_enough(pets, draw) -> None:
    for i in range(7):
        draw(pets / f"emu/{i}.png", 500 + i)
    for seed in range(4):
        counts = _counts(read_dataset(pets, None, seed))
        assert [counts["emu", name] for name in ("train", "val", "test")] == [5, 1, 1]


def test_class_whose_train_photos_are_all_bad_is_refused(parted) -> None:
    for path in (parted / "train/dog").iterdir():
        path.write_bytes(b"")
    assert _refusal(parted) == (
        "parted: class dog has 12 usable photo(s) and none of them to train on; "
        "put good ones into its train folder"
    )


def test_class_without_photos_in_a_given_val_folder_is_refused(draw) -> None:
    scene = 900
    for part in ("train", "val", "test"):
        for label in ("cat", "dog"):
            for k in range(5):
                draw(f"data/{part}/{label}/{k}.png", scene := scene + 1)
    for path in Path("data/val/dog").iterdir():
        path.write_bytes(b"")
    assert _refusal(Path("data")) == (
        "data: class dog has 10 usable photo(s) and none of them to validate on; put good ones "
        "into its val folder"
    )


def test_two_folders_of_one_class_are_no_two_classes(draw) -> None:
    for i in range(5):
        draw(f"data/cat/{i}.png", i)
        draw(f"data/cats/{i}.png", 10 + i)
    with pytest.raises(DataError, match=r"^data: the class folders all stand for cat; two classes"):
        read_dataset(Path("data"), None, 1, {"cats": "cat"})


def test_folder_without_a_single_photo_is_refused() -> None:
    for label in ("cat", "dog"):
        Path("data", label).mkdir(parents=True)
        Path("data", label, "a.jpg").write_bytes(np.zeros(9, np.uint8).tobytes())
    assert _refusal(Path("data")) == (
        "data: class cat has no usable photo; the first of its 1 files, a.jpg: no picture by "
        "content; jpg, jpeg, png, bmp and webp are read"
    )
