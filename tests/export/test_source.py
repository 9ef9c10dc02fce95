"""What is opened, and which photos calibrate and which judge."""

from __future__ import annotations

import hashlib
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_runtime.errors import EdgeError, OptionError
from edge_runtime.model.card import InputSpec, ModelCard
from export.description import Description
from export.errors import RunError

pytestmark = pytest.mark.tensorflow
keras = pytest.importorskip("keras")

LABELS = ("red", "green", "blue")
SAID = Description(labels=LABELS, color="rgb", mean=(0.0,), scale=(1.0,), resize="stretch")
KINDS = "expected a run folder of 'python -m train', a .keras, .h5 or .hdf5 file, or a SavedModel's"


@pytest.fixture(scope="module")
def colors(tmp_path_factory: pytest.TempPathFactory, means_model) -> Path:
    """A Keras file that tells colors apart."""
    path = tmp_path_factory.mktemp("model") / "colors.keras"
    means_model().save(path)
    return path


@pytest.fixture
def opened(colors: Path) -> Callable[..., tuple[Any, list[str]]]:
    """Open a source; return it and the lines that were said."""

    def run(
        path: Path = colors,
        said: Description = SAID,
        calibration: Path | None = None,
        evaluate: Path | None = None,
        finetune: Path | None = None,
        count: int = 256,
    ) -> tuple[Any, list[str]]:
        from export.source import open_source

        lines: list[str] = []
        source = open_source(
            path=path,
            given=said,
            calibration=calibration,
            evaluate=evaluate,
            finetune=finetune,
            calibration_photos=count,
            say=lines.append,
        )
        return source, lines

    return run


@pytest.fixture
def run_folder(colors: Path, color_photos: Path) -> Path:
    """A finished run on a third of the photos."""
    image = keras.Input((8, 8, 3), dtype="uint8", name="image")
    model = keras.saving.load_model(colors)
    Path("run").mkdir()
    keras.Model(image, model(keras.ops.cast(image, "float32"))).save("run/model.keras")
    card = ModelCard("ours", "classification", LABELS, InputSpec(8, 8))
    Path("run/card.json").write_text(card.to_json())
    photos = sorted(color_photos.rglob("*.png"))[::3]
    rows = [
        f"{photo},{photo.parent.name},{('train', 'val', 'test')[i % 3]}"
        for i, photo in enumerate(photos)
    ]
    Path("run/split.csv").write_text("\n".join(["path,label,split", *rows, ""]))
    return Path("run")


def sizes(source: Any) -> dict[str, int]:
    return {name: len(samples) for name, samples in source.splits.items()}


def counted(samples: list[Any]) -> Counter[str]:
    return Counter(sample.label for sample in samples)


# What is opened


def test_keras_file_alone_has_no_photos(opened, colors: Path) -> None:
    source, lines = opened()
    assert sizes(source) == {"train": 0, "val": 0, "test": 0}
    assert source.card.name == "colors"
    assert source.weights_sha256 == hashlib.sha256(colors.read_bytes()).hexdigest()
    assert (source.trained_here, source.measured, lines) == (False, {}, [])


def test_yaml_beside_a_file_says_what_options_leave_open(opened, colors: Path) -> None:
    pytest.importorskip("yaml")
    shutil.copy(colors, "mine.keras")
    Path("mine.yaml").write_text(
        "labels: [a, b, c]\ncolor: bgr\nmean: 0\nscale: 1\nresize: letterbox\nname: yours\n"
    )
    source, _ = opened(Path("mine.keras"), Description(color="rgb", name="mine"))
    assert source.card.labels == ("a", "b", "c")
    assert source.card.input.resize == "letterbox"
    assert (source.card.name, source.card.provenance["input"]["color"]) == ("mine", "rgb")


def test_saved_model_is_opened_with_the_yaml_beside_its_folder(opened, means_model) -> None:
    pytest.importorskip("yaml")
    means_model().export("saved", verbose=False)
    Path("saved.yaml").write_text("labels: [x, y, z]\n")
    said = Description(color="rgb", mean=(0.0,), scale=(1.0,), resize="stretch")
    source, _ = opened(Path("saved"), said)
    assert (source.card.name, source.card.labels) == ("saved", ("x", "y", "z"))
    red = np.zeros((1, 8, 8, 3), np.uint8)
    red[..., 0] = 200
    assert np.asarray(source.model(red))[0].argmax() == 0


