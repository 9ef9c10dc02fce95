"""Heads from behind have hair where a face would be, and skin at the neck."""

from __future__ import annotations

import numpy as np
import pytest

from train.data.backs_of_heads import draw_back_of_head

SEEDS = range(20)


@pytest.fixture
def portrait() -> np.ndarray:
    """Red hair over gray skin."""
    image = np.full((112, 112, 3), 160, np.uint8)
    image[:16] = (0, 0, 250)
    return image


@pytest.mark.parametrize("seed", SEEDS)
def test_hair_is_where_a_face_would_be(portrait, seed) -> None:
    picture, mask = draw_back_of_head(portrait, np.random.default_rng(seed))
    assert (picture.shape, picture.dtype) == ((112, 112, 3), np.uint8)
    assert (mask.shape, mask.dtype) == ((112, 112), np.uint8)
    face = picture[20:66, 34:78].astype(int)
    assert (mask[20:66, 34:78] > 230).all()
    assert face[..., 2].mean() > 60
    assert face[..., :2].max() < 12
    corners = mask[[0, 0, 60, 60], [0, 111, 2, 109]]
    assert (corners == 0).all()


def test_half_of_them_show_a_neck_and_none_is_like_another(portrait) -> None:
    drawn = [draw_back_of_head(portrait, np.random.default_rng(seed)) for seed in SEEDS]
    assert all(mask[92, 56] == 255 for _, mask in drawn)
    necks = sum(np.ptp(picture[92, 56].astype(int)) < 12 for picture, _ in drawn)
    assert 6 <= necks <= 18
    assert len({picture.tobytes() for picture, _ in drawn}) == len(SEEDS)


def test_seed_decides(portrait) -> None:
    first, again = (draw_back_of_head(portrait, np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])
