"""A real training of each recipe, at the smallest scale at which it can learn something."""

from __future__ import annotations

import csv
import json
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge_runtime.errors import EdgeError, ImageError, OptionError
from edge_runtime.model.card import InputSpec, ModelCard, Reject
from train.errors import DataError, RunError

pytestmark = pytest.mark.tensorflow
keras = pytest.importorskip("keras")


def draw_class_folders(
    root: Path, per_class: int = 30, names: tuple[str, str] = ("lying", "standing")
) -> None:
    """Write photos of two classes a small network tells apart: bars lying and bars standing."""
    rng = np.random.default_rng(0)
    for label in names:
        (root / label).mkdir(parents=True)
        for i in range(per_class):
            image = rng.integers(0, 60, (48, 48, 3)).astype(np.uint8)
            at = int(rng.integers(10, 32))
            part = np.s_[at : at + 6, :] if label == names[0] else np.s_[:, at : at + 6]
            image[part] = 230
            cv2.imwrite(str(root / label / f"{i:02d}.png"), image)


class CtrlC(keras.callbacks.Callback):
    """Press it when an epoch begins."""

    def __init__(self, epoch: int) -> None:
        super().__init__()
        self._at = epoch

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if epoch == self._at:
            raise KeyboardInterrupt


@contextmanager
def pressed_at(epoch: int) -> Iterator[None]:
    """Let somebody press Ctrl-C when an epoch begins."""
    fit = keras.Model.fit

    def interrupted(self: Any, *args: Any, callbacks: list[Any], **more: Any) -> Any:
        return fit(self, *args, callbacks=[*callbacks, CtrlC(epoch)], **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras.Model, "fit", interrupted)
        yield


@pytest.fixture(scope="module", autouse=True)
def _float32() -> Iterator[None]:
    """Leave the arithmetic of other tests as it was."""
    from tensorflow.python.framework import config

    before = keras.config.dtype_policy()
    yield
    keras.config.set_dtype_policy(before)
    config.disable_op_determinism()


@pytest.fixture(scope="module")
def train() -> Callable[..., Path]:
    """Train a recipe as its command does; returns the run folder."""
    from importlib import import_module

    from train.classifier import train_classifier
    from train.options import TrainOptions

    def run(recipe: str, data: Path, output: Path, **options: Any) -> Path:
        module = import_module(f"train.recipes.{recipe}")
        chosen = TrainOptions(data, output, **{"precision": "float32", **options})
        train_classifier(module.RECIPE, module, chosen)
        return output

    return run


def read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def answers_on(run: Path, split: str) -> tuple[np.ndarray, np.ndarray, ModelCard]:
    """Ask the model of a run about its photos of a split; scores, truths, card."""
    from edge_runtime.media.image import read_for
    from edge_runtime.model.preprocess import preprocess

    card = ModelCard.from_json((run / "card.json").read_text(), "card.json")
    rows = [row for row in read_rows(run / "split.csv") if row["split"] == split]
    photos = np.stack(
        [preprocess(read_for(Path(r["path"]), card.input).image_bgr, card.input) for r in rows]
    )
    out = keras.saving.load_model(run / "model.keras", compile=False)(photos, training=False)
    scores = np.asarray(out["scores"] if isinstance(out, dict) else out)
    return scores, np.array([card.labels.index(r["label"]) for r in rows]), card


def smoothed_loss(scores: np.ndarray, truth: np.ndarray, power: float = 1.0) -> float:
    """Loss of what the temperature is found by, with the scores' logits multiplied."""
    powered = scores.astype(float) ** power
    logs = np.log(powered / powered.sum(1, keepdims=True))
    n, classes = scores.shape
    target = np.full((n, classes), 1 / (n + 2) / (classes - 1))
    target[np.arange(n), truth] = (n + 1) / (n + 2)
    return float(-(target * logs).sum(1).mean())


def check_scores_are_set_right_and_told(run: Path) -> None:
    """The folded temperature is the best one, and all figures are those of the saved model."""
    from edge_runtime.measure.calibration import temperature
    from edge_runtime.measure.scoring import score_report

    metrics = json.loads((run / "metrics.json").read_text())
    assert set(metrics) == {"val", "test"}
    for split, figures in metrics.items():
        scores, truth, card = answers_on(run, split)
        below = None if card.reject is None else card.reject.below
        expected = json.loads(json.dumps(score_report(scores, truth, card.labels, below)))
        assert figures["n"] == len(truth)
        for name in ("accuracy", "interval", "precision", "recall", "confusion", "said"):
            assert figures[name] == expected[name], (split, name)
    scores, truth, card = answers_on(run, "val")
    assert temperature(scores, truth) == pytest.approx(1, rel=0.02)
    before = card.provenance["temperature"]
    assert before != 1
    assert smoothed_loss(scores, truth) <= smoothed_loss(scores, truth, before) + 1e-9


