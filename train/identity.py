"""Training who is who: an embedding whose angles part people, and a direction a person."""

from __future__ import annotations

import time

import keras
import numpy as np
import numpy.typing as npt

from edge_runtime.model.card import Reject
from train.data.batches import PhotoBatches, one_hot
from train.data.samples import Sample, truth_of
from train.fit_photos import fit_photos
from train.job import Job, Trained
from train.networks.exported_faces import load_exported
from train.networks.face_embedding import (
    SCALE,
    MarginSoftmax,
    answering_model,
    embedding_network,
    mirrored_embedding,
)
from train.networks.transfer import unfreeze_backbone
from train.part_people import part_people
from train.precision import choose_policy

__all__ = ["train_identity"]

FALSE_ACCEPT = 0.01


def train_identity(job: Job) -> Trained:
    """Find an embedding that parts people, train it further, and point at each person.

    The people of `--background` teach the embedding and are no answers. An exported face model's
    embedding is taken as it is.

    Raises:
        DataError: Too few people to learn from what parts people.
    """
    plan = job.plan
    keras.config.set_dtype_policy(choose_policy(job.options.precision, plan.depthwise))
    people = (*job.labels, *sorted({s.label for s in job.background} - set(job.labels)))
    taught = [*job.dataset.of("train"), *job.background]
    start = "none" if plan.exported else plan.weights
    model = embedding_network(job.spec, len(people), plan.backbone, start)
    if plan.exported:
        load_exported(model, plan.weights)
    seconds = 0.0
    if start != "none":
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
    if plan.frozen:
        began = time.monotonic()
        directions = _directions(embedder, job.dataset.of("train"), job.labels, job)
        seconds += time.monotonic() - began
    else:
        learned = np.asarray(final.get_layer("cosines").directions, np.float32)
        directions = learned[:, : len(job.labels)]
    model = answering_model(embedder, directions, SCALE)
    if not job.background:
        return Trained(model, seconds)
    return Trained(model, seconds, _stranger_threshold(embedder, directions, job))


def _stranger_threshold(
    embedder: keras.Model, directions: npt.NDArray[np.float32], job: Job
) -> Reject:
    """Return the cosine that 1% of val's photos reach to the nearest person they do not show."""
    val = job.dataset.of("val")
    cosines = _embed(embedder, val, job) @ (directions / np.linalg.norm(directions, axis=0))
    cosines[np.arange(len(val)), truth_of(val, job.labels)] = -1.0
    below = float(np.quantile(cosines.max(1), 1 - FALSE_ACCEPT))
    return Reject("cosine", round(below, 4), FALSE_ACCEPT)


def _directions(
    embedder: keras.Model, photos: list[Sample], people: tuple[str, ...], job: Job
) -> npt.NDArray[np.float32]:
    """Return where each person's photos point on average, float32 (128, K)."""
    embeddings = _embed(embedder, photos, job)
    sums = one_hot(photos, people).T @ embeddings
    return np.asarray((sums / np.linalg.norm(sums, axis=1, keepdims=True)).T, np.float32)


def _embed(embedder: keras.Model, photos: list[Sample], job: Job) -> npt.NDArray[np.float32]:
    """Return the embeddings of photos, float32 (N, 128)."""
    batches = PhotoBatches(photos, np.zeros((len(photos), 1), np.float32), job.spec, job.plan.batch)
    return np.asarray(embedder.predict(batches, verbose=0), np.float32)
