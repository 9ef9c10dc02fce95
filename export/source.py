"""What is exported: a Keras model behind a uint8 input, its card, and photos to prove it on."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras

from edge_runtime.errors import OptionError
from edge_runtime.measure.scoring import brief
from edge_runtime.model.card import ModelCard
from export.description import Description, described_in_yaml
from export.errors import RunError
from export.foreign import described_model
from export.keras_file import KERAS_SUFFIXES, hash_of, is_saved_model, load_keras
from export.photos import photos_in, readable
from export.quantize import calibration_samples
from export.run_folder import Sample, is_run_folder, read_run

__all__ = ["Source", "open_source"]

_FEWEST_TO_CALIBRATE = 8
_JUDGES = 3  # of photos given for calibration alone, every third judges


@dataclass(frozen=True, slots=True)
class Source:
    """A model and what it is proven on.

    Attributes:
        model: Input uint8 (N, H, W, 3) RGB; output `scores`, or a dict of outputs.
        card: Before export.
        splits: train calibrates, val is looked at by the gate, test is scored once, at the end;
            each may be empty where the model is none of ours.
        weights_sha256: Hash of the file or folder the model came from.
        measured: What training measured, by split; empty where nothing is known.
        trained_here: Whether it is a run folder, whose train and val are of one kind.
        finetune: Photos to fine-tune on, if no other way passes the gate.
    """

    model: keras.Model
    card: ModelCard
    splits: Mapping[str, list[Sample]]
    weights_sha256: str
    measured: Mapping[str, Any]
    trained_here: bool

    finetune: Sequence[Sample] = ()

    @property
    def labelled(self) -> bool:
        """Whether the right answers of the gate's photos are known."""
        known = set(self.card.labels)
        return self.card.task == "detection" or all(s.label in known for s in self.splits["val"])


def open_source(
    path: Path,
    given: Description,
    calibration: Path | None,
    evaluate: Path | None,
    finetune: Path | None,
    calibration_photos: int,
    say: Callable[[str], None],
) -> Source:
    """Open a run folder, a .keras, .h5 or .hdf5 file, or a SavedModel's folder.

    Args:
        path: Which.
        given: What options say of a model that is none of ours.
        calibration: Folder of photos that set the int8 ranges; a run folder has its own.
        evaluate: Folder of photos the gate looks at; likewise.
        finetune: Folder of photos to fine-tune on; labels are not needed.
        calibration_photos: How many of `calibration` are taken at most, as many of each class.
        say: Told what was assumed and left out.

    Raises:
        EdgeError: It is none of these, or not whole; something is not said that must be.
    """
    if is_run_folder(path):
        opened = _run(path, given)
    elif is_saved_model(path) or path.suffix.lower() in KERAS_SUFFIXES:
        opened = _foreign(path, given, say)
    else:
        what = "no such file or folder" if not path.exists() else "is none of these"
        raise RunError(
            f"{path}: {what}; expected a run folder of 'python -m train', a .keras, .h5 or .hdf5 "
            "file, or a SavedModel's folder"
        )
    splits = dict(opened.splits)
    labels = opened.card.labels
    judges = splits["val"] or evaluate is not None
    if calibration is not None:
        wanted = calibration_photos if judges else calibration_photos * _JUDGES // (_JUDGES - 1)
        splits["train"] = _calibration(calibration, labels, wanted, say)
    if evaluate is not None:
        splits["val"] = readable(photos_in(evaluate, "--evaluate", labels, say), "--evaluate", say)
        _warn_of_the_same("--calibration", splits["train"], splits["val"], say)
    elif not judges and splits["train"]:
        splits["train"], splits["val"] = _parted(splits["train"])
        say(f"without --evaluate the gate looks at {len(splits['val'])} photos of --calibration")
    tuning: list[Sample] = []
    if finetune is not None:
        tuning = readable(photos_in(finetune, "--finetune", labels, say), "--finetune", say)
        _warn_of_the_same("--finetune", tuning, splits["val"], say)
    return replace(opened, splits=splits, finetune=tuning)


def _run(path: Path, given: Description) -> Source:
    if given != Description():
        raise OptionError(
            f"{path}: a run folder says itself what its model is; --labels, --color, --mean, "
            "--scale, --resize, --region, --face-margin, --size, --softmax and --name are for "
            "other models"
        )
    run = read_run(path)
    measured = _measured(path / "metrics.json")
    return Source(
        load_keras(run.model_path),
        run.card,
        run.splits,
        run.weights_sha256,
        {split: brief(figures) for split, figures in measured.items()},
        trained_here=True,
    )


def _measured(metrics: Path) -> Mapping[str, Any]:
    if not metrics.is_file():
        return {}
    try:
        measured: Mapping[str, Any] = json.loads(metrics.read_text("utf-8"))
    except ValueError as error:
        raise RunError(f"{metrics}: is damaged ({error}); restore it or remove it") from None
    return measured


def _foreign(path: Path, given: Description, say: Callable[[str], None]) -> Source:
    if not path.exists():
        raise RunError(f"{path}: no such file")
    path = path if path.name else path.resolve()  # as of "."
    model, card = described_model(
        load_keras(path), path, given.or_else(described_in_yaml(path)), say
    )
    nothing: dict[str, list[Sample]] = {"train": [], "val": [], "test": []}
    return Source(model, card, nothing, hash_of(path), {}, trained_here=False)


def _calibration(
    folder: Path, labels: tuple[str, ...], count: int, say: Callable[[str], None]
) -> list[Sample]:
    found = photos_in(folder, "--calibration", labels, say)
    chosen = calibration_samples(found, count)
    samples = readable(chosen, "--calibration", say)
    if len(samples) < len(chosen) < len(found):  # others take the place of those that are broken
        taken = {sample.path for sample in chosen}
        others = calibration_samples([s for s in found if s.path not in taken], len(found))
        samples += readable(others, "--calibration", say)[: count - len(samples)]
    if len(samples) < _FEWEST_TO_CALIBRATE:
        raise OptionError(
            f"--calibration {folder}: {len(samples)} photo(s) cannot show what values a network "
            f"meets; give {_FEWEST_TO_CALIBRATE} at least, better 200, of all classes"
        )
    return samples


def _parted(samples: list[Sample]) -> tuple[list[Sample], list[Sample]]:
    """Return two thirds of each label to calibrate and a third to judge on, in mixed order."""
    mixed = list(samples)
    random.Random(0).shuffle(mixed)
    mixed.sort(key=lambda sample: sample.label)
    return [s for i, s in enumerate(mixed) if i % _JUDGES], mixed[::_JUDGES]


def _warn_of_the_same(
    option: str, train: list[Sample], val: list[Sample], say: Callable[[str], None]
) -> None:
    same = {s.path.resolve() for s in train} & {s.path.resolve() for s in val}
    if same:
        say(f"{option}: {len(same)} of its photos judge too; the gate is easier for that")