# Expression: from scratch, with Ctrl-C in between


@pytest.fixture(scope="module")
def bars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("bars") / "bars"
    draw_class_folders(data)
    (data / "lying" / "broken.png").write_bytes(b"<html>")
    (data / "lying" / "again.png").write_bytes((data / "lying" / "03.png").read_bytes())
    return data


BARS = {
    "name": "bars", "architecture": "seed", "size": 24, "epochs": 4, "seed": 1,
    "batch": 16, "deterministic": True,
}  # fmt: skip


@pytest.fixture(scope="module")
def expression(train, bars: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("expression") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("train.classifier.withhold_below", lambda scores, truth: 0.625)
        patch.setattr(sys, "argv", ["train", "expression", "--data", str(bars)])
        return train("expression", bars, run, **BARS)


def test_expression_recipe_learns_two_classes_and_writes_a_whole_run_folder(
    expression: Path, bars: Path
) -> None:
    assert sorted(p.name for p in expression.iterdir()) == [
        "card.json", "command.txt", "history.csv", "metrics.json", "model.keras", "problems.csv",
        "recipe.py", "report.html", "split.csv", "tensorboard",
    ]  # fmt: skip
    card = ModelCard.from_json((expression / "card.json").read_text(), "card.json")
    assert (card.name, card.task, card.labels) == ("bars", "classification", ("lying", "standing"))
    assert (card.input.height_px, card.input.width_px, card.input.region) == (24, 24, "face")
    said = {k: card.provenance[k] for k in ("recipe", "architecture", "epochs", "seed", "data")}
    assert said == {
        "recipe": "train/recipes/expression.py", "architecture": "seed", "epochs": 4, "seed": 1,
        "data": "bars",
    }  # fmt: skip
    rows = read_rows(expression / "split.csv")
    assert Counter(r["split"] for r in rows) == {"train": 44, "val": 8, "test": 8}
    assert [(Path(r["path"]).name, r["kind"], r["kept"]) for r in
            read_rows(expression / "problems.csv")] == [
        ("broken.png", "not a photo", "no"), ("again.png", "repeat", "no")
    ]  # fmt: skip
    history = read_rows(expression / "history.csv")
    assert [int(r["epoch"]) for r in history] == [0, 1, 2, 3]
    assert float(history[-1]["loss"]) < 0.8 * float(history[0]["loss"])
    assert "seed_expression" in (expression / "recipe.py").read_text()
    assert (expression / "command.txt").read_text() == (
        f"python -m train expression --data {bars}\n"
    )
    assert str(bars) not in (expression / "card.json").read_text()


def test_scores_of_expression_mean_what_they_say_and_weak_ones_are_withheld(
    expression: Path,
) -> None:
    check_scores_are_set_right_and_told(expression)
    card = ModelCard.from_json((expression / "card.json").read_text(), "card.json")
    assert card.reject == Reject("probability", 0.625)
    metrics = json.loads((expression / "metrics.json").read_text())
    assert metrics["test"]["said"]["below"] == 0.625


def test_page_of_expression_shows_its_curves_and_its_problems(expression: Path) -> None:
    page = (expression / "report.html").read_text("utf-8")
    assert page.count("<polyline") == 4
    assert "not a photo: 1 left out" in page
    assert "repeat: 1 left out" in page
    assert "Below a score of 0.62 the answer is" in page


def test_interrupted_run_says_how_to_go_on_and_comes_out_the_same(
    train, bars: Path, expression: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    message = (
        f"interrupted after epoch 2 of 4; go on with the same options and --output {run} --resume"
    )
    with pressed_at(2), pytest.raises(RunError) as caught:
        train("expression", bars, run, **BARS)
    assert str(caught.value) == message
    assert not (run / "model.keras").exists()
    assert [r["epoch"] for r in read_rows(run / "history.csv")] == ["0", "1"]

    with pytest.raises(RunError, match="unfinished run; add --resume"):
        train("expression", bars, run, **BARS)
    with pytest.raises(RunError, match="another epochs, seed; resume with the same options"):
        train("expression", bars, run, resume=True, **{**BARS, "epochs": 5, "seed": 2})
    moved = tmp_path / "bars"
    shutil.copytree(bars, moved)
    with pytest.raises(RunError, match="another data; resume with the same options"):
        train("expression", moved, run, resume=True, **BARS)

    train("expression", bars, run, resume=True, **BARS)
    assert (run / "history.csv").read_text() == (expression / "history.csv").read_text()
    found, expected = (
        keras.saving.load_model(folder / "model.keras", compile=False).get_weights()
        for folder in (run, expression)
    )
    for weight, then in zip(found, expected, strict=True):
        np.testing.assert_array_equal(weight, then)
    with pytest.raises(RunError, match="holds a finished run"):
        train("expression", bars, run, resume=True, **BARS)


def test_photo_that_is_another_stops_a_resume(train, tmp_path: Path) -> None:
    draw_class_folders(tmp_path / "data", per_class=10)
    options = {"architecture": "seed", "size": 24, "epochs": 2}
    with pressed_at(1), pytest.raises(RunError):
        train("expression", tmp_path / "data", tmp_path / "run", **options)
    first = min((tmp_path / "data" / "lying").iterdir())
    whole = first.read_bytes()
    cv2.imwrite(str(first), 255 - cv2.imread(str(first)))
    changed = rf"the photos changed since the run was started \(1 changed; the first is {first}\)"
    with pytest.raises(RunError, match=changed):
        train("expression", tmp_path / "data", tmp_path / "run", resume=True, **options)
    first.write_bytes(b"")
    with pytest.raises(RunError, match=r"since the run was started \(.*1 gone"):
        train("expression", tmp_path / "data", tmp_path / "run", resume=True, **options)
    first.write_bytes(whole)
    train("expression", tmp_path / "data", tmp_path / "run", resume=True, **options)


# Pets: a backbone with a new head


def draw_warm_and_cold(root: Path, photo: Callable[..., np.ndarray], per_class: int = 20) -> None:
    """Write cats, which are warm, and dogs, which are cold: color survives a random network."""
    for label, color, first in (("cats", (20, 60, 190), 0), ("dogs", (190, 60, 20), 100)):
        (root / label).mkdir(parents=True)
        for i in range(per_class):
            image = photo(first + i) * 0.2 + np.array(color)
            cv2.imwrite(str(root / label / f"{i:02d}.png"), image.astype(np.uint8))


def backbone_file(folder: Path) -> Path:
    """Write weights of a backbone that has seen the world, if only a few photos of it."""
    keras.utils.set_random_seed(0)
    model = keras.applications.MobileNet((32, 32, 3), alpha=0.25, include_top=False, weights=None)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    paths = sorted((folder / "data").rglob("*.png"))
    photos = np.stack([cv2.resize(cv2.imread(str(path)), (32, 32))[..., ::-1] for path in paths])
    model(photos / np.float32(127.5) - 1, training=True)
    model.save_weights(folder / "some.weights.h5")
    return folder / "some.weights.h5"


def test_pets_recipe_fits_a_backbone_and_writes_a_whole_run_folder(
    train, photo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw_warm_and_cold(tmp_path / "data", photo)
    monkeypatch.setattr("train.classifier.withhold_below", lambda scores, truth: None)
    run = train(
        "pets", tmp_path / "data", tmp_path / "run", backbone="mobilenet-0.25",
        weights=str(backbone_file(tmp_path)), size=32, epochs=1, batch=16, learning_rate=1e-6,
    )  # fmt: skip
    card = ModelCard.from_json((run / "card.json").read_text(), "card.json")
    assert (card.name, card.labels, card.reject) == ("pets", ("cat", "dog"), None)
    assert card.input == InputSpec(32, 32)
    assert card.provenance["backbone"] == "mobilenet-0.25"
    assert card.provenance["weights"] == "some.weights.h5"
    assert (run / "report.html").is_file()
    assert len(read_rows(run / "history.csv")) == 1
    assert {r["label"] for r in read_rows(run / "split.csv")} == {"cat", "dog"}
    assert not (run / "state").exists()
    check_scores_are_set_right_and_told(run)
    scores, truth, _ = answers_on(run, "train")
    assert (scores.argmax(1) == truth).mean() > 0.8
    model = keras.saving.load_model(run / "model.keras", compile=False)
    assert model.input.dtype == "uint8"
    assert {w.dtype for w in model.weights} == {"float32"}


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["objects", "pets", "imagenette", "dogs"])
def test_vgg16_takes_the_backbone_s_place(train, recipe: str, tmp_path: Path) -> None:
    """As the notebooks had it, without ImageNet's weights, which are not at hand."""
    classes = ("lying", "standing")
    draw_class_folders(tmp_path / "data", 8, classes)
    run = train(
        recipe, tmp_path / "data", tmp_path / "run", architecture="transfer",
        backbone="vgg16", weights="none", size=32, epochs=1, batch=4,
    )  # fmt: skip
    card = ModelCard.from_json((run / "card.json").read_text(), "card.json")
    assert (card.provenance["backbone"], card.provenance["weights"]) == ("vgg16", "none")
    model = keras.saving.load_model(run / "model.keras", compile=False)
    scores = np.asarray(model(np.zeros((1, 32, 32, 3), np.uint8)))
    assert scores.shape == (1, 2)
    assert scores.sum() == pytest.approx(1, abs=1e-4)


def test_pets_interrupted_and_gone_on_with_come_out_the_same(
    train, photo, tmp_path: Path, monkeypatch
) -> None:
    """Its head, trained before the first epoch, is in the checkpoint and not trained again."""
    draw_warm_and_cold(tmp_path / "data", photo)
    options = {
        "backbone": "mobilenet-0.25", "weights": str(backbone_file(tmp_path)), "size": 32,
        "epochs": 3, "batch": 16, "deterministic": True,
    }  # fmt: skip
    whole = train("pets", tmp_path / "data", tmp_path / "whole", **options)
    with pressed_at(1), pytest.raises(RunError, match="interrupted after epoch 1 of 3"):
        train("pets", tmp_path / "data", tmp_path / "parts", **options)
    monkeypatch.delattr("train.softmax.train_head")
    parts = train("pets", tmp_path / "data", tmp_path / "parts", resume=True, **options)
    assert (parts / "history.csv").read_text() == (whole / "history.csv").read_text()
    assert (parts / "metrics.json").read_text() == (whole / "metrics.json").read_text()


# What training is given


class Given(Exception):  # noqa: N818
    """Carries the job out of a training that is not wanted."""


@pytest.fixture
def job_of(monkeypatch: pytest.MonkeyPatch, train, tmp_path: Path) -> Callable[..., Any]:
    """Return what a recipe would train on, without training."""

    def stop(job: Any) -> None:
        raise Given(job)

    monkeypatch.setattr("train.classifier.train_softmax", stop)
    monkeypatch.setattr("train.classifier.train_identity", stop)

    def run(recipe: str, data: Path, **options: Any) -> Any:
        with pytest.raises(Given) as caught:
            train(recipe, data, tmp_path / "run", **options)
        return caught.value.args[0]

    return run


def test_options_take_the_place_of_the_plans_own(job_of, bars: Path) -> None:
    from train.recipes.expression import RECIPE

    job = job_of(
        "expression", bars, epochs=3, batch=7, learning_rate=0.5, size=40, architecture="seed"
    )
    plan, own = job.plan, RECIPE.plans["seed"]
    assert (plan.epochs, plan.batch, plan.learning_rate, plan.size_px) == (3, 7, 0.5, 40)
    assert (plan.optimizer, plan.schedule, plan.network) == (
        own.optimizer, own.schedule, own.network
    )  # fmt: skip
    assert (job.spec.height_px, job.spec.width_px) == (40, 40)


def test_first_architecture_of_a_recipe_is_its_default(job_of, bars: Path) -> None:
    from train.recipes.expression import RECIPE

    assert job_of("expression", bars).plan == RECIPE.plans["residual"]


def test_labels_come_in_the_order_asked_for_else_in_that_of_the_alphabet(
    job_of, bars: Path, tmp_path: Path
) -> None:
    assert job_of("expression", bars).labels == ("lying", "standing")
    asked = job_of("expression", bars, classes=("standing", "lying"))
    assert asked.labels == ("standing", "lying")
    assert asked.targets[:, 0].tolist() == [
        float(s.label == "standing") for s in asked.dataset.of("train")
    ]


@pytest.mark.parametrize(
    ("balance", "weights"),
    [
        ("none", None),
        # 28 lying, 7 standing: a standing one counts for 4 (or 2) lying ones, in the mean 1.
        ("full", {"lying": 35 / 56, "standing": 4 * 35 / 56}),
        ("sqrt", {"lying": 35 / 42, "standing": 2 * 35 / 42}),
    ],
)
def test_rare_classes_count_more_where_asked_for(
    job_of, tmp_path: Path, balance: str, weights: dict[str, float] | None
) -> None:
    draw_class_folders(tmp_path / "data", per_class=40)
    for path in sorted((tmp_path / "data" / "standing").iterdir())[9:]:
        path.unlink()
    job = job_of("expression", tmp_path / "data", balance=balance)
    train = job.dataset.of("train")
    assert Counter(s.label for s in train) == {"lying": 28, "standing": 7}
    if weights is None:
        assert job.weights is None
    else:
        assert job.weights == pytest.approx(np.array([weights[s.label] for s in train]), rel=1e-5)
        assert job.weights.mean() == pytest.approx(1)


def test_votes_are_given_beside_the_labels(job_of, bars: Path, tmp_path: Path) -> None:
    (tmp_path / "votes.csv").write_text(
        "file,lying,standing\n" + "".join(f"lying/{i:02}.png,1,3\n" for i in range(30))
    )
    job = job_of("expression", bars, votes=tmp_path / "votes.csv")
    for sample, voted in zip(job.dataset.of("train"), job.votes, strict=True):
        assert voted == pytest.approx([0.25, 0.75] if sample.label == "lying" else [0, 1])
    assert job.targets[:, 0].tolist() == [
        float(s.label == "lying") for s in job.dataset.of("train")
    ]


def test_folders_of_pets_may_be_called_in_the_plural(job_of, tmp_path: Path) -> None:
    draw_class_folders(tmp_path / "data", per_class=8, names=("cats", "dogs"))
    assert job_of("pets", tmp_path / "data").labels == ("cat", "dog")


# What is refused before anything is written


def test_typo_in_the_data_costs_no_run_folder(train, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        train("expression", tmp_path / "typo", tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("recipe", "options", "says"),
    [
        pytest.param("pets", {"weights": "typo.h5"},
                     "--weights typo.h5: no such file; expected imagenet, none or a file",
                     id="weights"),
        pytest.param("pets", {"weights": "shipped"},
                     "--weights shipped: an exported model starts faces alone; take imagenet, none "
                     "or a file of Keras weights", id="weights of a face model"),
        pytest.param("faces", {"weights": "typo.onnx"}, "typo.onnx: no such file, and no shipped",
                     id="exported weights"),
        pytest.param("pets", {"backbone": "resnet"}, "--backbone resnet: expected one of mobilenet",
                     id="backbone"),
        pytest.param("pets", {"size": 16}, "--size 16: mobilenet-0.75 needs 32 px or more",
                     id="size"),
        pytest.param("expression", {"votes": Path("typo.csv")},
                     "typo.csv: cannot be read (No such file or directory)", id="votes"),
        pytest.param("faces", {"architecture": "identity", "background": Path("typo")},
                     "--background typo: no such folder; it wants one with a folder a class",
                     id="background"),
        pytest.param("pets", {"classes": ("cat", "dog", "cat")},
                     "--classes cat,dog,cat: cat is there twice", id="a class twice"),
        pytest.param("pets", {"classes": ("cat", "cats")}, "--classes cat,cats: cat is there twice",
                     id="two names of a class"),
    ],
)  # fmt: skip
def test_wrong_option_is_refused_before_a_photo_is_read(
    train, bars: Path, tmp_path: Path, monkeypatch, recipe: str, options: dict[str, Any], says: str
) -> None:
    monkeypatch.setattr("train.classifier.read_dataset", None)
    with pytest.raises(EdgeError) as caught:
        train(recipe, bars, tmp_path / "run", **options)
    assert str(caught.value).startswith(says)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("place", [".", "run", "lying/run"])
def test_run_folder_among_the_classes_is_refused(train, tmp_path: Path, place: str) -> None:
    data = tmp_path / "data"
    draw_class_folders(data, per_class=8)
    with pytest.raises(OptionError) as caught:
        train("expression", data, data / place)
    assert str(caught.value) == (
        f"--output {data / place}: lies in --data {data}, whose folders are classes; choose a "
        "place beside it"
    )
    assert {p.name for p in data.iterdir()} == {"lying", "standing"}


def test_ctrl_c_outside_of_the_epochs_says_how_to_go_on(
    train, bars: Path, tmp_path: Path, monkeypatch
) -> None:
    def pressed(*given: Any) -> None:
        raise KeyboardInterrupt

    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr("train.classifier.train_softmax", pressed)
        with pytest.raises(RunError) as caught:
            train("expression", bars, run, **BARS)
    assert str(caught.value) == (
        f"interrupted; go on with the same options and --output {run} --resume"
    )
    with monkeypatch.context() as patch:
        patch.setattr("train.classifier.write_report", pressed)
        with pytest.raises(RunError) as caught:
            train("expression", bars, run, resume=True, **BARS)
    assert str(caught.value) == (
        f"interrupted when only the report was missing: python -m train report {run}"
    )
    assert (run / "model.keras").exists()


def test_votes_that_changed_stop_a_resume(train, bars: Path, tmp_path: Path) -> None:
    votes, run = tmp_path / "votes.csv", tmp_path / "run"
    votes.write_text("file,lying,standing\nlying/00.png,9,1\n")
    with pressed_at(1), pytest.raises(RunError):
        train("expression", bars, run, votes=votes, **BARS)
    votes.write_text("file,lying,standing\nlying/00.png,1,9\n")
    with pytest.raises(RunError, match=r"was started with another votes; resume with the same op"):
        train("expression", bars, run, votes=votes, resume=True, **BARS)


def test_three_photos_a_class_are_refused_before_training(train, tmp_path: Path) -> None:
    draw_class_folders(tmp_path / "data", per_class=3)
    with pytest.raises(DataError, match="3 usable photo\\(s\\) and none of them to validate on"):
        train("expression", tmp_path / "data", tmp_path / "run", size=32)
    assert not (tmp_path / "run").exists()


def test_table_of_votes_that_is_wrong_is_refused(train, bars: Path, tmp_path: Path) -> None:
    (tmp_path / "votes.csv").write_text("file,lying\n")
    with pytest.raises(DataError, match="no column standing"):
        train("expression", bars, tmp_path / "run", votes=tmp_path / "votes.csv")


def test_votes_that_give_way_over_all_epochs_do_not_go_with_stopping_early(
    train, bars: Path, tmp_path: Path
) -> None:
    with pytest.raises(OptionError, match=r"^--patience: votes give way .* a smaller --epochs$"):
        train("expression", bars, tmp_path / "run", votes=tmp_path / "votes.csv", patience=3)


# The detector


def test_targets_put_each_face_on_the_stride_of_its_size() -> None:
    from edge_runtime.model.card import InputSpec
    from train.data.face_targets import targets
    from train.data.scene_faces import Face
    from train.networks.face_detector import cell_centers

    spec = InputSpec(256, 320)
    small = Face(np.array([100, 100, 120, 124], np.float32), None, True)
    large = Face(np.array([150, 20, 290, 200], np.float32), np.ones((5, 2), np.float32), True)
    ignored = Face(np.array([10, 10, 40, 40], np.float32), None, False)
    cells = targets([small, large, ignored], spec)
    centers, strides = cell_centers(spec)
    kinds = cells[:, 0]
    of_small = (kinds == 1) & (cells[:, 1] == 100)
    of_large = (kinds == 1) & (cells[:, 1] == 150)
    assert set(strides[of_small, 0]) == {8}
    assert set(strides[of_large, 0]) == {32}
    assert (np.abs(centers[of_small] - (110, 112)).max(1) <= 1.1 * 8).all()
    assert cells[of_small, 15].max() == 0
    assert cells[of_large, 15].min() == 1
    inside = ((centers > (10, 10)) & (centers < (40, 40))).all(1)
    assert (kinds[inside] == -1).all()


def test_decoded_boxes_and_landmarks_are_what_the_targets_mean() -> None:
    """The loss is near zero where the network answers the face itself, and not elsewhere."""
    import keras
    from keras import ops

    from edge_runtime.model.card import InputSpec
    from train.data.face_targets import targets
    from train.data.scene_faces import Face
    from train.networks.detector_loss import DetectorLoss
    from train.networks.face_detector import cell_centers, decoded_model, points_in_box

    spec = InputSpec(64, 64)
    points = np.array([[26, 30], [37, 27], [33, 36], [30, 43], [39, 40]], np.float32)
    box = np.array([20, 18, 44, 50], np.float32)
    cells = targets([Face(box, points, True)], spec)
    centers, strides = cell_centers(spec)
    held = cells[:, 0] == 1
    raw = np.zeros((1, len(cells), 15), np.float32)
    raw[..., 0] = np.where(held, 12.0, -12.0)
    raw[0, held, 1:3] = np.log((centers[held] - box[:2]) / strides[held])
    raw[0, held, 3:5] = np.log((box[2:] - centers[held]) / strides[held])
    upright, spread = points_in_box(0.0), points_in_box(1.0) - points_in_box(0.0)
    raw[0, held, 5:] = (((points - box[:2]) / (box[2:] - box[:2])).ravel() - upright) / spread

    image = keras.Input((64, 64, 3), dtype="uint8")
    nothing = ops.cast(ops.max(image, axis=(1, 2, 3)), "float32")[:, None, None] * 0.0
    parts = [nothing + part for part in np.split(raw, (1, 5), axis=-1)]
    answers = keras.layers.Concatenate(name="raw")(parts)
    answer = decoded_model(keras.Model(image, answers), spec)(np.zeros((1, 64, 64, 3)))
    found = [np.asarray(answer[name])[0, held] for name in ("boxes", "landmarks")]
    for seen, meant in zip(found, (box, points.ravel()), strict=True):
        np.testing.assert_allclose(seen, np.tile(meant, (held.sum(), 1)), atol=1e-3)

    loss = DetectorLoss(spec)
    assert float(loss(cells[None], raw)) < 1e-3
    for channels, by in ((slice(1, 5), 0.5), (slice(5, 15), 2.0)):
        off = raw.copy()
        off[0, held, channels] += by
        assert float(loss(cells[None], off)) > 0.1


def test_landmarks_count_in_each_epoch_as_much_as_is_said() -> None:
    from edge_runtime.model.card import InputSpec
    from train.data.face_targets import SceneBatches
    from train.data.scene_faces import Face

    class OneFace:
        def scene(self, rng: np.random.Generator) -> tuple[np.ndarray, list[Face]]:
            box = np.array([20, 18, 44, 50], np.float32)
            return np.zeros((64, 64, 3), np.uint8), [Face(box, box[None, :2].repeat(5, 0), True)]

    batches = SceneBatches(OneFace(), InputSpec(64, 64), 2, 3, 0, lambda epoch: 10.0 - epoch)
    for epoch in (0, 4):
        batches.start_at(epoch)
        cells = batches[0][1]
        held = cells[..., 0] == 1
        assert set(cells[held, 15]) == {10.0 - epoch}
        assert set(cells[~held, 15]) == {0.0}


def test_scenes_that_were_seen_before_are_not_shown_again() -> None:
    from train.data.face_targets import SceneBatches

    class Drawn:
        def scene(self, rng: np.random.Generator) -> tuple[np.ndarray, list[Any]]:
            return rng.integers(0, 256, (64, 64, 3)).astype(np.uint8), []

    def shown(epoch: int, seen: int) -> bytes:
        batches = SceneBatches(Drawn(), InputSpec(64, 64), 2, 3, 0, lambda epoch: 1.0, seen)
        batches.start_at(epoch)
        return b"".join(batches[i][0].tobytes() for i in range(3))

    assert shown(2, 80) == shown(82, 0)
    assert len({shown(0, 0), shown(0, 80), shown(1, 80), shown(0, 81)}) == 3


@pytest.fixture
def train_detector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Train a detector for two steps, on noise."""
    from train.recipes import detector

    rng = np.random.default_rng(0)
    for folder in ("boxes/images", "people/images", "portraits", "faceless"):
        (tmp_path / folder).mkdir(parents=True)
    for folder in ("boxes", "people"):
        entries = []
        for i in range(10):
            photo = rng.integers(0, 256, (240, 320, 3)).astype(np.uint8)
            cv2.imwrite(str(tmp_path / folder / "images" / f"{i}.png"), photo)
            entries.append({"file": f"{i}.png", "boxes": [{"xyxy_px": [100, 60, 180, 160]}]})
            if folder == "people":
                entries[-1]["boxes"][0]["marked"] = 0.9 - i / 10
        (tmp_path / folder / "annotations.json").write_text(json.dumps(entries))
    for folder, side in (("portraits", 112), ("faceless", 144)):
        picture = rng.integers(0, 256, (side, side, 3)).astype(np.uint8)
        cv2.imwrite(str(tmp_path / folder / "0.png"), picture)
    monkeypatch.setattr(detector, "STEPS_PER_EPOCH", 2)
    monkeypatch.setattr(detector, "BATCH", 2)
    monkeypatch.setattr(sys, "argv", ["train", "detector", "--boxes", "/photos/boxes"])

    def run(epochs: int | None = 1, **options: Any) -> Path:
        detector.train_detector(
            tmp_path / "boxes", tmp_path / "portraits", [tmp_path / "faceless"], tmp_path / "run",
            people=tmp_path / "people", epochs=epochs, **options,
        )  # fmt: skip
        return tmp_path / "run"

    return run


def test_detector_interrupted_outside_of_the_epochs_says_how_to_go_on(
    train_detector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pressed(*given: Any) -> None:
        raise KeyboardInterrupt

    go_on = f"interrupted; go on with the same options and --output {tmp_path}/run --resume"
    for place in ("SceneBatches", "decoded_model"):
        with monkeypatch.context() as patch:
            patch.setattr(f"train.recipes.detector.{place}", pressed)
            with pytest.raises(RunError) as caught:
                train_detector(resume=place == "decoded_model")
        assert str(caught.value) == go_on
    assert (train_detector(resume=True) / "model.keras").exists()


def test_detector_does_not_go_on_with_other_marks(
    train_detector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pressed(*given: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("train.recipes.detector.SceneBatches", pressed)
        with pytest.raises(RunError):
            train_detector()
    index = tmp_path / "people" / "annotations.json"
    entries = json.loads(index.read_text())
    entries[9]["boxes"][0]["marked"] = 0.1  # ignored, as it was
    index.write_text(json.dumps(entries))
    with pytest.raises(RunError, match="annotations"):
        train_detector(resume=True)


@pytest.mark.parametrize(
    ("photos", "boxes", "says"),
    [
        (3, [100, 60, 180, 160], "of 3 annotated photos 0 came to val, and no face of 24 px"),
        (10, [100, 60, 120, 160], "of 10 annotated photos 7 came to train, and no face of 24 px"),
        (0, [], "of 0 annotated photos 0 came to train, and no face of 24 px"),
    ],
)
def test_detector_needs_a_face_in_each_split(
    train_detector, tmp_path: Path, photos: int, boxes: list[int], says: str
) -> None:
    entries = [{"file": f"{i}.png", "boxes": [{"xyxy_px": boxes}]} for i in range(photos)]
    (tmp_path / "boxes" / "annotations.json").write_text(json.dumps(entries))
    with pytest.raises(DataError, match=says):
        train_detector()
    assert not (tmp_path / "run").exists()


def test_detector_can_begin_anew_once_a_picture_is_mended(train_detector, tmp_path: Path) -> None:
    photo = tmp_path / "boxes" / "images" / "0.png"
    whole = photo.read_bytes()
    photo.write_bytes(whole[:100])
    with pytest.raises(ImageError, match=r"0\.png: "):
        train_detector()
    photo.write_bytes(whole)
    assert (train_detector() / "model.keras").exists()


def test_detector_that_goes_on_knows_a_face_after_two_steps_on_noise(train_detector) -> None:
    from edge_runtime.faces.detector import found_faces
    from edge_runtime.media.sources import open_source
    from edge_runtime.model.catalog import find_model
    from edge_runtime.model.onnx_file import load_model_file
    from edge_runtime.model.preprocess import preprocess
    from train.recipes.detector import INPUT

    run = train_detector(weights="shipped")
    frame = open_source("demo").read().image_bgr
    model = keras.saving.load_model(run / "model.keras", compile=False)
    out = model(preprocess(frame, INPUT)[None], training=False)
    answer = {name: np.asarray(value) for name, value in out.items()}
    assert len(found_faces(answer, frame, INPUT, 0.5)) == 1
    card = ModelCard.from_json((run / "card.json").read_text(), "card.json")
    assert card.provenance["weights"] == "detector.onnx"
    shipped = load_model_file(find_model("detector")).card
    assert card.provenance["weights_provenance"] == shipped.provenance


@pytest.mark.parametrize(
    ("weights", "epochs", "peak", "landmarks"),
    [("none", 80, 4e-3, (10.0, 1.0)), ("shipped", 40, 1e-3, (2.0, 2.0))],
)
def test_detectors_pace_depends_on_what_it_begins_with(
    train_detector, monkeypatch: pytest.MonkeyPatch, weights: str, epochs: int, peak: float,
    landmarks: tuple[float, float],
) -> None:  # fmt: skip
    from train.recipes import detector

    def looked_at(model: Any, batches: Any, val: None, asked: int, run: Any) -> None:
        assert asked == epochs
        rates = [float(model.optimizer._learning_rate(step)) for step in range(2 * asked)]
        assert max(rates) == pytest.approx(peak, rel=0.05)
        first, then = landmarks
        in_between = (0, epochs // 2 - 1, epochs // 2, epochs - 1)
        assert [batches._landmarks(e) for e in in_between] == [first, first, then, then]
        raise RunError("looked at")

    monkeypatch.setattr(detector, "fit", looked_at)
    with pytest.raises(RunError, match="looked at"):
        train_detector(epochs=None, weights=weights)


def test_detector_is_shown_no_scenes_of_any_training_before(
    train_detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    from train.recipes import detector

    first = {"epochs": 80, "seed": 0}
    between = {"epochs": 7, "seed": 0, "weights_provenance": first}
    origin = {"epochs": 40, "seed": 0, "weights_provenance": between}

    def looked_at(*given: Any) -> None:
        assert given[-1] == 127
        raise RunError("looked at")

    monkeypatch.setattr(detector, "_load", lambda *given: origin)
    monkeypatch.setattr(detector, "SceneBatches", looked_at)
    with pytest.raises(RunError, match="looked at"):
        train_detector(weights="shipped")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"weights": "shipped", "seed": 3}, r"detector\.onnx: was trained with --seed 0, and may"),
        ({"weights": "faces"}, r"faces\.onnx: is no detector but a model for identity"),
        ({"weights": "gone.onnx"}, "gone.onnx: no such file"),
    ],
)
def test_detector_does_not_go_on_from_what_it_cannot(
    train_detector, tmp_path: Path, options: dict[str, Any], says: str
) -> None:
    with pytest.raises(EdgeError, match=says):
        train_detector(**options)
    assert not (tmp_path / "run").exists()


def test_detector_recipe_writes_a_run_folder_that_exports(train_detector, tmp_path: Path) -> None:
    """Two steps of training find nothing; that every part fits the next is what is looked at."""
    from edge_runtime.model.session import SessionOptions, open_session
    from export.options import ExportOptions
    from export.pipeline import export_model

    run = train_detector()
    with (run / "split.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [r["split"] for r in rows].count("train") == 7
    assert {r["label"] for r in rows} == {"100 60 180 160"}
    metrics = json.loads((run / "metrics.json").read_text())
    assert (metrics["val"]["faces"], metrics["test"]["faces"]) == (1, 2)
    card = ModelCard.from_json((run / "card.json").read_text(), "card.json")
    assert card.provenance["data"].endswith("people (people); faces marked by YuNet (MIT)")
    assert card.provenance["command"] == "python -m train detector --boxes boxes"
    assert card.provenance["minutes"] >= 0

    target = tmp_path / "detector.onnx"
    options = ExportOptions(precision="fp32", calibration_photos=2)
    export_model(run, target, options, lambda line: None)
    session = open_session(target, SessionOptions("cpu", 1))
    photo = np.random.default_rng(1).integers(0, 256, (1, 256, 320, 3)).astype(np.uint8)
    answer = session.run(photo)
    cells = 32 * 40 + 16 * 20 + 8 * 10
    shapes = {name: value.shape for name, value in answer.items()}
    assert shapes == {"scores": (1, cells), "boxes": (1, cells, 4), "landmarks": (1, cells, 10)}
    assert answer["scores"].min() > 0
    assert answer["scores"].max() < 1
    assert (answer["boxes"][..., 2:] > answer["boxes"][..., :2]).all()
