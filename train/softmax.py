"""Training with one softmax over the classes: from scratch, or a backbone with a new head."""

from __future__ import annotations

import time
from collections.abc import Callable

import keras

from edge_runtime.errors import OptionError
from edge_runtime.model.card import InputSpec
from train.data.batches import PhotoBatches
from train.data.votes import giving_way
from train.fit_photos import fit_photos
from train.head import train_head
from train.job import Job, Trained
from train.networks.transfer import freeze_backbone, transfer_network, unfreeze_backbone
from train.precision import choose_policy

__all__ = ["train_softmax"]


def train_softmax(job: Job) -> Trained:
    """Train the plan's network; its last layer is a Dense softmax named `scores`."""
    plan, spec, classes = job.plan, job.spec, len(job.labels)
    keras.config.set_dtype_policy(choose_policy(job.options.precision, job.plan.depthwise))
    if plan.network is None:
        model = transfer_network(spec, classes, plan.backbone, plan.weights, plan.enlarged_px)
    else:
        model = _built(plan.network, spec, classes)
    seconds = 0.0
    learned = bool(plan.backbone) and plan.weights != "none"
    if learned:
        began = time.monotonic()
        freeze_backbone(model)
        photos = PhotoBatches(job.dataset.of("train"), job.targets, spec, plan.batch)
        train_head(model, photos, job.targets, job.weights, job.say)
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
    if build is not None:
        final = build(spec, classes)
    else:
        final = transfer_network(spec, classes, plan.backbone, "none", plan.enlarged_px)
    final.set_weights(model.get_weights())
    return Trained(final, seconds)


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
