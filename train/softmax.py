"""Training with one softmax over the classes: from scratch, or a backbone with a new head."""

from __future__ import annotations

import time
from collections.abc import Callable

import keras
import numpy as np
import numpy.typing as npt

from edge_runtime.errors import OptionError
from edge_runtime.model.card import InputSpec
from train.data.batches import PhotoBatches
from train.data.votes import giving_way
from train.errors import DataError
from train.features import backbone_hash, seed_backbone
from train.fit_photos import fit_photos
from train.head import train_head
from train.job import Job, Trained
from train.networks.transfer import (
    freeze_backbone,
    head_input,
    transfer_network,
    unfreeze_backbone,
)
from train.precision import choose_policy
from train.recipe import Plan

__all__ = ["train_softmax"]


def train_softmax(job: Job) -> Trained:
    """Train the plan's network; its last layer is a Dense softmax named `scores`."""
    plan, spec, classes = job.plan, job.spec, len(job.labels)
    keras.config.set_dtype_policy(choose_policy(job.options.precision, job.plan.depthwise))
    if job.features is not None and plan.weights == "none":
        seed_backbone()
    if plan.network is None:
        model = _transfer(plan, spec, classes, plan.weights)
    else:
        model = _built(plan.network, spec, classes)
    seconds = 0.0
    learned = bool(plan.backbone) and (plan.weights != "none" or job.features is not None)
    if learned and not job.run.has_epoch:  # else the checkpoint holds the head too
        began = time.monotonic()
        freeze_backbone(model)
        train_head(model, _features(model, job), job.targets, job.weights)
        seconds = time.monotonic() - began
    if not plan.frozen:
        if plan.backbone:
            unfreeze_backbone(model, statistics=not (learned and plan.settled))
        loss = keras.losses.CategoricalCrossentropy(label_smoothing=plan.label_smoothing)
        taught = job.dataset.of("train")
        targets = (
            job.targets if job.votes is None else giving_way(job.votes, job.targets, plan.epochs)
        )
        seconds += fit_photos(model, job, taught, targets, job.labels, loss)
    keras.config.set_dtype_policy("float32")
    build = plan.deployed or plan.network
    final = (
        build(spec, classes)
        if build is not None
        else _transfer(plan, spec, classes, "none", plan.views)
    )
    final.set_weights(model.get_weights())
    return Trained(final, seconds)


def _transfer(
    plan: Plan, spec: InputSpec, classes: int, weights: str, views: int = 1
) -> keras.Model:
    return transfer_network(
        spec, classes, plan.backbone, weights, plan.enlarged_px, plan.hidden, views
    )


def _features(model: keras.Model, job: Job) -> npt.NDArray[np.float32]:
    """Return the backbone's features of the training photos, float32 (N, C)."""
    taught = job.dataset.of("train")
    backbone = head_input(model)
    table = job.features
    if table is None:
        job.say("computing the backbone's features of the training photos")
        photos = PhotoBatches(taught, job.targets, job.spec, job.plan.batch)
        return np.asarray(backbone.predict(photos, verbose=0), np.float32)
    if table.key.weights != backbone_hash(backbone):
        raise DataError(
            f"{table.path}: was made with other weights of {table.key.backbone}; name those with "
            f"--weights, or make it again: {table.command(job.options.data, job.plan.weights)}"
        )
    return table.of(taught, job.options.data)


def _built(
    network: Callable[[InputSpec, int], keras.Model], spec: InputSpec, classes: int
) -> keras.Model:
    try:
        return network(spec, classes)
    except ValueError as error:
        raise OptionError(
            f"--size {spec.height_px}: too small for this architecture "
            f"({str(error).splitlines()[0]})"
        ) from None
