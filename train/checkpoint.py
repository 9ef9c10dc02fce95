"""Checkpoints of a run: a whole epoch is there or it is not, whatever happens in between.

Made in memory and then written: HDF5, which Keras would use, crashes the process when the disk is
full.
"""

from __future__ import annotations

import contextlib
import io
import json
import zipfile
from dataclasses import asdict, dataclass, field
from pathlib import Path

import keras
import numpy as np

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
        """Load weights and optimizer state of an epoch into a compiled model.

        Raises:
            RunError: The file is damaged or of another network.
        """
        path = self._weights(epoch)
        if not model.optimizer.built:
            model.optimizer.build(model.trainable_variables)
        variables = [*model.weights, *model.optimizer.variables]
        try:
            with np.load(io.BytesIO(path.read_bytes())) as stored:
                values = [stored[f"arr_{i}"] for i in range(len(stored.files))]
            if [v.shape for v in values] != [tuple(v.shape) for v in variables]:
                raise ValueError("it is of another network")
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise RunError(
                f"{path}: cannot be loaded ({_first_line(error)}); remove the run folder and start "
                "anew"
            ) from None
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)

    def save(self, model: keras.Model, progress: Progress, keep: set[int]) -> None:
        """Write the newest epoch, then say so, then remove the epochs not kept.

        Raises:
            RunError: It cannot be written; the epoch before is still whole.
        """
        path = self._weights(progress.epoch)
        data = io.BytesIO()
        np.savez(data, *[np.asarray(v) for v in (*model.weights, *model.optimizer.variables)])
        try:
            write_whole(path, data.getvalue(), durable=True)
            write_whole(self._file, json.dumps(asdict(progress)).encode(), durable=True)
        except OutputError as error:
            with contextlib.suppress(OSError):
                path.unlink()
            epoch = self.progress.epoch
            kept = f"epoch {epoch} is kept: " if epoch else ""
            raise RunError(f"{error}; {kept}make room and go on with --resume") from None
        self.progress = progress
        for old in self._folder.glob("epoch-*.npz"):
            if old not in {self._weights(e) for e in keep | {progress.epoch}}:
                old.unlink()

    def _weights(self, epoch: int) -> Path:
        return self._folder / f"epoch-{epoch:04}.npz"


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