def test_run_folder_brings_its_own_photos_and_figures(opened, run_folder: Path) -> None:
    (run_folder / "metrics.json").write_text('{"val": {"accuracy": 0.5, "n": 4}}')
    source, _ = opened(run_folder, Description())
    assert sizes(source) == {"train": 4, "val": 4, "test": 4}
    assert (source.card.name, source.trained_here, source.labelled) == ("ours", True, True)
    assert source.measured == {"val": {"accuracy": 0.5, "n": 4}}


def test_run_folder_with_options_of_other_models_is_refused(opened, run_folder: Path) -> None:
    with pytest.raises(OptionError) as refused:
        opened(run_folder, Description(mean=(0.0,)))
    assert str(refused.value) == (
        "run: a run folder says itself what its model is; --labels, --color, --mean, --scale, "
        "--resize, --region, --face-margin, --size, --softmax and --name are for other models"
    )


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("gone", f"gone: no such file or folder; {KINDS}"),
        ("gone.onnx", f"gone.onnx: no such file or folder; {KINDS}"),
        ("notes.txt", f"notes.txt: is none of these; {KINDS}"),
        ("empty", f"empty: is none of these; {KINDS}"),
        ("gone.keras", "gone.keras: no such file"),
    ],
)
def test_path_that_is_nothing_of_ours_is_refused(opened, name: str, says: str) -> None:
    Path("notes.txt").touch()
    Path("empty").mkdir()
    with pytest.raises(RunError) as refused:
        opened(Path(name))
    assert str(refused.value).startswith(says)


def test_saved_model_may_be_where_one_stands(opened, means_model, monkeypatch) -> None:
    means_model().export("here", verbose=False)
    monkeypatch.chdir("here")
    source, _ = opened(Path())
    assert source.card.name == "here"


def test_run_that_is_not_finished_is_refused(opened) -> None:
    Path("run").mkdir()
    Path("run/command.txt").touch()
    with pytest.raises(RunError, match=r"^run: no model\.keras; a run folder is what 'python -m t"):
        opened(Path("run"), Description())


# Photos


def test_of_calibration_alone_every_third_photo_judges(opened, color_photos: Path) -> None:
    source, lines = opened(calibration=color_photos)
    train, val = source.splits["train"], source.splits["val"]
    assert (len(train), len(val)) == (24, 12)
    assert len({s.path for s in [*train, *val]}) == 36
    assert set(counted(train)) == set(counted(val)) == set(LABELS)
    assert lines == ["without --evaluate the gate looks at 12 photos of --calibration"]


