"""What a person sees while a network trains: a bar with the time left, or a line an epoch."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

import keras
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from train.checkpoint import Progress as Done

__all__ = ["EpochDisplay", "say"]

_SHOWN = ("loss", "accuracy", "val_loss", "val_accuracy")


def say(line: str) -> None:
    """Tell the user a line, on stderr."""
    print(line, file=sys.stderr, flush=True)


class EpochDisplay(keras.callbacks.Callback):  # type: ignore[misc]
    """Told by Keras how far it is; writes to stderr alone."""

    def __init__(self, epochs: int, steps: int, done: Done) -> None:
        """Take the length of the run, and what an interrupted run has done already."""
        super().__init__()
        self._epochs = epochs
        self._steps = steps
        self._first = done.epoch
        self._began = time.monotonic()
        self._epoch = done.epoch
        self._bar: Progress | None = None
        if done.epoch:
            self._say(f"going on after epoch {done.epoch} of {epochs}")

    def __enter__(self) -> EpochDisplay:
        """Start the clock and, on a terminal, the bar."""
        self._began = time.monotonic()
        if sys.stderr.isatty():
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.fields[left]}"),
                console=Console(stderr=True),
                transient=True,
            )
            self._task = self._bar.add_task("", total=self._steps, left="")
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Begin a bar."""
        self._epoch = epoch
        if self._bar is not None:
            self._bar.reset(self._task, description=f"epoch {epoch + 1}/{self._epochs}", left="")

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Move the bar."""
        if self._bar is not None:
            self._bar.update(self._task, completed=batch + 1, left=self._left(batch + 1))

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Say what the epoch brought."""
        figures = "  ".join(f"{k} {float(logs[k]):.4f}" for k in _SHOWN if k in (logs or {}))
        self._epoch = epoch + 1
        self._say(f"epoch {epoch + 1}/{self._epochs}  {figures}  {self._left(0)}")

    def _left(self, steps: int) -> str:
        done = (self._epoch - self._first) * self._steps + steps
        total = (self._epochs - self._first) * self._steps
        if done == 0 or done >= total:
            return ""
        seconds = (time.monotonic() - self._began) / done * (total - done)
        if seconds < 90:
            return f"{seconds:.0f} s left"
        if seconds < 5400:
            return f"{seconds / 60:.0f} min left"
        return f"{seconds / 3600:.1f} h left"

    def _say(self, line: str) -> None:
        if self._bar is not None:
            self._bar.console.print(line, highlight=False, markup=False)
        else:
            print(line, file=sys.stderr, flush=True)
