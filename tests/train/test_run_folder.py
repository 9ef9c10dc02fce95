from __future__ import annotations

import csv
import json
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from edge_runtime.errors import OutputError
from edge_runtime.model.card import InputSpec, ModelCard
from train.data.samples import Problem, Sample
from train.errors import RunError

pytestmark = pytest.mark.tensorflow
keras = pytest.importorskip("keras")

ROOT = Path("run")
ARGUMENTS = {"data": "/photos", "epochs": 3, "classes": None, "learning-rate": 0.001}
PHOTOS = [
    Sample(Path(f"data/{split}/cat/{i}.png"), "cat", split, content=f"pixels of {split} {i}")
    for split in ("train", "val")
    for i in (1, 2)
]


def _run(resume: bool = False, **changed: Any) -> Any:
    from train.run_folder import RunFolder

    return RunFolder(ROOT, {**ARGUMENTS, **changed}, resume)


def test_nothing_is_written_before_the_photos_are_known() -> None:
    run = _run()
    assert not ROOT.exists()
    run.use(PHOTOS)
    assert sorted(p.name for p in (ROOT / "state").iterdir()) == [
        "arguments.json", "commits.txt", "photos.csv"
    ]  # fmt: skip


def test_run_goes_on_with_the_same_options_and_photos_in_any_order() -> None:
    _run().use(PHOTOS)
    _run(resume=True).use(PHOTOS[::-1])


def test_unfinished_run_is_not_begun_anew() -> None:
    _run().use(PHOTOS)
    with pytest.raises(RunError) as caught:
        _run()
    assert str(caught.value) == (
        "run: holds an unfinished run; add --resume to go on, or choose another --output"
    )


def test_run_does_not_go_on_with_other_options() -> None:
    _run().use(PHOTOS)
    with pytest.raises(RunError) as caught:
        _run(resume=True, epochs=4, classes=["cat"])
    assert str(caught.value) == (
        "run: the run there was started with another classes, epochs; resume with the same "
        "options and files"
    )


def test_finished_run_is_never_written_over() -> None:
    ROOT.mkdir()
    (ROOT / "model.keras").touch()
    for resume in (False, True):
        with pytest.raises(RunError, match=r"^run: holds a finished run; choose another --output$"):
            _run(resume)


@pytest.mark.parametrize(
    ("now", "how", "first"),
    [
        pytest.param([*PHOTOS, Sample(Path("data/a.png"), "cat", "train")], "1 new", "a.png",
                     id="new"),
        pytest.param(PHOTOS[2:], "2 gone", "train/cat/1.png", id="gone"),
        pytest.param([*PHOTOS[:3], replace(PHOTOS[3], split="train")], "1 changed",
                     "val/cat/2.png", id="in another split"),
        pytest.param([replace(s, label="dog") for s in PHOTOS], "4 changed", "train/cat/1.png",
                     id="another label, all of them"),
        pytest.param([*PHOTOS[:3], replace(PHOTOS[3], content="other pixels")], "1 changed",
                     "val/cat/2.png", id="another picture under the same name"),
        pytest.param([replace(PHOTOS[0], path=Path("data/z.png")), *PHOTOS[1:]], "1 new, 1 gone",
                     "train/cat/1.png", id="moved"),
    ],
)  # fmt: skip
def test_run_does_not_go_on_with_other_photos(now: list[Sample], how: str, first: str) -> None:
    _run().use(PHOTOS)
    before = (ROOT / "state/photos.csv").read_bytes()
    with pytest.raises(RunError) as caught:
        _run(resume=True).use(now)
    assert str(caught.value) == (
        f"run: the photos changed since the run was started ({how}; the first is "
        f"{Path.cwd() / 'data' / first}); put them back, or start anew with another --output"
    )
    assert (ROOT / "state/photos.csv").read_bytes() == before


def test_failure_after_the_model_was_written_removes_nothing() -> None:
    run = _run()
    run.use(PHOTOS)
    (ROOT / "faces").mkdir()
    (ROOT / "model.keras").touch()
    with pytest.raises(ValueError, match="a bug"), run.at_work():
        raise ValueError("a bug")
    assert (ROOT / "faces").exists()


@pytest.mark.parametrize("resume", [False, True])
def test_folder_of_something_else_is_not_written_into(resume: bool) -> None:
    (ROOT / "faces").mkdir(parents=True)
    (ROOT / "faces/anna.jpg").touch()
    with pytest.raises(RunError) as caught:
        _run(resume)
    assert str(caught.value) == "run: is not empty and holds no run; choose a new folder"


def test_commits_of_all_that_trained_are_kept(monkeypatch) -> None:
    for commit in ("aaa", "aaa", "bbb"):
        monkeypatch.setattr("train.run_folder._git_commit", lambda commit=commit: commit)
        run = _run(resume=True)
        run.begin()
    assert run.commits == ["aaa", "bbb"]


