"""A run that was stopped and went on is, in every number, the run that never stopped."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_runtime.errors import OutputError
from edge_runtime.model.card import InputSpec
from train.data.samples import Sample
from train.errors import RunError

pytestmark = pytest.mark.tensorflow
keras = pytest.importorskip("keras")

EPOCHS, BATCH, PHOTOS, SEED = 4, 8, 20, 5
SPEC = InputSpec(16, 16)
RUN = Path("run")

CONFIGS: dict[str, dict[str, Any]] = {
    "sgd": {"optimizer": "sgd", "learning_rate": 0.2},
    "muon": {"optimizer": "muon", "learning_rate": 0.2},
    "sgd averaged": {"optimizer": "sgd", "learning_rate": 0.2, "ema": 0.8},
    "adamw": {"optimizer": "adamw", "learning_rate": 0.05, "weight_decay": 0.1},
    "adamw averaged": {
        "optimizer": "adamw", "learning_rate": 0.05, "weight_decay": 0.1, "ema": 0.8
    },
}  # fmt: skip
# With threads, as real runs are; the others run as Python, which starts sooner.
COMPILED = "adamw averaged"


class Killed(BaseException):
    """What no handler of errors sees."""


@pytest.fixture(scope="module", autouse=True)
def _deterministic() -> Iterator[None]:
    """As `--deterministic` does; there is no public way back."""
    from tensorflow.python.framework import config

    from train.precision import make_deterministic

    make_deterministic()
    yield
    config.disable_op_determinism()


@pytest.fixture(scope="module")
def samples(draw, tmp_path_factory) -> list[Sample]:
    """Twenty scenes of two labels that tell little of them: nothing is learned at once."""
    folder = tmp_path_factory.mktemp("photos")
    return [Sample(draw(folder / f"{i}.png", i), "cat" if i % 2 else "dog") for i in range(PHOTOS)]


def _noisy(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.clip(image + rng.normal(0, 20, image.shape), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def train(samples) -> Callable[..., Any]:
    """Train as a recipe does: dropout, batch normalization, augmentation, mixup, one cycle.

    Returns what `fit` returned, and the network.
    """
    from train.data.batches import PhotoBatches, one_hot
    from train.fit import fit, optimizer
    from train.recipe import Plan
    from train.run_folder import RunFolder

    targets = one_hot(samples, ("cat", "dog"))

    def run(
        config: str,
        *,
        folder: Path = RUN,
        resume: bool = False,
        epochs: int = EPOCHS,
        patience: int | None = None,
    ) -> tuple[Any, Any]:
        plan = Plan(None, 16, epochs, **CONFIGS[config])
        keras.utils.set_random_seed(SEED)
        image = keras.Input((16, 16, 3), dtype="uint8")
        x = keras.layers.Rescaling(1 / 255)(image)
        x = keras.layers.Conv2D(4, 3, 2)(x)
        x = keras.layers.BatchNormalization(momentum=0.5)(x)
        x = keras.layers.Flatten()(keras.layers.ReLU()(x))
        x = keras.layers.Dropout(0.4)(x)
        model = keras.Model(image, keras.layers.Dense(2, activation="softmax", name="scores")(x))
        workers = 2 if config == COMPILED else 1
        batches = PhotoBatches(
            samples, targets, SPEC, BATCH, augment=_noisy, mixup=0.4, seed=SEED, workers=workers
        )
        model.compile(
            optimizer(plan, epochs * len(batches)),
            "categorical_crossentropy",
            metrics=["accuracy"],
            jit_compile=False,
            run_eagerly=config != COMPILED,
        )
        val = PhotoBatches(samples[:10], targets[:10], SPEC, BATCH, workers=workers)
        run = RunFolder(folder, {}, resume)
        return fit(model, batches, val, epochs, run, seed=SEED, patience=patience), model

    return run


@pytest.fixture(scope="module")
def unbroken(train, tmp_path_factory) -> Callable[[str], Any]:
    """Train once without a stop, for each way of optimizing."""
    known: dict[str, Any] = {}

    def run(config: str) -> Any:
        if config not in known:
            folder = tmp_path_factory.mktemp("unbroken")
            progress, model = train(config, folder=folder)
            known[config] = (progress, model, _history(folder))
        return known[config]

    return run


def test_batches_are_told_the_epoch_that_begins(train, tmp_path, monkeypatch) -> None:
    from train.data.batches import PhotoBatches

    seen: list[int] = []
    batch = PhotoBatches.__getitem__

    def taken(self: Any, index: int) -> Any:
        if self._augment is not None:
            seen.append(self.epoch)
        return batch(self, index)

    monkeypatch.setattr(PhotoBatches, "__getitem__", taken)
    train(COMPILED, folder=tmp_path, epochs=2)
    assert sorted(set(seen)) == [0, 1]
    train(COMPILED, folder=tmp_path, epochs=3, resume=True)
    assert sorted(set(seen)) == [0, 1, 2]


@contextmanager
def _asking(callback: Any) -> Iterator[None]:
    """Let Keras ask one more callback, before all others."""
    fit = keras.Model.fit

    def patched(self: Any, *args: Any, callbacks: list[Any], **more: Any) -> Any:
        return fit(self, *args, callbacks=[callback, *callbacks], **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras.Model, "fit", patched)
        yield


class CtrlC(keras.callbacks.Callback):
    """Press it after some batch of some epoch."""

    def __init__(self, epoch: int, batch: int) -> None:
        super().__init__()
        self._at, self._epoch = (epoch, batch), -1

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if (self._epoch, batch) == self._at:
            raise KeyboardInterrupt


def _history(folder: Path = RUN) -> list[dict[str, float]]:
    with (folder / "history.csv").open(newline="") as file:
        return [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]


def _same_run(found: tuple[Any, Any], expected: tuple[Any, Any, Any]) -> None:
    (progress, model), (progress_then, model_then, history) = found, expected
    assert [row.keys() for row in progress.history] == [r.keys() for r in progress_then.history]
    for row, then in zip(progress.history, progress_then.history, strict=True):
        assert row == pytest.approx(then, rel=1e-5, abs=1e-6)
    for row, then in zip(_history(), history, strict=True):
        assert row == pytest.approx(then, rel=1e-5, abs=1e-6)
    assert (progress.epoch, progress.best_epoch) == (progress_then.epoch, progress_then.best_epoch)
    assert int(model.optimizer.iterations) == int(model_then.optimizer.iterations)
    for weight, then in zip(model.get_weights(), model_then.get_weights(), strict=True):
        np.testing.assert_allclose(weight, then, atol=1e-6)


# Stopped and going on


@pytest.mark.parametrize(
    ("config", "stops"),
    [
        pytest.param("sgd", [(2, 1)], id="sgd"),
        pytest.param("muon", [(2, 1)], id="muon"),
        pytest.param("sgd averaged", [(1, 2)], id="sgd, weights averaged"),
        pytest.param("adamw", [(0, 1), (2, 0)], id="adamw, first before there is anything"),
        pytest.param("adamw averaged", [(1, 0), (3, 2)], id="adamw, weights averaged, twice"),
    ],
)
def test_run_that_was_stopped_and_went_on_is_the_run_that_never_stopped(
    train, unbroken, config: str, stops: list[tuple[int, int]]
) -> None:
    for place, (epoch, batch) in enumerate(stops):
        with _asking(CtrlC(epoch, batch)), pytest.raises(RunError) as caught:
            train(config, resume=place > 0)
        assert str(caught.value) == (
            f"interrupted after epoch {epoch} of 4; go on with the same options and --output run "
            "--resume"
        )
    _same_run(train(config, resume=True), unbroken(config))


def _fail_to_write(patch: pytest.MonkeyPatch, epoch: int, error: BaseException) -> None:
    """Let the file that says that an epoch's weights are there fail to be written."""
    from train import checkpoint

    write, calls = checkpoint.write_whole, []

    def fail(path: Path, data: bytes, **how: bool) -> None:
        calls.append(path.name)
        if calls.count("progress.json") == epoch:
            raise error
        write(path, data, **how)

    patch.setattr(checkpoint, "write_whole", fail)


