"""Several people's votes on each photo, as targets: what they disagree on is not certain."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from train.data.samples import Sample
from train.errors import DataError

__all__ = ["giving_way", "read_votes", "voted_targets"]


def read_votes(path: Path, labels: tuple[str, ...]) -> dict[str, npt.NDArray[np.float32]]:
    """Read a table of votes: `file`, then a column a label with the number of votes for it.

    Args:
        path: CSV. `file` is a photo's path below --data; columns of other labels are ignored.
        labels: In output order; each must have its column.

    Returns:
        For each file its votes, float32 (K,).

    Raises:
        DataError: Not such a table.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            table = csv.DictReader(file)
            missing = sorted({"file", *labels} - set(table.fieldnames or ()))
            if missing:
                raise DataError(f"{path}: no column {', '.join(missing)}")
            votes = {
                row["file"]: np.array([float(row[label]) for label in labels], np.float32)
                for row in table
            }
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: is no table ({error})") from None
    except (ValueError, TypeError) as error:
        raise DataError(f"{path}: a vote is not a number ({error})") from None
    wrong = next((f for f, row in votes.items() if not (np.isfinite(row) & (row >= 0)).all()), None)
    if wrong is not None:
        raise DataError(f"{path}: the votes on {wrong} are not all numbers from 0 up")
    return votes


def voted_targets(
    samples: Sequence[Sample],
    labels: tuple[str, ...],
    votes: dict[str, npt.NDArray[np.float32]],
    root: Path,
) -> npt.NDArray[np.float32]:
    """Return what was voted on each photo, a photo without votes by its label.

    Args:
        samples: The photos.
        labels: In output order.
        votes: See `read_votes`.
        root: The folder the votes' files lie below.

    Returns:
        float32 (N, K), rows summing to 1.

    Raises:
        DataError: No photo has votes.
    """
    out = np.zeros((len(samples), len(labels)), np.float32)
    known = 0
    for i, sample in enumerate(samples):
        row = votes.get(sample.path.relative_to(root).as_posix())
        if row is not None and row.sum() > 0:
            out[i] = row / row.sum()
            known += 1
        else:
            out[i, labels.index(sample.label)] = 1.0
    if known == 0:
        raise DataError("none of the files in the table of votes is among the photos of --data")
    return out


def giving_way(
    votes: npt.NDArray[np.float32], targets: npt.NDArray[np.float32], epochs: int
) -> Callable[[int], npt.NDArray[np.float32]]:
    """Return the targets of each epoch: first the votes, at last the labels.

    Votes teach what a face shows; labels follow their own rule, which is what answers are
    measured by.

    Args:
        votes: float32 (N, K), see `voted_targets`.
        targets: float32 (N, K), by the labels.
        epochs: Of the whole run.
    """

    def at(epoch: int) -> npt.NDArray[np.float32]:
        share = np.float32(min(1.0, epoch / max(1, epochs - 1)))
        return (1 - share) * votes + share * targets

    return at
