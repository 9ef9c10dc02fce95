"""An embedding computed from drawn people: whom it parts, what noise it leaves, who is enough."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from edge_runtime.model.card import InputSpec
from train.data.samples import Sample
from train.errors import DataError

pytestmark = pytest.mark.tensorflow
keras = pytest.importorskip("keras")

SPEC = InputSpec(64, 64, region="face")
PEOPLE, EACH, TAUGHT = 20, 10, 8


def _faces(photo) -> np.ndarray:
    """Draw each person: the same scene, shifted, in another light, with something before it."""
    rng = np.random.default_rng(0)
    out = np.empty((PEOPLE, EACH, 64, 64, 3), np.uint8)
    for person in range(PEOPLE):
        scene = photo(person, 72)
        for i in range(EACH):
            y, x = rng.integers(0, 9, 2)
            out[person, i] = cv2.convertScaleAbs(
                scene[y : y + 64, x : x + 64],
                alpha=rng.uniform(0.6, 1.4),
                beta=rng.uniform(-30, 30),
            )
            y, x = rng.integers(0, 48, 2)
            out[person, i, y : y + 16, x : x + 16] = rng.integers(0, 256, 3)
    return out


@pytest.fixture(scope="module")
def drawn(photo, tmp_path_factory) -> tuple[np.ndarray, list[Sample]]:
    folder: Path = tmp_path_factory.mktemp("people")
    faces = _faces(photo)
    samples = []
    for person in range(PEOPLE):
        for i in range(TAUGHT):
            path = folder / f"{person}-{i}.png"
            cv2.imwrite(str(path), faces[person, i])
            samples.append(Sample(path, f"p{person:02d}", "train"))
    return faces[:, TAUGHT:, :, :, ::-1], samples


def _job() -> Any:
    return SimpleNamespace(
        spec=SPEC, plan=SimpleNamespace(batch=32, augment=None), options=SimpleNamespace(seed=0)
    )


@pytest.fixture(scope="module")
def parted(drawn) -> Any:
    from train.networks.face_embedding import embedding_network
    from train.part_people import part_people

    keras.utils.set_random_seed(0)
    model = embedding_network(SPEC, PEOPLE, "mobilenet-0.25", "none")
    part_people(model, drawn[1], _job())
    return model


def _embed(model: Any, photos: np.ndarray) -> np.ndarray:
    part = keras.Model(model.input, model.get_layer("embedding").output)
    return np.asarray(part(photos, training=False))


def test_photos_never_seen_are_nearest_to_the_person_they_show(parted, drawn) -> None:
    unseen = drawn[0]
    known = _embed(parted, np.stack([cv2.imread(str(s.path))[:, :, ::-1] for s in drawn[1]]))
    directions = known.reshape(PEOPLE, TAUGHT, -1).mean(1)
    cosines = _embed(parted, unseen.reshape(-1, 64, 64, 3)) @ directions.T
    right = cosines.argmax(1) == np.repeat(np.arange(PEOPLE), EACH - TAUGHT)
    assert right.mean() >= 0.9  # one in twenty by chance


def test_people_who_taught_nothing_are_parted_too(parted, photo) -> None:
    strangers = np.stack([photo(100 + i, 64) for i in range(12)])[..., ::-1]
    darker = (strangers * 0.7).astype(np.uint8)
    a, b = _embed(parted, strangers), _embed(parted, darker)
    assert ((a @ b.T).argmax(1) == np.arange(12)).mean() >= 0.9


def test_directions_beyond_people_less_one_part_nobody(parted, drawn) -> None:
    part = keras.Model(parted.input, parted.get_layer("unscaled").output)
    unseen = np.asarray(part(drawn[0].reshape(-1, 64, 64, 3), training=False))
    assert unseen.shape[1] == 128
    assert np.abs(unseen[:, PEOPLE - 1 :]).max() < 1e-4
    assert unseen[:, : PEOPLE - 1].std(0).min() > 0.1


def test_reduced_channels_spread_alike_for_int8(parted, drawn) -> None:
    part = keras.Model(parted.input, parted.get_layer("fewer_normal").output)
    photos = np.stack([cv2.imread(str(s.path))[:, :, ::-1] for s in drawn[1]])
    found = np.asarray(part(photos, training=False))
    found = found.reshape(-1, found.shape[-1])
    strong = found.std(0) > 0.5  # the others hardly vary, in a network of random weights
    assert strong.sum() >= 16
    np.testing.assert_allclose(found[:, strong].std(0), 1, atol=0.15)
    np.testing.assert_allclose(found.mean(0), 0, atol=0.15)


def test_too_few_people_with_enough_photos_are_told_what_to_do(drawn) -> None:
    from train.part_people import part_people

    few = [s for s in drawn[1] if s.label < "p15" or s.path.stem[-1] in "01"]
    with pytest.raises(DataError, match=r"^15 people with 3 .*--background.*--architecture seed"):
        part_people(None, few, _job())
