"""The directions that part people best, computed rather than searched for."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["Discriminants"]

_SHRINKAGE = 0.1

Rows = npt.NDArray[np.float32]


class Discriminants:
    """Linear discriminants (Rao 1948) of many features, from sums over any number of photos.

    What differs between photos of one person is noise, what differs between people's means is
    signal; the directions are those of the largest ratio. Noise is estimated from fewer photos
    than there are features, so it is shrunk towards the same in all directions.
    """

    def __init__(self, features: int, people: int) -> None:
        """Make room for the sums: features x features numbers of four bytes."""
        self._scatter = np.zeros((features, features), np.float32)
        self._sums = np.zeros((people, features), np.float64)
        self._counts = np.zeros(people, np.int64)

    def add(self, rows: Rows, people: npt.NDArray[np.int64]) -> None:
        """Take photos in.

        Args:
            rows: float32 (N, F), best of a mean near 0.
            people: int (N,), whom each shows.
        """
        self._scatter += rows.T @ rows
        np.add.at(self._sums, people, rows)
        self._counts += np.bincount(people, minlength=len(self._counts))

    @property
    def means(self) -> Rows:
        """Each person's mean, float32 (people, F)."""
        return np.asarray(self._sums / self._counts[:, None], np.float32)

    def solve(self, dimensions: int) -> tuple[Rows, Rows]:
        """Return a projection (F, D) and what to add to it (D,), float32.

        Columns beyond the number of people less one part nobody and are 0.
        """
        total = self._counts.sum()
        means = self.means
        within = self._scatter - (means.T * self._counts) @ means
        within = np.asarray(within / total, np.float32)
        within[np.diag_indices_from(within)] += _SHRINKAGE * np.trace(within) / len(within)
        center = self._sums.sum(0) / total
        apart = np.asarray(means - center, np.float32)
        noiseless = np.linalg.solve(within, apart.T)  # (F, people)
        root = np.sqrt(self._counts / total)
        strength, turn = np.linalg.eigh((apart @ noiseless) * root[:, None] * root)
        best = np.argsort(strength)[::-1][: min(dimensions, len(root) - 1)]
        projection = np.zeros((len(center), dimensions), np.float32)
        # Noise is 1 in each direction, so that none counts more than it tells.
        projection[:, : len(best)] = (
            noiseless @ (root[:, None] * turn[:, best]) / np.sqrt(np.maximum(strength[best], 1e-12))
        )
        return projection, np.asarray(-center @ projection, np.float32)