def test_run_killed_before_it_said_that_the_weights_are_there_goes_on_alike(
    train, unbroken, monkeypatch
) -> None:
    with monkeypatch.context() as patch:
        _fail_to_write(patch, 3, Killed())
        with pytest.raises(Killed):
            train("adamw")
    assert len(list((RUN / "state").glob("epoch-*"))) == 2
    _same_run(train("adamw", resume=True), unbroken("adamw"))


def test_run_whose_disk_was_full_goes_on_alike_when_there_is_room(
    train, unbroken, monkeypatch
) -> None:
    with monkeypatch.context() as patch:
        _fail_to_write(patch, 3, OutputError("x: cannot be written (No space left on device)"))
        with pytest.raises(RunError) as caught:
            train("sgd")
    assert str(caught.value).endswith(
        "cannot be written (No space left on device); epoch 2 is kept: make room and go on with "
        "--resume"
    )
    assert len(list((RUN / "state").glob("epoch-*"))) == 1
    _same_run(train("sgd", resume=True), unbroken("sgd"))


@pytest.mark.parametrize("config", ["sgd", "adamw averaged"])
def test_run_resumed_after_its_last_epoch_trains_no_further(train, unbroken, config: str) -> None:
    """As when what comes after training failed."""
    train(config)
    files = {path: path.stat().st_mtime_ns for path in (RUN / "state").glob("epoch-*")}
    _same_run(train(config, resume=True), unbroken(config))
    assert {path: path.stat().st_mtime_ns for path in files} == files


