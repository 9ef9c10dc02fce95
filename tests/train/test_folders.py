from pathlib import Path

import pytest

from train.data.folders import scan
from train.data.samples import Sample
from train.errors import DataError

DATA = Path("data")


def _layout(*files: str) -> Path:
    """Write files that nobody opens; a name ending in a slash is an empty folder."""
    DATA.mkdir(exist_ok=True)
    for name in files:
        path = DATA / name
        if name.endswith("/"):
            path.mkdir(parents=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x")
    return DATA


def test_folder_of_a_photo_is_its_label_and_the_split_stays_open() -> None:
    assert scan(_layout("dog/b.png", "cat/z.png", "cat/a.png")) == [
        Sample(DATA / "cat/a.png", "cat", "", "cat/a.png"),
        Sample(DATA / "cat/z.png", "cat", "", "cat/z.png"),
        Sample(DATA / "dog/b.png", "dog", "", "dog/b.png"),
    ]


def test_files_are_listed_whatever_their_names_end_in() -> None:
    names = ("cat/a.JPG", "cat/b.txt", "cat/c", "dog/d.heic")
    assert [s.path for s in scan(_layout(*names))] == [DATA / name for name in names]


def test_subfolder_of_a_class_is_a_group_that_other_classes_share() -> None:
    root = _layout(
        "cat/anna/1.png", "cat/anna/2.png", "cat/ben/1.png", "cat/3.png",
        "dog/anna/4.png", "dog/ben/old/5.png", "dog/cleo/6.png",
    )  # fmt: skip
    assert [(s.path.name, s.label, s.group) for s in scan(root)] == [
        ("3.png", "cat", "cat/3.png"),
        ("1.png", "cat", "anna"),
        ("2.png", "cat", "anna"),
        ("1.png", "cat", "ben"),
        ("4.png", "dog", "anna"),
        ("5.png", "dog", "ben"),  # however deep below it
        ("6.png", "dog", "cleo"),
    ]


def test_subfolder_is_a_group_in_folders_of_splits_too() -> None:
    root = _layout(
        *(f"train/cat/{name}/{i}.png" for name in ("anna", "ben", "cleo") for i in range(2)),
        "train/dog/2.png", "test/cat/dora/3.png",
    )  # fmt: skip
    assert [(s.path.parts[1], s.group) for s in scan(root) if s.label == "cat"] == [
        ("test", "dora"),
        ("train", "anna"), ("train", "anna"),
        ("train", "ben"), ("train", "ben"),
        ("train", "cleo"), ("train", "cleo"),
    ]  # fmt: skip


@pytest.mark.parametrize("folders", [("all",), ("a", "b")], ids=["one subfolder", "two"])
def test_fewer_than_three_subfolders_cannot_be_shared_out_and_mean_nothing(folders) -> None:
    root = _layout(*(f"cat/{f}/{i}.png" for f in folders for i in range(3)), "dog/1.png")
    assert [s.group for s in scan(root)] == [
        *(f"cat/{f}/{i}.png" for f in folders for i in range(3)), "dog/1.png"
    ]  # fmt: skip


def test_subfolders_are_counted_over_all_classes() -> None:
    root = _layout(
        "happy/anna/1.png", "happy/ben/1.png", "happy/cleo/1.png", "sad/anna/1.png",
        "sad/ben/1.png", "sad/2.png",
    )  # fmt: skip
    assert [s.group for s in scan(root)] == ["anna", "ben", "cleo", "sad/2.png", "anna", "ben"]


def test_loose_photos_are_no_subfolders() -> None:
    root = _layout("cat/a/1.png", "cat/b/1.png", "cat/2.png", "cat/3.png", "dog/1.png")
    assert [s.group for s in scan(root)][2:] == ["cat/a/1.png", "cat/b/1.png", "dog/1.png"]


def test_photos_of_one_name_in_two_classes_are_not_one_group() -> None:
    assert [s.group for s in scan(_layout("cat/1.png", "dog/1.png"))] == ["cat/1.png", "dog/1.png"]


def test_hidden_files_and_folders_and_files_beside_the_classes_are_passed_over() -> None:
    root = _layout(
        "cat/a.png", "dog/a.png", "cat/.DS_Store", "cat/.thumbs/a.png", ".trash/a.png", "notes.txt"
    )
    assert [s.path for s in scan(root)] == [DATA / "cat/a.png", DATA / "dog/a.png"]


@pytest.mark.parametrize(
    ("names", "splits"),
    [
        (("train", "val", "test"), ("train", "val", "test")),
        (("Training", "validation", "testing"), ("train", "val", "test")),
        (("TRAIN", "valid", "Test"), ("train", "val", "test")),
        (("training", "public_test", "private_test"), ("train", "val", "test")),
        (("train", "test"), ("train", "test")),
        (("train",), ("train",)),
    ],
    ids=["short", "long", "valid", "as in FER2013", "without val", "train alone"],
)
def test_folders_of_splits_are_kept(names, splits) -> None:
    root = _layout(*(f"{name}/{label}/a.png" for name in names for label in ("cat", "dog")))
    assert {(s.path.parts[1], s.label, s.split) for s in scan(root)} == {
        (name, label, split)
        for name, split in zip(names, splits, strict=True)
        for label in ("cat", "dog")
    }


def test_class_that_is_called_like_a_split_is_a_class_beside_others() -> None:
    samples = scan(_layout("test/a.png", "car/a.png"))
    assert [(s.label, s.split) for s in samples] == [("car", ""), ("test", "")]


def test_class_that_is_called_train_is_a_class_where_no_other_split_is_there() -> None:
    samples = scan(_layout("train/a.png", "car/a.png", "boat/a.png"))
    assert [(s.label, s.split) for s in samples] == [("boat", ""), ("car", ""), ("train", "")]


def test_classes_asked_for_leave_the_others_out() -> None:
    root = _layout("cat/a.png", "dog/a.png", "bird/a.png", "cow/")
    assert [s.label for s in scan(root, ("dog", "cat"))] == ["cat", "dog"]


def test_class_asked_for_may_be_missing_outside_train() -> None:
    root = _layout("train/cat/a.png", "train/dog/a.png", "test/cat/b.png")
    assert {s.label for s in scan(root, ("cat", "dog")) if s.split == "test"} == {"cat"}


@pytest.mark.parametrize(
    ("files", "classes", "says"),
    [
        pytest.param(
            (), None, "data: 0 class folder(s) with photos, two are needed; ", id="nothing in it"
        ),
        pytest.param(("a.png",), None, "data: 0 class folder(s)", id="no folders"),
        pytest.param(("cat/a.png",), None, "data: 1 class folder(s)", id="one class"),
        pytest.param(
            ("cat/a.png", "dog/a.png"), ("cat",), "data: 1 class folder(s)", id="one asked for"
        ),
        pytest.param(
            ("cat/a.png", "dog/"),
            None,
            "data/dog: the class folder is empty; put photos into it or remove it",
            id="empty class",
        ),
        pytest.param(
            ("cat/a.png", "dog/.DS_Store"), None, "data/dog: the class folder is", id="hidden only"
        ),
        pytest.param(
            ("cat/a.png", "bird/", "cow/", "dog/"),
            None,
            "data/bird: the class folder is empty; put photos into it or remove it "
            "(and 2 more like it)",
            id="three empty classes",
        ),
        pytest.param(
            ("train/cat/a.png", "train/dog/a.png", "val/cat/"),
            None,
            "data/val/cat: the class folder is empty",
            id="empty class of val",
        ),
        pytest.param(
            ("cat/a.png", "dog/a.png"),
            ("cat", "emu", "cow"),
            "data: no folder for cow, emu; there are cat, dog",
            id="classes not there",
        ),
        pytest.param((), ("cat", "dog"), "data: no folder for cat, dog; there are none", id="none"),
        pytest.param(
            ("train/cat/a.png", "train/dog/a.png", "test/cow/a.png"),
            ("cat", "cow"),
            "data/train: no folder for cow; there are cat, dog",
            id="class not in train",
        ),
        pytest.param(
            ("train/cat/a.png", "train/dog/a.png", "test/cow/a.png"),
            None,
            "data: no train folder for cow, which other splits have",
            id="class in test alone",
        ),
        pytest.param(
            ("val/cat/a.png", "test/dog/a.png"),
            None,
            "data: there is no train folder beside the others",
            id="no train",
        ),
        pytest.param(
            ("train/cat/a.png", "train/dog/a.png", "test/cat/b.png", "masks/a.png", "notes/b.png"),
            None,
            "data: test and train are splits, masks beside them is none; move it away, or give "
            "--data another folder",
            id="splits beside other folders",
        ),
        pytest.param(
            ("cat/a.png", "Cat/b.png", "dog/a.png"),
            None,
            "data: Cat and cat differ only in case; rename one",
            id="case",
        ),
        pytest.param(
            ("train/cat/a.png", "train/dog/a.png", "val/CAT/b.png"),
            None,
            "data: CAT and cat differ only in case; rename one",
            id="case across splits",
        ),
    ],
)
def test_folder_that_cannot_be_trained_on_is_refused(files, classes, says: str) -> None:
    with pytest.raises(DataError) as caught:
        scan(_layout(*files), classes)
    message = str(caught.value).replace("\\", "/")
    assert message.startswith(says)
    assert "\n" not in message


def test_folder_one_level_too_high_is_told_which_was_meant() -> None:
    with pytest.raises(DataError) as caught:
        scan(_layout("photos/cat/1.png", "photos/dog/1.png", "photos/emu/1.png"))
    assert str(caught.value) == (
        "data: 1 class folder(s) with photos, two are needed; data/photos holds 3 folders: were "
        "those meant?"
    )


def test_missing_folder_is_refused() -> None:
    with pytest.raises(DataError, match=r"^gone: no such folder; it should be one with a"):
        scan(Path("gone"))
