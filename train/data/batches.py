"""Batches for Keras: photos through the runtime's own preprocessing, then augmented."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras
import numpy as np
import numpy.typing as npt

from edge_runtime.media.image import read_for
from edge_runtime.model.card import InputSpec
from edge_runtime.model.preprocess import Image, preprocess
from train.data.folders import Sample

__all__ = ["Augment", "PhotoBatches"]

Augment = Callable[[Image, np.random.Generator], Image]

_CACHE_LIMIT_BYTES = 1_500_000_000


class PhotoBatches(keras.utils.PyDataset):  # type: ignore[misc]
    """Batches of (uint8 (B, H, W, 3) RGB, float32 (B, K) one-hot).

    Preprocessed photos are kept in memory where they fit in 1.5 GB, else read again each epoch.
    Order and augmentation depend on the seed and the epoch alone.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        labels: tuple[str, ...],
        spec: InputSpec,
        batch: int,
        augment: Augment | None = None,
        seed: int | None = None,
        workers: int = 2,
    ) -> None:
        """Take samples; a seed of None keeps their order (for evaluation)."""
        super().__init__(workers=workers, max_queue_size=16)
        self._samples = list(samples)
        self._spec = spec
        self._batch = batch
        self._augment = augment
        self._seed = seed
        self._epoch = 0
        index = {label: i for i, label in enumerate(labels)}
        self._onehot = np.eye(len(labels), dtype=np.float32)[
            [index[s.label] for s in self._samples]
        ]
        size = len(self._samples) * spec.height_px * spec.width_px * 3
        self._cache: list[Image | None] | None = None
        if size <= _CACHE_LIMIT_BYTES:
            self._cache = [None] * len(self._samples)
        self._order = self._shuffled()

    def __len__(self) -> int:
        """Return the number of batches, the last one may be smaller."""
        return -(-len(self._samples) // self._batch)

    def __getitem__(self, index: int) -> tuple[Image, npt.NDArray[np.float32]]:
        """Return one batch."""
        chosen = self._order[index * self._batch : (index + 1) * self._batch]
        images = np.stack([self._photo(int(i)) for i in chosen])
        if self._augment is not None:
            rng = np.random.default_rng([self._seed or 0, self._epoch, index])
            images = np.stack([self._augment(image, rng) for image in images])
        return images, self._onehot[chosen]

    def on_epoch_end(self) -> None:
        """Shuffle anew."""
        self._epoch += 1
        self._order = self._shuffled()

    def _shuffled(self) -> npt.NDArray[np.int64]:
        if self._seed is None:
            return np.arange(len(self._samples))
        return np.random.default_rng([self._seed, self._epoch]).permutation(len(self._samples))

    def _photo(self, i: int) -> Image:
        if self._cache is not None:
            cached = self._cache[i]
            if cached is not None:
                return cached
        photo = preprocess(read_for(self._samples[i].path, self._spec).image_bgr, self._spec)
        if self._cache is not None:
            self._cache[i] = photo
        return photo
