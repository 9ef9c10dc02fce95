"""Several views of one picture, looked at together: so many times the work, and a better answer."""

from __future__ import annotations

from typing import Any

from keras import ops

__all__ = ["mean_of_views", "views_of"]


def views_of(image: Any, count: int) -> Any:
    """Return the views of each picture, one view's pictures after the other's.

    Args:
        image: uint8 (N, H, W, 3), in a graph.
        count: 1, the picture; 2, and its mirror image; 4, both a pixel to either side along the
            diagonal, so that pooling and strides fall upon other pixels.

    Returns:
        uint8 (count * N, H, W, 3).
    """
    return ops.concatenate(_views(image, count), axis=0) if count > 1 else image


def mean_of_views(features: Any, count: int) -> Any:
    """Return what the views of each picture have on average, (N, C) of (count * N, C)."""
    return sum(ops.split(features, count, axis=0)) * (1 / count) if count > 1 else features


def _views(image: Any, count: int) -> list[Any]:
    if count == 4:
        down = ops.concatenate([image[:, :1], image[:, :-1]], axis=1)
        up = ops.concatenate([image[:, 1:], image[:, -1:]], axis=1)
        right_down = ops.concatenate([down[:, :, :1], down[:, :, :-1]], axis=2)
        left_up = ops.concatenate([up[:, :, 1:], up[:, :, -1:]], axis=2)
        return [*_views(right_down, 2), *_views(left_up, 2)]
    return [image, image[:, :, ::-1]][:count]
