"""From faces in a scene to what each cell of the detector should answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from edge_runtime.model.card import InputSpec
from edge_runtime.model.preprocess import Image
from train.data.batches import EpochBatches
from train.data.face_scenes import SceneMaker
from train.data.scene_faces import Face
from train.networks.detector_loss import TARGET_CHANNELS
from train.networks.face_detector import cell_centers

__all__ = ["SceneBatches", "targets"]

# Face sizes (geometric mean of the sides, in input pixels) each stride learns; they overlap, so
# that a face between two levels is found by both.
_SIZES = {8: (0.0, 48.0), 16: (34.0, 108.0), 32: (80.0, 1e9)}
_CENTER_RADIUS = 1.1  # cells within this many strides of a face's center hold the face


def targets(faces: Sequence[Face], spec: InputSpec) -> npt.NDArray[np.float32]:
    """Return (A, 16) target cells; see `train.networks.detector_loss.TARGET_CHANNELS`.

    Known landmarks count 1.
    """
    centers, strides = cell_centers(spec)
    strides = strides[:, 0]
    out = np.zeros((len(centers), TARGET_CHANNELS), np.float32)
    low = np.select([strides == s for s in _SIZES], [r[0] for r in _SIZES.values()])
    high = np.select([strides == s for s in _SIZES], [r[1] for r in _SIZES.values()])
    # Small faces last: where two share a cell, the smaller one is harder to find elsewhere.
    for face in sorted(faces, key=lambda f: -float(np.prod(f.box[2:] - f.box[:2]))):
        x1, y1, x2, y2 = face.box
        inside = ((centers > (x1, y1)) & (centers < (x2, y2))).all(1)
        if not face.learned:
            out[inside & (out[:, 0] == 0), 0] = -1
            continue
        size = np.sqrt((x2 - x1) * (y2 - y1))
        middle = np.array([(x1 + x2) / 2, (y1 + y2) / 2], np.float32)
        near = np.abs(centers - middle).max(1) <= _CENTER_RADIUS * strides
        chosen = near & (size >= low) & (size < high)
        # A face smaller than a cell may have no center inside it; the nearest cells still count.
        chosen &= inside | (size < 2 * strides)
        out[near & ~chosen & (out[:, 0] == 0), 0] = -1
        out[chosen, 0] = 1
        out[chosen, 1:5] = face.box
        out[chosen, 5:] = 0
        if face.landmarks is not None:
            out[chosen, 5:15] = face.landmarks.reshape(-1)
            out[chosen, 15] = 1
    return out


class SceneBatches(EpochBatches):
    """Batches of (uint8 (B, H, W, 3) RGB scenes, float32 (B, A, 16) targets)."""

    def __init__(
        self,
        maker: SceneMaker,
        spec: InputSpec,
        batch: int,
        steps: int,
        seed: int,
        landmarks: Callable[[int], float],
        seen: int = 0,
    ) -> None:
        """Make `steps` batches an epoch; scene contents depend on seed, epoch and place alone.

        Args:
            maker: Makes the scenes.
            spec: Input of the network.
            batch: Scenes a batch.
            steps: Batches an epoch.
            seed: Of the scenes.
            landmarks: From the epoch, from 0 on, to how much landmarks count in it.
            seen: Epochs of scenes the network knows from before; others are made.
        """
        super().__init__(workers=2, max_queue_size=8)
        self._maker, self._spec = maker, spec
        self._batch, self._steps, self._seed = batch, steps, seed
        self._landmarks = landmarks
        self._seen = seen

    def __len__(self) -> int:
        """Return the batches of an epoch."""
        return self._steps

    def __getitem__(self, index: int) -> tuple[Image, npt.NDArray[np.float32]]:
        """Return one batch."""
        rng = np.random.default_rng([self._seed, self._seen + self.epoch, index])
        scenes = [self._maker.scene(rng) for _ in range(self._batch)]
        images = np.stack([image for image, _ in scenes])
        cells = np.stack([targets(faces, self._spec) for _, faces in scenes])
        cells[..., 15] *= self._landmarks(self.epoch)
        return images, cells
