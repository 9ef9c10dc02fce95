"""A face embedding without a step of training: what parts people, computed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import keras
import numpy as np
import numpy.typing as npt

from edge_runtime.apps.progress import progress
from train.data.batches import PhotoBatches
from train.data.samples import Sample
from train.discriminants import Discriminants
from train.errors import DataError
from train.job import Job
from train.networks.face_embedding import EMBEDDING, set_affine

__all__ = ["part_people"]

_PASSES = 5  # each photo so often, each time varied anew
_FEWEST = 16
_PHOTOS = 3  # of a person: fewer say little of how photos of one person differ
_FAINTEST = 1e-6  # of the strongest component's variance; below it are dead channels
_SAMPLE = 1024  # photos that tell how channels vary


def part_people(model: keras.Model, taught: Sequence[Sample], job: Job) -> None:
    """Set what follows the backbone to the linear discriminants of its features.

    Args:
        model: See `train.networks.face_embedding.embedding_network`; changed in place.
        taught: Photos that teach.
        job: Input, augmentation, batch and seed.

    Raises:
        DataError: Too few people.
    """
    counts = Counter(s.label for s in taught)
    teachers = sorted(person for person, count in counts.items() if count >= _PHOTOS)
    if len(teachers) < _FEWEST:
        raise DataError(
            f"{len(teachers)} people with {_PHOTOS} photos or more to train on are too few to "
            f"learn what parts people ({_FEWEST} are needed): add others with --background, or "
            "take --architecture seed, or head with a face model's file as --weights"
        )
    taught = [s for s in taught if counts[s.label] >= _PHOTOS]
    place = {person: i for i, person in enumerate(teachers)}
    who = np.array([[place[s.label]] for s in taught], np.float32)
    batches = PhotoBatches(
        taught, who, job.spec, job.plan.batch, augment=job.plan.augment, seed=job.options.seed
    )
    spread = _set_channels(model, batches)
    mapped = keras.Model(model.input, model.get_layer("fewer_normal").output)
    _, height, width, channels = mapped.output.shape
    sums = Discriminants(height * width * channels, len(teachers))
    with progress("looking at what parts people", _PASSES * len(batches)) as step:
        for each in range(_PASSES):
            batches.start_at(each)
            for index in range(len(batches)):
                images, targets = batches[index]
                rows = np.asarray(mapped(images, training=False), np.float32) * spread
                sums.add(rows.reshape(len(rows), -1), targets[:, 0].astype(np.int64))
                step()
    kernel, offset = sums.solve(EMBEDDING)
    scale = np.tile(spread, height * width)[:, None]
    set_affine(model, "project", kernel * scale, offset)


def _set_channels(model: keras.Model, batches: PhotoBatches) -> npt.NDArray[np.float32]:
    """Keep the principal components of the channels, each with a spread of 1 for int8's sake.

    Returns:
        The spread each had, float32 (channels,).
    """
    part = keras.Model(model.input, model.get_layer("fewer").input)
    seen, rows = 0, []
    for index in range(len(batches)):
        found = np.asarray(part(batches[index][0], training=False), np.float32)
        rows.append(found.reshape(-1, found.shape[-1]))
        seen += len(found)
        if seen >= _SAMPLE:
            break
    every = np.concatenate(rows)
    mean = every.mean(0)
    variance, axes = np.linalg.eigh(np.cov(every.T))
    kept = np.argsort(variance)[::-1][: model.get_layer("fewer").filters]
    spread = np.sqrt(np.maximum(variance[kept], _FAINTEST * variance.max()))
    kernel = axes[:, kept] / spread
    set_affine(model, "fewer", kernel.astype(np.float32), (-mean @ kernel).astype(np.float32))
    return np.asarray(spread, np.float32)