@pytest.mark.parametrize("file", ["card.json", "split.csv", "part.keras"])
def test_run_whose_disk_is_full_at_the_end_can_be_gone_on_with(monkeypatch, file: str) -> None:
    import train.run_folder as module

    def full(path: Path, *more: Any, **how: Any) -> None:
        if path.name == file:
            raise OutputError(f"{path}: cannot be written (No space left on device)")
        write(path, *more, **how)

    def no_room(self: Any, path: Path) -> None:
        path.write_bytes(b"half of")
        raise OSError(28, "No space left on device")

    write = module.write_whole
    with monkeypatch.context() as patch:
        patch.setattr(module, "write_whole", full)
        if file == "part.keras":
            patch.setattr(keras.Model, "save", no_room)
        with pytest.raises(RunError) as caught:
            _finish([])
    assert str(caught.value).endswith(
        "cannot be written (No space left on device); make room and go on with --resume"
    )
    assert not {"model.keras", "part.keras"} & {p.name for p in ROOT.iterdir()}
    _finish([])
    assert (ROOT / "model.keras").exists()


def test_empty_folder_is_as_good_as_none() -> None:
    ROOT.mkdir()
    _run().use(PHOTOS)


@pytest.mark.parametrize("trained", [False, True], ids=["no epoch", "an epoch"])
def test_run_that_trained_no_epoch_is_abandoned_without_a_trace(trained: bool) -> None:
    run = _run()
    run.use(PHOTOS)
    for made in ("faces/anna", "tensorboard/train"):
        (ROOT / made).mkdir(parents=True)
        (ROOT / made / "file").touch()
    if trained:
        (ROOT / "state/progress.json").touch()
    run.abandon()
    assert ROOT.exists() == trained
    assert (ROOT / "faces/anna/file").exists() == trained


def test_faces_cut_for_a_run_are_named_from_its_folder() -> None:
    run = _run()
    run.use(PHOTOS)
    crop = Sample(ROOT / "faces/anna/1.png", "anna", "train")
    _finish([], [crop, PHOTOS[2]])
    with (ROOT / "split.csv").open(newline="") as file:
        paths = [row["path"] for row in csv.DictReader(file)]
    assert paths == ["faces/anna/1.png", PHOTOS[2].path.resolve().as_posix()]


def test_place_that_cannot_be_written_is_one_line() -> None:
    ROOT.write_text("a file")
    with pytest.raises(RunError, match=r"^run: cannot be written \(.+\)$"):
        _run().use(PHOTOS)


def _finish(problems: list[Problem], samples: list[Sample] = PHOTOS) -> None:
    recipe = ModuleType("recipe")
    recipe.__file__ = str(Path("recipe_text.py").absolute())
    Path("recipe_text.py").write_text("RECIPE = 'the text'\n")
    sys.modules["recipe"] = recipe
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    card = ModelCard("cats", "classification", ("cat", "dog"), InputSpec(16, 16))
    run = _run(resume=True)
    run.use(PHOTOS)
    run.finish(model, card, samples, {"val": {"accuracy": 0.5}}, recipe, problems)


def test_finished_run_holds_all_that_is_promised(monkeypatch) -> None:
    monkeypatch.setattr(sys, "argv", ["train", "pets", "--data", "my photos", "--output", "run"])
    other = PHOTOS[0].path
    _finish(
        [
            Problem(Path("data/x.png"), "repeat", 'the "same", pixels', "cat", other),
            Problem(Path("data/y.png"), "near repeat", "alike", "dog", kept=True),
        ]
    )
    assert sorted(p.name for p in ROOT.iterdir()) == [
        "card.json", "command.txt", "metrics.json", "model.keras", "problems.csv", "recipe.py",
        "split.csv",
    ]  # fmt: skip
    assert (ROOT / "command.txt").read_text() == (
        "python -m train pets --data 'my photos' --output run\n"
    )
    assert (ROOT / "recipe.py").read_text() == "RECIPE = 'the text'\n"
    assert json.loads((ROOT / "metrics.json").read_text()) == {"val": {"accuracy": 0.5}}
    assert ModelCard.from_json((ROOT / "card.json").read_text(), "card").name == "cats"
    with (ROOT / "split.csv").open(newline="") as file:
        assert list(csv.DictReader(file)) == [
            {"path": s.path.resolve().as_posix(), "label": s.label, "split": s.split}
            for s in PHOTOS
        ]
    with (ROOT / "problems.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    here = Path.cwd()
    assert rows == [
        {"path": f"{here}/data/x.png", "kind": "repeat", "detail": 'the "same", pixels',
         "label": "cat", "other": f"{here}/{other}", "kept": "no"},
        {"path": f"{here}/data/y.png", "kind": "near repeat", "detail": "alike", "label": "dog",
         "other": "", "kept": "yes"},
    ]  # fmt: skip
    assert keras.saving.load_model(ROOT / "model.keras").input_shape == (None, 2)


def test_run_killed_while_the_model_is_written_is_still_unfinished(monkeypatch) -> None:
    class Killed(BaseException):
        pass

    def killed(self: Any, path: Path) -> None:
        path.write_bytes(b"half of")
        raise Killed

    monkeypatch.setattr(keras.Model, "save", killed)
    with pytest.raises(Killed):
        _finish([])
    assert not (ROOT / "model.keras").exists()
    _run(resume=True).use(PHOTOS)


def test_card_learns_no_folder_from_the_command_line(monkeypatch) -> None:
    from train.run_folder import command_line

    words = ["pets", "--data", "/home/anna/private/pets", "--epochs", "3"]
    monkeypatch.setattr(sys, "argv", ["train", *words, "--resume"])
    assert command_line(names_only=True) == "python -m train pets --data pets --epochs 3"
    assert "/home/anna/private/pets" in command_line()
