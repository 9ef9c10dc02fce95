"""Reading what training left: model, card, and which photo belongs to which split."""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge_runtime.model.card import ModelCard
from export.errors import RunError

__all__ = ["RunFolder", "Sample", "is_run_folder", "labelled_boxes", "read_run"]

_NEEDED = ("model.keras", "card.json", "split.csv")


@dataclass(frozen=True, slots=True)
class Sample:
    """A photo and its truth: a class name, or a detector's boxes "x1 y1 x2 y2;..."."""

    path: Path
    label: str


@dataclass(frozen=True, slots=True)
class RunFolder:
    """A finished run.

    Attributes:
        path: The folder.
        card: As training wrote it, before export.
        splits: train, val and test samples, in the order of split.csv.
        weights_sha256: Hash of model.keras.
    """

    path: Path
    card: ModelCard
    splits: dict[str, list[Sample]]
    weights_sha256: str

    @property
    def model_path(self) -> Path:
        """The Keras model."""
        return self.path / "model.keras"


def labelled_boxes(label: str) -> npt.NDArray[np.float32]:
    """Return a detector's boxes as split.csv has them, float32 (M, 4)."""
    rows = [row.split() for row in label.split(";") if row]
    return np.array(rows, np.float32).reshape(-1, 4)


def is_run_folder(path: Path) -> bool:
    """Whether a folder is a run's, finished or not."""
    return any((path / name).is_file() for name in (*_NEEDED, "command.txt"))


def read_run(path: Path) -> RunFolder:
    """Read a run folder.

    Raises:
        RunError: It is not finished, or photos of it are gone.
        CardError: Its card does not parse.
    """
    for name in _NEEDED:
        if not (path / name).is_file():
            raise RunError(
                f"{path}: no {name}; a run folder is what 'python -m train' leaves when it is done"
            )
    card = ModelCard.from_json((path / "card.json").read_text("utf-8"), str(path / "card.json"))
    splits: dict[str, list[Sample]] = {"train": [], "val": [], "test": []}
    with (path / "split.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row.get("split") not in splits:
                raise RunError(
                    f"{path}: split.csv has a row whose split is none of {', '.join(splits)}: "
                    f"{row.get('path')}"
                )
            splits[row["split"]].append(Sample(path / row["path"], row["label"]))
    for split in ("train", "val"):
        if not splits[split]:
            raise RunError(f"{path}: split.csv has no {split} photos; nothing to calibrate on")
    gone = next((s.path for v in splits.values() for s in v if not s.path.is_file()), None)
    if gone is not None:
        raise RunError(f"{gone}: in split.csv but not there; put the training data back")
    digest = hashlib.sha256((path / "model.keras").read_bytes()).hexdigest()
    return RunFolder(path, card, splits, digest)
