from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_runtime.media.image import read_image
from train.data.folders import Sample, clean, scan
from train.errors import DataError


@pytest.fixture
def write():
    """Write a picture of noise; the same number gives the same pixels."""

    def _write(path: Path | str, number: int, side: int = 12) -> Path:
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(number).integers(0, 256, (side, side, 3), np.uint8)
        assert cv2.imwrite(str(path), noise)
        return path

    return _write


@pytest.fixture
def pets(write) -> Path:
    """Twenty cats and forty dogs, without splits."""
    for i in range(20):
        write(f"pets/cat/{i:02}.png", i)
    for i in range(40):
        write(f"pets/dog/{i:02}.png", 100 + i)
    return Path("pets")


def _counts(samples: list[Sample]) -> dict[tuple[str, str], int]:
    return dict(Counter((s.label, s.split) for s in samples))


# Scanning


def test_folders_of_classes_are_split_70_15_15_in_each_class(pets) -> None:
    assert _counts(scan(pets, None, seed=1)) == {
        ("cat", "train"): 14, ("cat", "val"): 3, ("cat", "test"): 3,
        ("dog", "train"): 28, ("dog", "val"): 6, ("dog", "test"): 6,
    }  # fmt: skip


def test_every_photo_is_in_exactly_one_split(pets) -> None:
    samples = scan(pets, None, seed=1)
    assert sorted(s.path for s in samples) == sorted(pets.rglob("*.png"))
    assert all(s.path.parent.name == s.label for s in samples)


def test_split_is_decided_by_the_seed(pets) -> None:
    assert scan(pets, None, seed=1) == scan(pets, None, seed=1)
    assert set(scan(pets, None, seed=1)) != set(scan(pets, None, seed=2))


def test_split_of_a_class_does_not_depend_on_the_others(pets, write) -> None:
    before = {s for s in scan(pets, None, seed=1) if s.label == "cat"}
    write(pets / "bird" / "a.png", 500)
    assert {s for s in scan(pets, None, seed=1) if s.label == "cat"} == before


def test_classes_asked_for_leave_the_others_out(pets, write) -> None:
    write(pets / "bird" / "a.png", 500)
    assert {s.label for s in scan(pets, ("dog", "cat"), seed=1)} == {"dog", "cat"}


def test_tiny_class_keeps_its_photos_for_training(pets, write) -> None:
    write(pets / "bird" / "a.png", 500)
    assert [s.split for s in scan(pets, None, seed=1) if s.label == "bird"] == ["train"]


def test_only_pictures_in_visible_folders_are_photos(pets, write) -> None:
    (pets / "cat" / "notes.txt").write_text("not a photo")
    write(pets / ".trash" / "a.png", 500)
    write(pets / "cat" / "2024" / "deep.JPG", 501)
    paths = [s.path for s in scan(pets, None, seed=1)]
    assert len(paths) == 61
    assert pets / "cat" / "2024" / "deep.JPG" in paths


@pytest.mark.parametrize(
    ("names", "splits"),
    [
        (("train", "val", "test"), ("train", "val", "test")),
        (("Training", "validation", "testing"), ("train", "val", "test")),
        (("training", "public_test", "private_test"), ("train", "val", "test")),
    ],
    ids=["short", "long", "as in FER2013"],
)
def test_folders_of_splits_are_kept(write, names, splits) -> None:
    for i, name in enumerate(names):
        for j, label in enumerate(("cat", "dog")):
            write(f"data/{name}/{label}/a.png", 10 * i + j)
    samples = scan(Path("data"), None, seed=1)
    expected = dict(zip(names, splits, strict=True))
    assert {s.split for s in samples} == set(splits)
    assert all(expected[s.path.parts[1]] == s.split for s in samples)


@pytest.mark.parametrize("other", ["val", "test"])
def test_missing_split_is_made_from_a_sixth_of_train(write, other: str) -> None:
    for label in ("cat", "dog"):
        for i in range(12):
            write(f"data/train/{label}/{i}.png", i)
        write(f"data/{other}/{label}/a.png", 99)
    samples = scan(Path("data"), None, seed=1)
    assert _counts(samples) == {
        (label, split): n
        for label in ("cat", "dog")
        for split, n in (("train", 10), ("val", 2), ("test", 1))
    }
    assert all(s.path.parts[1] == other for s in samples if s.split == "test")


def test_train_folder_alone_is_split_in_three(write) -> None:
    for label in ("cat", "dog"):
        for i in range(20):
            write(f"data/train/{label}/{i}.png", i)
    assert _counts(scan(Path("data"), None, seed=1))["cat", "test"] == 3


def _layout(*files: str) -> Path:
    root = Path("data")
    root.mkdir()
    for name in files:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return root


