"""The training loop every recipe shares: schedule, checkpoints, history, Ctrl-C."""

from __future__ import annotations

import csv
import io
import time
from typing import Any

import keras
import numpy as np

from edge_runtime.errors import OutputError
from edge_runtime.files import write_whole
from train.checkpoint import Checkpoints, Progress
from train.data.batches import EpochBatches
from train.display import EpochDisplay
from train.errors import RunError
from train.muon import Muon
from train.recipe import Plan
from train.run_folder import RunFolder

__all__ = ["fit", "one_cycle", "optimizer"]

_WARMUP = 0.15
_FAR = 100_000


def optimizer(plan: Plan, steps: int) -> keras.optimizers.Optimizer:
    """Return a plan's optimizer for a run of so many steps."""
    rate: Any = plan.learning_rate
    if plan.schedule == "one-cycle":
        rate = one_cycle(plan.learning_rate, steps)
    elif plan.schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(plan.learning_rate, steps)
    shared: dict[str, Any] = {"weight_decay": plan.weight_decay or None}
    if plan.ema:
        shared |= {"use_ema": True, "ema_momentum": plan.ema}
    if plan.optimizer in ("sgd", "muon"):
        kind = Muon if plan.optimizer == "muon" else keras.optimizers.SGD
        return kind(rate, momentum=0.85, nesterov=True, **shared)
    kind = keras.optimizers.AdamW if plan.weight_decay else keras.optimizers.Adam
    return kind(rate, **shared)


def one_cycle(
    peak: float, steps: int, warmup: float = _WARMUP
) -> keras.optimizers.schedules.CosineDecay:
    """Return a learning rate that rises linearly to `peak` and falls to 0 along a cosine.

    Args:
        peak: Largest learning rate.
        steps: Of the whole run.
        warmup: Share of the steps that rise.
    """
    rise = max(1, int(steps * warmup))
    return keras.optimizers.schedules.CosineDecay(
        peak / 25, max(1, steps - rise), alpha=0.0, warmup_target=peak, warmup_steps=rise
    )


def fit(
    model: keras.Model,
    train: EpochBatches,
    val: keras.utils.PyDataset | None,
    epochs: int,
    run: RunFolder,
    *,
    seed: int = 0,
    patience: int | None = None,
) -> Progress:
    """Train a compiled model; each epoch ends in a checkpoint.

    Args:
        model: Compiled; holds the final weights afterwards (their average, where the optimizer
            keeps one).
        train: Batches; told which epoch it is.
        val: Batches scored after each epoch, or None.
        epochs: In all, those of an interrupted run counted in.
        run: Where checkpoints, history.csv and TensorBoard logs go.
        seed: With the epoch it decides what dropout drops, so that a resumed run is as one that
            never stopped.
        patience: Stop after so many epochs without a better validation accuracy, and take the
            best one's weights; None trains to the end and takes the last.

    Returns:
        What was reached.

    Raises:
        RunError: Interrupted, or a checkpoint cannot be written; the run folder can be resumed.
    """
    run.begin()
    checkpoints = Checkpoints(run.state)
    start = checkpoints.progress.epoch
    if start:
        checkpoints.restore(model, start)
    keeper = _Keeper(checkpoints, run, train, seed, epochs, patience)
    callbacks: list[keras.callbacks.Callback] = [keeper]
    averaged = getattr(model.optimizer, "inner_optimizer", model.optimizer)  # float16 wraps it
    if averaged.use_ema:
        callbacks.append(keras.callbacks.SwapEMAWeights())
    if keras.backend.backend() == "tensorflow":
        callbacks.append(keras.callbacks.TensorBoard(run.path / "tensorboard", write_graph=False))
    try:
        with EpochDisplay(epochs, len(train), checkpoints.progress) as display:
            callbacks.append(display)
            if not keeper.waited_long_enough():
                model.fit(
                    train,
                    validation_data=val,
                    initial_epoch=start,
                    epochs=epochs,
                    callbacks=callbacks,
                    shuffle=False,  # the batches shuffle themselves, seeded
                    verbose=0,
                )
    except KeyboardInterrupt:
        raise run.interrupted(f" after epoch {checkpoints.progress.epoch} of {epochs}") from None
    progress = checkpoints.progress
    if patience is not None and progress.best_epoch != progress.epoch:
        checkpoints.restore(model, progress.best_epoch)
    if averaged.use_ema:
        averaged.finalize_variable_values(model.trainable_variables)
    return progress


class _Keeper(keras.callbacks.Callback):  # type: ignore[misc]
    """Tells the batches which epoch begins, seeds it, and writes down what it brought."""

    def __init__(
        self,
        checkpoints: Checkpoints,
        run: RunFolder,
        batches: EpochBatches,
        seed: int,
        epochs: int,
        patience: int | None,
    ) -> None:
        super().__init__()
        self._checkpoints = checkpoints
        self._run = run
        self._batches = batches
        self._seed = seed
        self._epochs = epochs
        self._patience = patience
        self._started = 0.0

    def waited_long_enough(self) -> bool:
        """Whether the best epoch lies further back than patience allows."""
        progress = self._checkpoints.progress
        return self._patience is not None and (
            progress.epoch - progress.best_epoch >= self._patience > 0 and progress.epoch > 0
        )

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._started = time.monotonic()
        self._batches.start_at(epoch)
        # Dropout's counters are no weights, so no checkpoint holds them.
        weights = {id(w) for w in self.model.weights}
        counters = [v for v in self.model.variables if id(v) not in weights and v.shape == (2,)]
        for place, counter in enumerate(counters):
            # Each layer and epoch far from the others: a counter moves by one a step.
            start = [self._seed * _FAR + place, epoch * _FAR]
            counter.assign(np.array(start, "uint32").astype(counter.dtype))

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        before = self._checkpoints.progress
        row = {"epoch": float(epoch), **{k: float(v) for k, v in (logs or {}).items()}}
        if not all(np.isfinite(value) for value in row.values()):
            raise RunError(
                f"the loss is no number any more after epoch {epoch + 1}; start anew with a "
                "smaller learning rate"
            )
        score = row.get("val_accuracy", -1.0)
        better = score > before.best
        progress = Progress(
            epoch + 1,
            before.seconds + time.monotonic() - self._started,
            score if better else before.best,
            epoch + 1 if better else before.best_epoch,
            [*before.history[:epoch], row],
        )
        keep = {progress.best_epoch} if self._patience is not None else set()
        self._checkpoints.save(self.model, progress, keep)
        try:
            write_whole(self._run.path / "history.csv", _table(progress.history))
        except OutputError as error:
            raise RunError(f"{error}; make room and go on with --resume") from None
        if self.waited_long_enough():
            self.model.stop_training = True


def _table(rows: list[dict[str, float]]) -> bytes:
    out = io.StringIO(newline="")
    table = csv.DictWriter(out, list(rows[-1]))
    table.writeheader()
    for row in rows:
        table.writerow({**row, "epoch": int(row["epoch"])})
    return out.getvalue().encode()