@pytest.mark.parametrize("count", [6, 12])
def test_no_more_photos_calibrate_than_were_asked_for(opened, color_photos, count: int) -> None:
    source, _ = opened(calibration=color_photos, count=count)
    assert sizes(source) == {"train": count, "val": count // 2, "test": 0}
    together = counted([*source.splits["train"], *source.splits["val"]])
    assert together == dict.fromkeys(LABELS, count // 2)


def test_photos_of_few_of_each_label_calibrate_and_judge_by_label(opened, color_photos) -> None:
    source, _ = opened(calibration=color_photos)
    assert counted(source.splits["train"]) == dict.fromkeys(LABELS, 8)
    assert counted(source.splits["val"]) == dict.fromkeys(LABELS, 4)


def test_others_take_the_place_of_damaged_photos(opened, color_photos: Path) -> None:
    folder = shutil.copytree(color_photos, Path("photos"))
    for photo in sorted(folder.rglob("*.png"))[::2]:
        photo.write_bytes(photo.read_bytes()[:50])
    source, lines = opened(calibration=folder, evaluate=color_photos, count=10)
    assert sizes(source)["train"] == 10
    assert lines[0].startswith("--calibration: left out ")


def test_photos_that_judge_are_all_taken(opened, color_photos: Path, loose_photos: Path) -> None:
    source, lines = opened(calibration=loose_photos, evaluate=color_photos, count=10)
    assert sizes(source) == {"train": 10, "val": 36, "test": 0}
    assert counted(source.splits["val"]) == dict.fromkeys(LABELS, 12)
    assert source.labelled
    assert lines == []


def test_photos_may_judge_where_none_calibrates(opened, color_photos: Path) -> None:
    source, _ = opened(evaluate=color_photos)
    assert sizes(source) == {"train": 0, "val": 36, "test": 0}


def test_photos_that_do_both_are_counted(opened, color_photos: Path) -> None:
    for name in ("these", "those"):
        Path(name).symlink_to(color_photos)
    _, lines = opened(calibration=Path("these"), evaluate=Path("those"), count=9)
    (line,) = lines
    assert line == "--calibration: 9 of its photos judge too; the gate is easier for that"
    _, lines = opened(finetune=Path("these"), evaluate=Path("those"))
    assert lines == ["--finetune: 36 of its photos judge too; the gate is easier for that"]


def test_photos_without_folders_have_no_right_answers(opened, loose_photos: Path) -> None:
    source, _ = opened(evaluate=loose_photos)
    assert not source.labelled
    source, _ = opened(calibration=loose_photos)
    assert not source.labelled


def test_photos_to_fine_tune_on_are_all_taken(opened, color_photos, loose_photos) -> None:
    source, lines = opened(evaluate=color_photos, finetune=loose_photos)
    assert sizes(source) == {"train": 0, "val": 36, "test": 0}
    assert sorted(s.path for s in source.finetune) == sorted(loose_photos.iterdir())
    assert lines == []


def test_damaged_figures_of_a_run_are_said(opened, run_folder: Path) -> None:
    (run_folder / "metrics.json").write_text('{"val": ')
    with pytest.raises(RunError, match=r"^run/metrics\.json: is damaged \(.*restore it or remove"):
        opened(run_folder, Description())


def test_photos_of_a_run_are_replaced_by_those_given(opened, run_folder, color_photos) -> None:
    source, _ = opened(run_folder, Description(), evaluate=color_photos)
    assert sizes(source) == {"train": 4, "val": 36, "test": 4}
    source, _ = opened(run_folder, Description(), calibration=color_photos)
    assert sizes(source) == {"train": 36, "val": 4, "test": 4}


def test_damaged_photos_are_left_out_and_said(opened, color_photos: Path) -> None:
    folder = shutil.copytree(color_photos, Path("photos"))
    for name in ("red/00.png", "blue/03.png"):
        (folder / name).write_bytes((folder / name).read_bytes()[:50])
    source, lines = opened(calibration=folder)
    assert len(source.splits["train"]) + len(source.splits["val"]) == 34
    assert lines[0].startswith("--calibration: left out 2 of 36 photos; the first: photos/")
    assert lines[0].endswith("the PNG is cut short or damaged")


@pytest.mark.parametrize(
    ("names", "says"),
    [
        pytest.param(
            ["red/00.png", "blue/01.png", "green/02.png"],
            "--calibration some: 3 photo(s) cannot show what values a network meets; give 8 at ",
            id="three",
        ),
        pytest.param([], "--calibration some: no pictures found", id="none"),
        pytest.param(
            ["cat/00.png"],
            "--calibration some: has folders that are no labels of the model (cat); it wants ",
            id="other classes",
        ),
    ],
)
def test_photos_that_cannot_calibrate_are_refused(
    opened, color_photos: Path, names: list[str], says: str
) -> None:
    Path("some").mkdir()
    for name in names:
        target = Path("some", name)
        target.parent.mkdir(exist_ok=True)
        shutil.copy(color_photos / name.replace("cat", "red"), target)
    with pytest.raises(OptionError) as refused:
        opened(calibration=Path("some"))
    assert str(refused.value).startswith(says)


@pytest.mark.parametrize("option", ["calibration", "evaluate", "finetune"])
def test_photos_none_of_which_can_be_read_are_refused(opened, option: str) -> None:
    Path("broken").mkdir()
    for i in range(9):
        Path(f"broken/{i}.jpg").write_bytes(b"\xff\xd8 cut")
    with pytest.raises(EdgeError, match=f"^--{option}: none of its 9 photos can be read$"):
        opened(**{option: Path("broken")})
