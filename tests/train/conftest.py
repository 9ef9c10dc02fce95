"""Drawn photos, smooth as real ones are: saved again they change as little."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest


@pytest.fixture(scope="session")
def photo() -> Callable[..., np.ndarray]:
    """Make the picture of a scene, BGR: another number is another scene."""

    def make(number: int, side: int = 48) -> np.ndarray:
        cells = np.random.default_rng(number).integers(40, 216, (8, 8, 3)).astype(np.uint8)
        return cv2.resize(cells, (side, side), interpolation=cv2.INTER_LINEAR)

    return make


@pytest.fixture(scope="session")
def draw(photo: Callable[..., np.ndarray]) -> Callable[..., Path]:
    """Write a scene, or the picture given, as the suffix says."""

    def write(path: Path | str, scene: int | np.ndarray) -> Path:
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(path), photo(scene) if isinstance(scene, int) else scene)
        return path

    return write
