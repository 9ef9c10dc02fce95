"""Training who is who: an embedding whose angles part people, and a direction a person."""

from __future__ import annotations

import time

import keras
import numpy as np
import numpy.typing as npt

from edge_runtime.model.card import Reject
from edge_runtime.model.catalog import find_model
from train.data.batches import PhotoBatches, one_hot
from train.data.samples import Sample
from train.fit_photos import fit_photos
from train.job import Job, Trained
from train.networks.face_embedding import (
    SCALE,
    MarginSoftmax,
    answering_model,
    embedding_network,
)
from train.networks.shipped_faces import load_shipped
from train.precision import choose_policy

__all__ = ["train_identity"]

FALSE_ACCEPT = 0.01


def train_identity(job: Job) -> Trained:
    """Train the plan's embedding, or take the shipped one as it is, and point at each person.

    The people of `--background` teach the embedding and are no answers.
    """
    keras.config.set_dtype_policy(choose_policy(job.options.precision, bool(job.plan.backbone)))
    people = (*job.labels, *sorted({s.label for s in job.background} - set(job.labels)))
    model = _network(job, len(people))
    seconds = 0.0
    if not job.plan.frozen:
        taught = [*job.dataset.of("train"), *job.background]
        seconds = fit_photos(model, job, taught, one_hot(taught, people), people, MarginSoftmax())
    keras.config.set_dtype_policy("float32")
    final = embedding_network(job.spec, len(people), job.plan.backbone, "none")
    final.set_weights(model.get_weights())
    if job.plan.frozen:
        began = time.monotonic()
        directions = _directions(final, job)
        seconds = time.monotonic() - began
    else:
        learned = np.asarray(final.get_layer("cosines").directions, np.float32)
        directions = learned[:, : len(job.labels)]
    model = answering_model(final, directions, SCALE)
    if not job.background:
        return Trained(model, seconds)
    return Trained(model, seconds, _stranger_threshold(model, directions, job))


def _stranger_threshold(
    model: keras.Model, directions: npt.NDArray[np.float32], job: Job
) -> Reject:
    """Return the cosine that 1% of val's photos reach to the nearest person they do not show."""
    val = job.dataset.of("val")
    cosines = _embed(model, val, job) @ (directions / np.linalg.norm(directions, axis=0))
    cosines[np.arange(len(val)), [job.labels.index(s.label) for s in val]] = -1.0
    below = float(np.quantile(cosines.max(1), 1 - FALSE_ACCEPT))
    return Reject("cosine", round(below, 4), FALSE_ACCEPT)


def _network(job: Job, people: int) -> keras.Model:
    weights = job.plan.weights
    if not weights.endswith(".onnx"):
        return embedding_network(job.spec, people, job.plan.backbone, weights)
    model = embedding_network(job.spec, people, job.plan.backbone, "none")
    load_shipped(model, find_model(weights))
    return model


def _directions(model: keras.Model, job: Job) -> npt.NDArray[np.float32]:
    """Return where each person's training photos point on average, float32 (128, K)."""
    photos = job.dataset.of("train")
    embeddings = _embed(model, photos, job)
    truth = np.array([job.labels.index(s.label) for s in photos])
    return np.stack([embeddings[truth == i].mean(0) for i in range(len(job.labels))], axis=1)


def _embed(model: keras.Model, photos: list[Sample], job: Job) -> npt.NDArray[np.float32]:
    """Return embeddings of photos and their mirror images, averaged, of unit length, (N, 128)."""
    part = keras.Model(model.input, model.get_layer("embedding").output)
    batches = PhotoBatches(photos, np.zeros((len(photos), 1), np.float32), job.spec, job.plan.batch)
    rows = []
    for index in range(len(batches)):
        images = batches[index][0]
        both = part(images, training=False) + part(images[:, :, ::-1], training=False)
        rows.append(np.asarray(both, np.float32))
    summed = np.concatenate(rows)
    return np.asarray(summed / np.linalg.norm(summed, axis=1, keepdims=True), np.float32)