# What is kept


def test_history_says_what_the_network_that_is_kept_answers(train, unbroken, samples) -> None:
    """Where the weights are averaged, it is their average that was scored on val."""
    from train.data.batches import PhotoBatches, one_hot

    val = PhotoBatches(samples[:10], one_hot(samples[:10], ("cat", "dog")), SPEC, BATCH)
    for config in ("sgd", "sgd averaged"):
        progress, model, history = unbroken(config)
        loss, accuracy = model.evaluate(val, verbose=0)
        assert loss == pytest.approx(history[-1]["val_loss"], abs=1e-5)
        assert accuracy == pytest.approx(history[-1]["val_accuracy"])
        assert [row["epoch"] for row in history] == [0, 1, 2, 3]
        assert progress.epoch == 4
        assert progress.best == max(row["val_accuracy"] for row in history)
    plain, averaged = (unbroken(c)[1].get_weights() for c in ("sgd", "sgd averaged"))
    assert np.abs(plain[0] - averaged[0]).max() > 1e-3


class Scripted(keras.callbacks.Callback):
    """Let validation bring what a test needs, and note the weights at the end of each epoch."""

    def __init__(self, *accuracies: float) -> None:
        super().__init__()
        self._accuracies = accuracies
        self.weights: list[list[np.ndarray]] = []

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        logs["val_accuracy"] = self._accuracies[epoch]
        optimizer = self.model.optimizer
        averages = iter(optimizer._model_variables_moving_average if optimizer.use_ema else ())
        self.weights.append(
            [
                np.array(next(averages) if optimizer.use_ema and w.trainable else w)
                for w in self.model.weights
            ]
        )


FALLING = (0.5, 0.75, 0.625, 0.75, 0.875)  # the best is the second; the fourth is no better


@pytest.mark.parametrize(
    ("config", "patience", "done", "best"),
    [
        pytest.param("sgd", 2, 4, 2, id="two without a better one"),
        pytest.param("sgd averaged", 2, 4, 2, id="averaged"),
        pytest.param("sgd", 3, 5, 5, id="a better one just in time"),
    ],
)
def test_patience_stops_and_takes_the_best_epochs_weights(
    train, config: str, patience: int, done: int, best: int
) -> None:
    script = Scripted(*FALLING)
    with _asking(script):
        progress, model = train(config, epochs=5, patience=patience)
    assert (progress.epoch, len(_history())) == (done, done)
    assert (progress.best_epoch, progress.best) == (best, FALLING[best - 1])
    for weight, then in zip(model.get_weights(), script.weights[best - 1], strict=True):
        np.testing.assert_allclose(weight, then, atol=1e-6)
    kept = sorted(path.name[:10] for path in (RUN / "state").glob("epoch-*"))
    assert kept == sorted({f"epoch-{done:04}", f"epoch-{best:04}"})


def test_without_patience_the_last_epochs_weights_are_taken_though_an_earlier_was_better(
    train,
) -> None:
    script = Scripted(0.5, 0.875, 0.25)
    with _asking(script):
        progress, model = train("sgd", epochs=3)
    assert (progress.epoch, progress.best_epoch) == (3, 2)
    np.testing.assert_allclose(model.get_weights()[0], script.weights[-1][0], atol=1e-6)


