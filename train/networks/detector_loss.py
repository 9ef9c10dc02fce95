"""What the face detector is trained to make small.

Score: quality focal loss (Li et al. 2020, Generalized Focal Loss), whose target is the overlap
of the predicted box up to where it fits, so that of several boxes the better one stays, and a face
whose bounds are a matter of taste is yet a sure one. Box: 1 - generalized IoU. Landmarks: Huber on
their places in the face's box, where they are known. Their target is seen from the true box, not
from the predicted one, so that they learn the shape of the face and leave its place to the box.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from edge_runtime.model.card import InputSpec
from train.networks.face_detector import cell_centers, points_in_box, raw_to_boxes

__all__ = ["TARGET_CHANNELS", "DetectorLoss"]

# Channels of a target cell: 0 kind (1 face, 0 none, -1 ignored), 1:5 box, 5:15 landmarks, all in
# input pixels, 15 how much the landmarks count, 0 where they are not known.
TARGET_CHANNELS = 16

_BOX_WEIGHT = 2.0
_FITS = 0.7  # overlap from which on a box is as good as any: the rest of the score is the face's
_NEAR = 0.02  # of the box: errors beneath count by their square


class DetectorLoss(keras.losses.Loss):  # type: ignore[misc]
    """Sum of the three parts, each divided by the number of cells that hold a face."""

    def __init__(self, spec: InputSpec) -> None:
        """Take the input size, from which the cells follow."""
        super().__init__(name="detector", reduction="sum_over_batch_size")
        self._centers, self._strides = cell_centers(spec)

    def call(self, target: Any, raw: Any) -> Any:
        """Return the loss, one number.

        Args:
            target: (N, A, 16) as `TARGET_CHANNELS` says.
            raw: (N, A, 15) from the network.
        """
        kind = target[..., 0]
        face = ops.cast(kind > 0.5, "float32")
        counted = ops.cast(kind > -0.5, "float32")
        faces = ops.maximum(ops.sum(face), 1.0)
        boxes = raw_to_boxes(raw[..., 1:5], self._centers, self._strides)
        overlap, gap = _overlap(boxes, target[..., 1:5])

        quality = ops.minimum(ops.stop_gradient(overlap) / _FITS, 1.0) * face
        score = ops.sigmoid(raw[..., 0])
        entropy = ops.binary_crossentropy(quality, raw[..., 0], from_logits=True)
        score_loss = ops.sum(ops.square(quality - score) * entropy * counted) / faces

        box_loss = ops.sum((1.0 - overlap + gap) * face) / faces

        corner, opposite = target[..., 1:3], target[..., 3:5]
        size = ops.maximum(opposite - corner, 1.0)
        aim = (target[..., 5:15] - ops.tile(corner, (1, 1, 5))) / ops.tile(size, (1, 1, 5))
        off = ops.abs(points_in_box(raw[..., 5:15]) - aim)
        huber = ops.where(off < _NEAR, off * off / (2 * _NEAR), off - _NEAR / 2)
        weight = face * target[..., 15]
        known = ops.maximum(ops.sum(ops.cast(weight > 0, "float32")), 1.0)
        landmark_loss = ops.sum(ops.mean(huber, -1) * weight) / known
        return score_loss + _BOX_WEIGHT * box_loss + landmark_loss


def _overlap(a: Any, b: Any) -> tuple[Any, Any]:
    """Return IoU and GIoU's penalty (share of the hull that neither box covers)."""
    inner = ops.maximum(
        ops.minimum(a[..., 2:], b[..., 2:]) - ops.maximum(a[..., :2], b[..., :2]), 0.0
    )
    hull = ops.maximum(a[..., 2:], b[..., 2:]) - ops.minimum(a[..., :2], b[..., :2])
    both = inner[..., 0] * inner[..., 1]
    area_a, area_b = (
        ops.maximum(x[..., 2] - x[..., 0], 0.0) * ops.maximum(x[..., 3] - x[..., 1], 0.0)
        for x in (a, b)
    )
    union = area_a + area_b - both
    around = ops.maximum(hull[..., 0] * hull[..., 1], 1e-6)
    return both / ops.maximum(union, 1e-6), (around - union) / around
