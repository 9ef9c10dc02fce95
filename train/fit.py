"""The training loop every recipe shares: schedule, checkpoints, history, Ctrl-C."""

from __future__ import annotations

import sys
from typing import Any

import keras

from edge_runtime.cli_errors import native_noise_silenced
from train.errors import RunError
from train.run_folder import RunFolder

__all__ = ["compiles_faster", "fit", "one_cycle"]


def compiles_faster() -> bool | str:
    """Return what to pass as `jit_compile`.

    XLA on a CPU halves TensorFlow's speed (measured: 770 pictures/s without, 376 with, the
    expression network at batch 128 on 2 cores); the other backends need it.
    """
    if keras.backend.backend() != "tensorflow":
        return "auto"
    import tensorflow as tf

    with native_noise_silenced():
        return "auto" if tf.config.list_physical_devices("GPU") else False


def one_cycle(
    peak: float, steps: int, warmup: float = 0.15
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
    train: keras.utils.PyDataset,
    val: keras.utils.PyDataset | None,
    epochs: int,
    run: RunFolder,
) -> dict[str, Any]:
    """Train a compiled model, with checkpoints each epoch.

    Args:
        model: Compiled.
        train: Batches; told each epoch's end.
        val: Batches scored after each epoch, or None.
        epochs: In all, those of an interrupted run counted in.
        run: Where checkpoints, history.csv and TensorBoard logs go.

    Returns:
        Keras's history of this call.

    Raises:
        RunError: Interrupted; the run folder can be resumed.
    """
    run.begin()
    backup = run.state / "backup"
    log = keras.callbacks.CSVLogger(run.path / "history.csv", append=backup.exists())
    callbacks: list[keras.callbacks.Callback] = [
        keras.callbacks.BackupAndRestore(backup, delete_checkpoint=False),
        log,
    ]
    if keras.backend.backend() == "tensorflow":
        callbacks.append(keras.callbacks.TensorBoard(run.path / "tensorboard", write_graph=False))
    try:
        history = model.fit(
            train,
            validation_data=val,
            epochs=epochs,
            callbacks=callbacks,
            shuffle=False,  # the batches shuffle themselves, seeded
            verbose=1 if sys.stderr.isatty() else 2,
        )
    except KeyboardInterrupt:
        log.on_train_end()  # Keras leaves the file open
        raise RunError(f"interrupted; go on with --output {run.path} --resume") from None
    return dict(history.history)
