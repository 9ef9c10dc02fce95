"""Batches for Keras: photos through the runtime's own preprocessing, then augmented."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import keras
import numpy as np
import numpy.typing as npt

from edge_runtime.media.image import read_for
from edge_runtime.model.card import InputSpec
from edge_runtime.model.preprocess import Image, preprocess
from train.data import mix
from train.data.mix import Targets
from train.data.samples import Sample

__all__ = ["Augment", "EpochBatches", "PhotoBatches", "one_hot"]

Augment: TypeAlias = Callable[[Image, np.random.Generator], Image]

_CACHE_LIMIT_BYTES = 1_500_000_000


def one_hot(samples: Sequence[Sample], labels: tuple[str, ...]) -> Targets:
    """Return float32 (N, K): 1 at each sample's label."""
    index = {label: i for i, label in enumerate(labels)}
    return np.eye(len(labels), dtype=np.float32)[[index[s.label] for s in samples]]


class EpochBatches(keras.utils.PyDataset):  # type: ignore[misc]
    """Batches whose order and variation depend on a seed and on which epoch it is."""

    epoch = 0

    def start_at(self, epoch: int) -> None:
        """Be told which epoch begins; Keras ends one too many to count them."""
        self.epoch = epoch
        self.begin_epoch()

    def begin_epoch(self) -> None:
        """Do what a new epoch asks for; `epoch` says which."""


class PhotoBatches(EpochBatches):
    """Batches of (uint8 (B, H, W, 3) RGB, float32 (B, K) targets[, float32 (B,) weights]).

    Preprocessed photos are kept in memory where they fit in 1.5 GB, else read again each epoch.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        targets: Targets | Callable[[int], Targets],
        spec: InputSpec,
        batch: int,
        *,
        augment: Augment | None = None,
        mixup: float = 0.0,
        cutmix: float = 0.0,
        weights: npt.NDArray[np.float32] | None = None,
        seed: int | None = None,
        workers: int = 2,
    ) -> None:
        """Take photos and what is to be answered.

        Args:
            samples: The photos.
            targets: float32 (N, K), what each is; or a function from the epoch to that.
            spec: The model's input.
            batch: Photos a batch; the last one may be smaller.
            augment: Varies each photo.
            mixup: Alpha, see `train.data.mix.mixup`; 0 mixes none.
            cutmix: Probability, see `train.data.mix.cutmix`; 0 pastes none.
            weights: float32 (N,), how much each photo counts.
            seed: None keeps the photos in their order (for evaluation).
            workers: Threads.
        """
        super().__init__(workers=workers, max_queue_size=16)
        self._samples = list(samples)
        self._targets_at = targets if callable(targets) else lambda _: targets
        self._spec = spec
        self._batch = batch
        self._augment = augment
        self._mixup = mixup
        self._cutmix = cutmix
        self._weights = weights
        self._seed = seed
        size = len(self._samples) * spec.height_px * spec.width_px * 3
        self._cache: list[Image | None] | None = None
        if size <= _CACHE_LIMIT_BYTES:
            self._cache = [None] * len(self._samples)
        self.begin_epoch()

    def __len__(self) -> int:
        """Return the number of batches."""
        return -(-len(self._samples) // self._batch)

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        """Return one batch."""
        chosen = self._order[index * self._batch : (index + 1) * self._batch]
        images = np.stack([self._photo(int(i)) for i in chosen])
        targets = self._targets[chosen]
        rng = np.random.default_rng([self._seed or 0, self.epoch, index])
        if self._augment is not None:
            images = np.stack([self._augment(image, rng) for image in images])
        if self._mixup > 0:
            images, targets = mix.mixup(images, targets, self._mixup, rng)
        if self._cutmix > 0:
            images, targets = mix.cutmix(images, targets, self._cutmix, rng)
        if self._weights is None:
            return images, targets
        return images, targets, self._weights[chosen]

    def begin_epoch(self) -> None:
        """Shuffle anew."""
        self._targets = self._targets_at(self.epoch)
        n = len(self._samples)
        self._order = (
            np.arange(n)
            if self._seed is None
            else np.random.default_rng([self._seed, self.epoch]).permutation(n)
        )

    def _photo(self, i: int) -> Image:
        if self._cache is not None:
            cached = self._cache[i]
            if cached is not None:
                return cached
        photo = preprocess(read_for(self._samples[i].path, self._spec).image_bgr, self._spec)
        if self._cache is not None:
            self._cache[i] = photo
        return photo
