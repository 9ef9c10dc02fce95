"""Evening out how photos of one person differ."""

from __future__ import annotations

import numpy as np
import pytest

from train.within_class import within_class_normalization

# Two people around (1, 0) and (-1, 4), whose photos differ by 2 in the first direction and by
# nothing in the second; a third is there too seldom to tell how photos differ.
PHOTOS = {
    "ana": [(-1, 0), (1, 0), (3, 0)],
    "ben": [(-3, 4), (-1, 4), (1, 4)],
    "cleo": [(0, 4)],
}
ROWS = np.array([row for rows in PHOTOS.values() for row in rows], np.float32)
PEOPLE = [person for person, rows in PHOTOS.items() for _ in rows]


def test_directions_in_which_photos_of_one_person_differ_count_less() -> None:
    middle, evening = within_class_normalization(ROWS, PEOPLE)
    np.testing.assert_allclose(middle, [0, 16 / 7], rtol=1e-6)
    # Variance 16 / 6 and 0, each with three times their mean, 4, added.
    np.testing.assert_allclose(evening, np.diag([(8 / 3 + 4) ** -0.25, 4**-0.25]), atol=1e-6)
    assert (middle.dtype, evening.dtype) == (np.float32, np.float32)


def test_order_of_photos_does_not_matter() -> None:
    order = [6, 3, 0, 4, 1, 5, 2]
    for one, other in zip(
        within_class_normalization(ROWS, PEOPLE),
        within_class_normalization(ROWS[order], [PEOPLE[i] for i in order]),
        strict=True,
    ):
        assert one == pytest.approx(other, abs=1e-6)
