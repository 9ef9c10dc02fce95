"""Checkpoints of a run: a whole epoch is there or it is not, whatever happens in between."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import keras

from edge_runtime.errors import OutputError
from edge_runtime.files import write_whole
from train.errors import RunError

__all__ = ["Checkpoints", "Progress"]


@dataclass(slots=True)
class Progress:
    """How far a run is.

    Attributes:
        epoch: Epochs done.
        seconds: Time they took.
        best: Highest validation accuracy so far, -1 before the first.
        best_epoch: When that was.
        history: A row of figures an epoch.
    """

    epoch: int = 0
    seconds: float = 0.0
    best: float = -1.0
    best_epoch: int = 0
    history: list[dict[str, float]] = field(default_factory=list)


class Checkpoints:
    """The newest epoch of a run, and its best one, as files in a folder."""

    def __init__(self, folder: Path) -> None:
        """Look into a folder, which need not exist yet.

        Raises:
            RunError: What is there cannot be read.
        """
        self._folder = folder
        self._file = folder / "progress.json"
        self.progress = Progress()
        if self._file.exists():
            try:
                self.progress = Progress(**json.loads(self._file.read_text("utf-8")))
            except (OSError, ValueError, TypeError) as error:
                raise RunError(
                    f"{self._file}: cannot be read ({error}); remove the run folder and start anew"
                ) from None

    def restore(self, model: keras.Model, epoch: int) -> None:
        """Load weights and optimizer state of an epoch.

        Raises:
            RunError: The file is damaged or of another network.
        """
        path = self._weights(epoch)
        try:
            model.load_weights(path)
        except (OSError, ValueError, KeyError) as error:
            raise RunError(
                f"{path}: cannot be loaded ({str(error).splitlines()[0]}); remove the run folder "
                "and start anew"
            ) from None

    def save(self, model: keras.Model, progress: Progress, keep: set[int]) -> None:
        """Write the newest epoch, then say so, then remove the epochs not kept.

        Raises:
            RunError: It cannot be written; the epoch before is still whole.
        """
        path = self._weights(progress.epoch)
        part = path.with_name("part.weights.h5")
        try:
            model.save_weights(part, overwrite=True)
            os.replace(part, path)
            write_whole(self._file, json.dumps(asdict(progress)).encode())
        except (OSError, RuntimeError, OutputError) as error:
            for unfinished in (part, path):
                with contextlib.suppress(OSError):
                    unfinished.unlink()
            raise RunError(
                f"{path}: the checkpoint cannot be written ({_reason(error)}); epoch "
                f"{self.progress.epoch} is kept: make room and go on with --resume"
            ) from None
        self.progress = progress
        for old in self._folder.glob("epoch-*.weights.h5"):
            if old not in {self._weights(e) for e in keep | {progress.epoch}}:
                old.unlink()

    def _weights(self, epoch: int) -> Path:
        return self._folder / f"epoch-{epoch:04}.weights.h5"


def _reason(error: Any) -> str:
    text = str(getattr(error, "strerror", None) or error).strip()
    # HDF5 wraps the system's words in its own.
    for known in ("No space left on device", "File too large"):
        if known in text:
            return known
    return text.splitlines()[0] if text else type(error).__name__
