"""A Keras model whose answers are known, and photos it is right about."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest


@pytest.fixture(scope="session")
def means_model() -> Callable[..., Any]:
    """Build a Keras model: logit i is `weight` times the mean of channel i."""
    keras = pytest.importorskip("keras")

    def build(
        side: int | None = 8,
        *,
        channels: int = 3,
        classes: int = 3,
        activation: str | None = "softmax",
        weight: float = 0.02,
        name: str | None = None,
    ) -> Any:
        image = keras.Input((side, side, channels))
        head = keras.layers.Dense(classes, activation=activation)
        model = keras.Model(image, head(keras.layers.GlobalAveragePooling2D()(image)), name=name)
        head.set_weights([weight * np.eye(channels, classes), np.zeros(classes)])
        return model

    return build


@pytest.fixture(scope="session")
def color_photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of twelve photos each of red, green and blue, in folders of these names."""
    root = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for channel, label in enumerate(("blue", "green", "red")):  # as OpenCV writes them
        (root / label).mkdir()
        for i in range(12):
            image = rng.integers(0, 120, (16, 16, 3)).astype(np.uint8)
            image[..., channel] = rng.integers(150, 256)
            cv2.imwrite(str(root / label / f"{i:02}.png"), image)
    return root


@pytest.fixture(scope="session")
def loose_photos(tmp_path_factory: pytest.TempPathFactory, color_photos: Path) -> Path:
    """The same photos without folders: nobody says what is in them."""
    root = tmp_path_factory.mktemp("loose")
    for photo in sorted(color_photos.rglob("*.png")):
        (root / f"{photo.parent.name}-{photo.name}").write_bytes(photo.read_bytes())
    return root
