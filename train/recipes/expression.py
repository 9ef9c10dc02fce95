"""Seven facial expressions from 48 px face crops.

    python -m train expression --data fer2013/ --output runs/expression

Data: FER2013 as folders (28,709 train / 3,589 val / 3,589 test, gray, 48 px; no license is
stated by its publishers), or any folder with a folder a class. Photos whose pixels appear again
are kept in one split only.

Takes about 17 minutes on 2 cores (26 epochs of 39 s, TensorFlow). The shipped
int8 file, seed 0, on the test split without repeated photos: 64.5% of seven labels (n = 3,268),
93.0% happy against sad (n = 1,418); n = 1 run.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from edge_runtime.errors import OptionError
from edge_runtime.measure.confusion import classification_report, pair_accuracy
from edge_runtime.model.card import InputSpec, ModelCard
from train.data.augment import face_crop
from train.data.batches import PhotoBatches
from train.data.folders import Sample, clean, scan
from train.errors import DataError
from train.fit import compiles_faster, fit, one_cycle
from train.networks.seed import seed_network
from train.networks.small_residual import small_residual
from train.run_folder import RunFolder, git_commit

__all__ = ["FER_LABELS", "train_expression"]

FER_LABELS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")

_NETWORKS: dict[str, Callable[[InputSpec, int], keras.Model]] = {
    "residual": small_residual,
    "seed": seed_network,
}
_NAMED = 20  # photos left out that are named on the terminal
BATCH = 128
PEAK_LEARNING_RATE = 3e-3
LABEL_SMOOTHING = 0.1
# Added to each side of our detector's face box so that its crop frames a face as FER2013 does.
# scripts/fer_framing.py: median 0.01 (quartiles -0.02 to 0.05) over the 1,744 of 2,000 training
# crops in which the detector finds the face; centers agree within 0.01.
FACE_MARGIN = 0.0


def train_expression(
    data: Path,
    output: Path,
    *,
    name: str = "expression",
    classes: tuple[str, ...] | None = None,
    architecture: str = "residual",
    size_px: int = 48,
    epochs: int = 26,
    seed: int = 0,
    resume: bool = False,
) -> None:
    """Train, score and write a run folder.

    Args:
        data: `CLASS/*.jpg`, or `SPLIT/CLASS/*.jpg` as FER2013 is packed.
        output: The run folder.
        name: Of the model.
        classes: Which folders, in output order; None takes FER's seven in their usual order
            where the folders are those, else all in sorted order.
        architecture: `residual`, or `seed` for the notebook's network.
        size_px: Side of the input.
        epochs: Passes over the training photos.
        seed: Of the split, the weights, the order and the augmentation.
        resume: Go on with an interrupted run.

    Raises:
        DataError: The folders cannot be trained on.
        RunError: The run folder cannot be used, or the run was interrupted.
    """
    if architecture not in _NETWORKS:
        raise OptionError(f"--architecture {architecture}: expected {' or '.join(_NETWORKS)}")
    arguments = {
        "data": str(data.resolve()), "classes": classes and list(classes), "seed": seed,
        "architecture": architecture, "size_px": size_px, "epochs": epochs,
    }  # fmt: skip
    run = RunFolder(output, arguments, resume)
    keras.utils.set_random_seed(seed)
    cleaned = clean(scan(data, classes, seed))
    for path, reason in cleaned.left_out[:_NAMED]:
        print(f"left out {path}: {reason}", file=sys.stderr)
    more = max(0, len(cleaned.left_out) - _NAMED)
    print(
        f"{len(cleaned.samples)} photos, {len(cleaned.left_out)} left out"
        + (f", {more} of them not named here" if more else ""),
        file=sys.stderr,
    )
    labels = _label_order(cleaned.samples, classes)
    spec = InputSpec(size_px, size_px, region="face", face_margin=FACE_MARGIN, resize="stretch")
    split = {s: [x for x in cleaned.samples if x.split == s] for s in ("train", "val", "test")}
    if not split["val"]:
        raise DataError(
            f"{len(cleaned.samples)} photos leave none to validate on; give each class 7 or more"
        )
    train = PhotoBatches(split["train"], labels, spec, BATCH, face_crop, seed)
    val = PhotoBatches(split["val"], labels, spec, BATCH)
    model = _NETWORKS[architecture](spec, len(labels))
    model.compile(
        optimizer=keras.optimizers.AdamW(
            one_cycle(PEAK_LEARNING_RATE, epochs * len(train)), weight_decay=1e-2
        ),
        loss=keras.losses.CategoricalCrossentropy(label_smoothing=LABEL_SMOOTHING),
        metrics=["accuracy"],
        jit_compile=compiles_faster(),
    )
    fit(model, train, val, epochs, run)
    metrics = {s: score(model, split[s], labels, spec) for s in ("val", "test") if split[s]}
    card = ModelCard(
        name=name,
        task="classification",
        labels=labels,
        input=spec,
        provenance={
            "recipe": "train/recipes/expression.py",
            "architecture": architecture,
            "epochs": epochs,
            "seed": seed,
            "commit": git_commit(),
            "data": data.name,
        },
    )
    run.finish(model, card, cleaned.samples, metrics, sys.modules[__name__])


def score(
    model: keras.Model, samples: list[Sample], labels: tuple[str, ...], spec: InputSpec
) -> dict[str, object]:
    """Return n, accuracy, precision and recall per class, and happy against sad if both exist."""
    batches = PhotoBatches(samples, labels, spec, BATCH)
    scores = model.predict(batches, verbose=0)
    truth = np.array([labels.index(s.label) for s in samples])
    report = classification_report(scores, truth, labels)
    if {"happy", "sad"} <= set(labels):
        pair, n = pair_accuracy(scores, truth, (labels.index("happy"), labels.index("sad")))
        report["happy_sad"] = {"accuracy": round(pair, 4), "n": n}
    return report


def _label_order(samples: list[Sample], classes: tuple[str, ...] | None) -> tuple[str, ...]:
    found = {s.label for s in samples}
    if classes is not None:
        return classes
    return FER_LABELS if found == set(FER_LABELS) else tuple(sorted(found))