@pytest.mark.parametrize(
    ("config", "stop"),
    [
        pytest.param("sgd", (3, 0), id="stopped while it waited"),
        pytest.param("sgd averaged", None, id="stopped by patience itself, averaged"),
    ],
)
def test_patience_goes_on_where_it_was(train, config: str, stop) -> None:
    script = Scripted(*FALLING)
    with _asking(script):
        if stop is None:
            train(config, epochs=5, patience=2)
        else:
            with _asking(CtrlC(*stop)), pytest.raises(RunError, match="interrupted after epoch 3"):
                train(config, epochs=5, patience=2)
        progress, model = train(config, epochs=5, patience=2, resume=True)
    assert (progress.epoch, progress.best_epoch) == (4, 2)
    assert len(script.weights) == 4  # no epoch ran twice
    for weight, then in zip(model.get_weights(), script.weights[1], strict=True):
        np.testing.assert_allclose(weight, then, atol=1e-6)


def test_dropout_begins_each_epoch_otherwise(train, monkeypatch) -> None:
    call, seeds = keras.layers.Dropout.call, []

    def noted(self: Any, inputs: Any, training: bool = False) -> Any:
        if training:
            seeds.append(tuple(np.array(self.seed_generator.state)))
        return call(self, inputs, training=training)

    monkeypatch.setattr(keras.layers.Dropout, "call", noted)
    train("sgd")
    first = seeds[-12::3]  # of four epochs of three steps; what Keras tries out comes before
    assert len(set(first)) == 4


def test_damaged_progress_stops_a_resume_before_anything_is_trained(train) -> None:
    with _asking(CtrlC(1, 0)), pytest.raises(RunError):
        train("sgd")
    (RUN / "state/progress.json").write_text('{"epoch": 1, "hist')
    with pytest.raises(RunError, match=r"^run/state/progress\.json: cannot be read \("):
        train("sgd", resume=True)


def test_time_of_a_run_is_that_of_all_its_parts(train) -> None:
    with _asking(CtrlC(2, 0)), pytest.raises(RunError):
        train("sgd")
    state = json.loads((RUN / "state/progress.json").read_text())
    assert state["seconds"] > 0
    state["seconds"] = 1000.0
    (RUN / "state/progress.json").write_text(json.dumps(state))
    progress, _ = train("sgd", resume=True)
    assert 1000 < progress.seconds < 1000 + 60


# Learning rates


def test_one_cycle_rises_to_its_peak_and_falls_to_nothing() -> None:
    from train.fit import one_cycle

    rate = one_cycle(2.0, 100)
    at = {step: float(rate(step)) for step in (0, 5, 15, 57, 58, 100)}
    assert at[0] == pytest.approx(2 / 25)
    assert at[5] == pytest.approx(2 / 25 + (2 - 2 / 25) / 3)
    assert at[15] == pytest.approx(2.0)
    assert (at[57] + at[58]) / 2 == pytest.approx(1.0, abs=1e-3)  # half of the fall
    assert at[100] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [("constant", [0.5, 0.5, 0.5]), ("cosine", [0.5, 0.25, 0]), ("one-cycle", [0.02, None, 0])],
)
def test_schedule_of_a_plan(schedule: str, rates: list[float | None]) -> None:
    from train.fit import optimizer
    from train.recipe import Plan

    made = optimizer(Plan(None, 16, 1, learning_rate=0.5, schedule=schedule), 100)
    for step, rate in zip((0, 50, 100), rates, strict=True):
        made.iterations.assign(step)
        if rate is not None:
            assert float(made.learning_rate) == pytest.approx(rate, abs=1e-6)


def test_optimizer_of_a_plan() -> None:
    from train.fit import optimizer
    from train.recipe import Plan

    def made(**options: Any) -> Any:
        return optimizer(Plan(None, 16, 1, **options), 10)

    sgd = made(optimizer="sgd", weight_decay=0.01, ema=0.9)
    assert (sgd.momentum, sgd.nesterov, sgd.weight_decay) == (0.85, True, 0.01)
    assert (sgd.use_ema, sgd.ema_momentum) == (True, 0.9)
    assert (type(made(weight_decay=0.02)).__name__, made(weight_decay=0.02).weight_decay) == (
        "AdamW",
        0.02,
    )
    assert type(made(optimizer="adam")).__name__ == "Adam"
    assert not made(optimizer="adam").use_ema
