"""Training who is who: an embedding whose angles part people, and a direction a person."""

from __future__ import annotations

import time
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from edge_runtime.faces.identifier import FALSE_ACCEPT
from edge_runtime.measure.impostors import cosine_at, impostor_curve
from edge_runtime.model.card import Reject
from train.data.batches import PhotoBatches, one_hot
from train.data.samples import Sample
from train.fit_photos import fit_photos
from train.job import Job, Trained
from train.networks.exported import exported_card, exported_file, load_exported
from train.networks.face_embedding import (
    SCALE,
    MarginSoftmax,
    answering_model,
    embedding_network,
    mirrored_embedding,
    move_embedding,
)
from train.networks.transfer import unfreeze_backbone
from train.part_people import part_people
from train.precision import choose_policy
from train.within_class import within_class_normalization

__all__ = ["train_identity"]


def train_identity(job: Job) -> Trained:
    """Find an embedding that parts people, train it further, and point at each person.

    The people of `--background` teach the embedding and are no answers. An exported face model's
    embedding is taken as it is; there they are strangers to it and to those who are answers, and
    tell how alike two people look.

    Raises:
        DataError: Too few people to learn from what parts people.
    """
    plan = job.plan
    keras.config.set_dtype_policy(choose_policy(job.options.precision, plan.depthwise))
    teachers = () if plan.frozen else job.background
    people = (*job.labels, *sorted({s.label for s in teachers} - set(job.labels)))
    taught = [*job.dataset.of("train"), *teachers]
    start = "none" if plan.exported else plan.weights
    model = embedding_network(job.spec, len(people), plan.backbone, start)
    if plan.exported:
        load_exported(model, exported_file(plan.weights), "--backbone or --size")
    seconds = 0.0
    if start != "none" and not job.run.has_epoch:  # else the checkpoint holds all that
        began = time.monotonic()
        part_people(model, taught, job)
        if not plan.frozen:
            directions = _directions(mirrored_embedding(model), taught, people, job)
            model.get_layer("cosines").set_weights([directions])
        seconds = time.monotonic() - began
    if not plan.frozen:
        unfreeze_backbone(model, statistics=plan.weights == "none")
        seconds += fit_photos(model, job, taught, one_hot(taught, people), people, MarginSoftmax())
    keras.config.set_dtype_policy("float32")
    final = embedding_network(job.spec, len(people), plan.backbone, "none")
    final.set_weights(model.get_weights())
    embedder = mirrored_embedding(final)
    began = time.monotonic()
    if not plan.frozen:
        summed = keras.Model(embedder.input, embedder.get_layer("embedding").input)
        rows = _embed(summed, taught, job)
        evened = within_class_normalization(rows, [s.label for s in taught])
        move_embedding(final, *evened)
    directions = _directions(embedder, job.dataset.of("train"), job.labels, job)
    seconds += time.monotonic() - began
    model = answering_model(embedder, directions, SCALE)
    impostors = _impostors(embedder, job)
    reject = None
    if impostors is not None:
        # Each comparison may accept its share; a gallery's size is known on the device alone.
        compared = 1 if job.options.for_gallery else len(job.labels)
        below = cosine_at(impostors["curve"], FALSE_ACCEPT / compared)
        reject = Reject("cosine", round(below, 4), FALSE_ACCEPT)
    return Trained(model, seconds, reject, impostors)


def _impostors(embedder: keras.Model, job: Job) -> dict[str, Any] | None:
    """Return how alike two people look, on those who taught the embedding least."""
    plan = job.plan
    if plan.frozen and not job.background:
        # What was measured on the embedding itself, where its file says so.
        return exported_card(plan.weights).metrics.get("impostors") if plan.exported else None
    photos = list(job.background) if plan.frozen else job.dataset.of("val")
    return impostor_curve(_embed(embedder, photos, job), [s.label for s in photos])


def _directions(
    embedder: keras.Model, photos: list[Sample], people: tuple[str, ...], job: Job
) -> npt.NDArray[np.float32]:
    """Return where each person's photos point on average, float32 (128, K)."""
    embeddings = _embed(embedder, photos, job)
    sums = one_hot(photos, people).T @ embeddings
    return np.asarray((sums / np.linalg.norm(sums, axis=1, keepdims=True)).T, np.float32)


def _embed(embedder: keras.Model, photos: list[Sample], job: Job) -> npt.NDArray[np.float32]:
    """Return what an embedder makes of photos, float32 (N, 128)."""
    batches = PhotoBatches(photos, np.zeros((len(photos), 1), np.float32), job.spec, job.plan.batch)
    return np.asarray(embedder.predict(batches, verbose=0), np.float32)
