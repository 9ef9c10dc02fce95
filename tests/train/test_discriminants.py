"""Directions that part people, against what can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from train.discriminants import Discriminants


def _photos(spread: np.ndarray, means: np.ndarray, each: int = 400) -> tuple[np.ndarray, ...]:
    """Draw so many photos a person around their mean, every feature with its own spread."""
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 1, (len(means), each, means.shape[1])) * spread
    people = np.repeat(np.arange(len(means)), each)
    return (means[:, None] + noise).reshape(-1, means.shape[1]).astype(np.float32), people


def test_two_people_are_parted_along_what_differs_by_the_noise_in_it() -> None:
    spread = np.array([1.0, 4.0, 2.0])
    rows, people = _photos(spread, np.array([[1.0, 4.0, 0.0], [-1.0, -4.0, 0.0]]))
    sums = Discriminants(3, 2)
    sums.add(rows, people)
    projection, offset = sums.solve(2)
    noise = spread**2 + 0.1 * np.mean(spread**2)  # shrunk towards the same everywhere
    expected = np.array([2.0, 8.0, 0.0]) / noise
    found = projection[:, 0] * np.sign(projection[0, 0])
    assert found / np.linalg.norm(found) == pytest.approx(
        expected / np.linalg.norm(expected), abs=0.05
    )
    assert (projection[:, 1] == 0).all()  # two people have one direction
    assert offset == pytest.approx(-rows.mean(0) @ projection, abs=1e-4)


def test_strongest_directions_come_first_each_with_a_noise_of_one() -> None:
    means = np.random.default_rng(1).normal(0, 1, (30, 6)) * [0, 3, 0, 0.5, 9, 0]
    rows, people = _photos(np.ones(6), means)
    sums = Discriminants(6, 30)
    sums.add(rows, people)
    projection, offset = sums.solve(3)
    assert np.abs(projection).argmax(0).tolist() == [4, 1, 3]
    embedded = rows @ projection + offset
    within = embedded - np.stack([embedded[people == i].mean(0) for i in range(30)])[people]
    np.testing.assert_allclose(np.cov(within.T), np.eye(3) / 1.1, atol=0.05)
    assert embedded.mean(0) == pytest.approx(np.zeros(3), abs=1e-3)


def test_photos_may_come_in_parts_and_in_any_number_a_person() -> None:
    rows, people = _photos(np.ones(4), np.eye(5, 4) * 3)
    kept = np.random.default_rng(2).permutation(len(rows))[:900]
    whole, parts = Discriminants(4, 5), Discriminants(4, 5)
    whole.add(rows[kept], people[kept])
    for part in np.array_split(kept, 7):
        parts.add(rows[part], people[part])
    for a, b in zip(whole.solve(3), parts.solve(3), strict=True):
        np.testing.assert_allclose(np.abs(a), np.abs(b), rtol=1e-3, atol=1e-4)
    expected = np.stack([rows[kept][people[kept] == i].mean(0) for i in range(5)])
    np.testing.assert_allclose(whole.means, expected, atol=1e-5)