@pytest.mark.parametrize(
    ("files", "classes", "says"),
    [
        pytest.param((), None, "0 class folder(s) with photos, two are needed", id="empty"),
        pytest.param(("a.png",), None, "0 class folder(s)", id="no folders"),
        pytest.param(("cat/a.png",), None, "1 class folder(s)", id="one class"),
        pytest.param(("cat/a.png", "dog/a.txt"), None, "1 class folder(s)", id="one with photos"),
        pytest.param(
            ("cat/a.png", "dog/a.png"), ("cat", "cow"), "no folder for cow", id="class not there"
        ),
        pytest.param(
            ("cat/a.png", "dog/a.txt"), ("cat", "dog"), "class dog holds no photo", id="empty class"
        ),
        pytest.param(
            ("val/cat/a.png", "test/dog/a.png"), None, "there is no train folder", id="no train"
        ),
        pytest.param(
            ("cat/a.png", "Cat/b.png", "dog/a.png"), None, "Cat and cat differ only", id="case"
        ),
    ],
)
def test_folder_that_cannot_be_trained_on_is_refused(files, classes, says: str) -> None:
    with pytest.raises(DataError) as caught:
        scan(_layout(*files), classes, seed=1)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_folder_is_refused() -> None:
    with pytest.raises(DataError, match=r"^gone: no such folder; --data wants a folder with"):
        scan(Path("gone"), None, seed=1)


# Cleaning


def test_good_photos_are_all_kept(pets) -> None:
    samples = scan(pets, None, seed=1)
    cleaned = clean(samples)
    assert set(cleaned.samples) == set(samples)
    assert cleaned.left_out == []


def test_no_pixels_are_in_two_splits(pets, write) -> None:
    for i in range(20):  # every cat again under other names, also among the dogs
        write(pets / "cat" / f"copy{i}.bmp", i)
        write(pets / "dog" / f"mislabelled{i}.png", i)
    cleaned = clean(scan(pets, None, seed=3))
    seen = [read_image(s.path).image_bgr.tobytes() for s in cleaned.samples]
    assert len(seen) == len(set(seen)) == 60
    assert len(cleaned.left_out) == 40


def test_repeated_photo_is_kept_in_train_before_val_before_test(write) -> None:
    splits = ("test", "val", "train")
    samples = [Sample(write(f"{split}.png", 7), "cat", split) for split in splits]
    samples += [
        Sample(write("val2.png", 8), "cat", "val"),
        Sample(write("t2.png", 8), "cat", "test"),
    ]
    cleaned = clean(samples)
    assert [(s.path.name, s.split) for s in cleaned.samples] == [
        ("train.png", "train"),
        ("val2.png", "val"),
    ]
    assert (Path("test.png"), "same pixels as train.png") in cleaned.left_out


def test_repeated_photo_with_another_label_says_so(write) -> None:
    samples = [
        Sample(write("a.png", 1), "cat", "train"),
        Sample(write("b.png", 1), "dog", "test"),
        Sample(write("c.png", 2), "dog", "train"),
    ]
    cleaned = clean(samples)
    assert cleaned.left_out == [(Path("b.png"), "same pixels as a.png, labelled cat there")]
    assert [s.path.name for s in cleaned.samples] == ["a.png", "c.png"]


def test_what_cannot_be_learned_from_is_left_out_with_its_reason(write, picture) -> None:
    write("good.png", 1)
    write("tiny.png", 2, side=7)
    cv2.imwrite("blank.png", picture("gray"))
    Path("text.jpg").write_text("no photo")
    Path("empty.jpg").touch()
    names = ("blank.png", "empty.jpg", "good.png", "text.jpg", "tiny.png")
    cleaned = clean([Sample(Path(name), "cat", "train") for name in names])
    assert [s.path.name for s in cleaned.samples] == ["good.png"]
    assert {path.name: reason for path, reason in cleaned.left_out} == {
        "blank.png": "blank",
        "empty.jpg": "empty.jpg: the file is empty (0 bytes)",
        "text.jpg": "text.jpg: not a picture OpenCV can decode",
        "tiny.png": "tiny: 7x7 pixels",
    }


def test_class_left_without_training_photos_is_refused(write) -> None:
    samples = [
        Sample(write("a.png", 1), "cat", "train"),
        Sample(write("b.png", 2), "dog", "test"),
    ]
    with pytest.raises(DataError, match="class dog: no usable photo left to train on"):
        clean(samples)


def test_class_whose_only_photo_is_a_repetition_is_refused(write) -> None:
    samples = [
        Sample(write("a.png", 1), "cat", "train"),
        Sample(write("b.png", 1), "dog", "train"),
    ]
    with pytest.raises(DataError) as caught:
        clean(samples)
    assert str(caught.value) == "class dog: no usable photo left to train on"


def test_class_whose_photos_are_all_bad_is_refused(write) -> None:
    Path("b.png").touch()
    samples = [Sample(write("a.png", 1), "cat", "train"), Sample(Path("b.png"), "dog", "train")]
    with pytest.raises(DataError, match="class dog: no usable photo left to train on"):
        clean(samples)
