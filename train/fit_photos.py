"""Fitting a network to photos: batches, optimizer and loss of a plan, through `fit`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
import numpy as np
import numpy.typing as npt

from train.data.batches import PhotoBatches, one_hot
from train.data.samples import Sample
from train.fit import fit, optimizer
from train.job import Job
from train.precision import compiles_faster

__all__ = ["fit_photos"]


def fit_photos(
    model: keras.Model,
    job: Job,
    taught: Sequence[Sample],
    targets: npt.NDArray[np.float32] | Callable[[int], npt.NDArray[np.float32]],
    labels: tuple[str, ...],
    loss: keras.losses.Loss,
) -> float:
    """Train a whole network as the job's plan says; val chooses nothing but when to stop.

    Args:
        model: Changed in place.
        job: Plan, options, val photos and the run folder.
        taught: The training photos.
        targets: float32 (N, K), what each is; or a function from the epoch to that.
        labels: The K names, of which val's photos have some.
        loss: Of targets and the model's output.

    Returns:
        The seconds it took, those before a resume included.

    Raises:
        RunError: See `train.fit.fit`.
    """
    plan, options = job.plan, job.options
    train = PhotoBatches(
        taught, targets, job.spec, plan.batch,
        augment=plan.augment, mixup=plan.mixup, cutmix=plan.cutmix, weights=job.weights,
        seed=options.seed,
    )  # fmt: skip
    held = job.dataset.of("val")
    val = PhotoBatches(held, one_hot(held, labels), job.spec, plan.batch)
    model.compile(
        optimizer=optimizer(plan, plan.epochs * len(train)),
        loss=loss,
        metrics=["accuracy"],
        jit_compile=compiles_faster(),
    )
    progress = fit(
        model, train, val, plan.epochs, job.run, seed=options.seed, patience=options.patience
    )
    return progress.seconds
