from pathlib import Path

import numpy as np
import pytest

from train.data.samples import Sample
from train.data.votes import giving_way, read_votes, voted_targets
from train.errors import DataError

LABELS = ("happy", "sad")
ROOT = Path("data")
TABLE = Path("votes.csv")


def _votes(**rows: tuple[float, float]) -> dict[str, np.ndarray]:
    return {f"train/happy/{name}.png": np.array(row, np.float32) for name, row in rows.items()}


def _sample(name: str, label: str = "happy") -> Sample:
    return Sample(ROOT / "train" / "happy" / f"{name}.png", label)


def test_votes_come_in_the_order_of_the_labels_and_other_columns_are_ignored() -> None:
    TABLE.write_text("sad,file,unknown,happy\n1,train/a.png,9,8\n4.5,train/b.png,,0\n")
    votes = read_votes(TABLE, LABELS)
    assert {file: row.tolist() for file, row in votes.items()} == {
        "train/a.png": [8.0, 1.0],
        "train/b.png": [0.0, 4.5],
    }
    assert all(row.dtype == np.float32 for row in votes.values())


def test_table_may_begin_with_a_byte_order_mark_as_spreadsheets_write_it() -> None:
    TABLE.write_bytes("file,happy,sad\na.png,1,2\n".encode("utf-8-sig"))
    assert {file: row.tolist() for file, row in read_votes(TABLE, LABELS).items()} == {
        "a.png": [1.0, 2.0]
    }


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param("file,happy\na,1\n", "no column sad", id="label without column"),
        pytest.param("name,happy,sad\na,1,2\n", "no column file", id="no file"),
        pytest.param("", "no column file, happy, sad", id="empty"),
        pytest.param("file,happy,sad\na,1,many\n", "a vote is not a number", id="word"),
        pytest.param("file,happy,sad\na,1,\n", "a vote is not a number", id="blank"),
        pytest.param("file,happy,sad\na,1\n", "a vote is not a number", id="short row"),
        pytest.param(
            "file,happy,sad\na,1,2\nb,3,-1\n",
            "the votes on b are not all numbers from 0 up",
            id="negative",
        ),
        pytest.param("file,happy,sad\na,inf,2\n", "the votes on a are not all", id="infinite"),
        pytest.param("file,happy,sad\na,1,nan\n", "the votes on a are not all", id="not a number"),
        pytest.param(b"file,happy,sad\n\xff\xfe,1,2\n", "is no table", id="not UTF-8"),
        pytest.param(None, "cannot be read (No such file or directory)", id="no such file"),
    ],
)
def test_what_is_no_table_of_votes_is_refused(text, says: str) -> None:
    if text is not None:
        TABLE.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DataError) as caught:
        read_votes(TABLE, LABELS)
    assert str(caught.value).startswith(f"votes.csv: {says}")


def test_target_is_the_share_of_votes_each_label_got() -> None:
    out = voted_targets([_sample("a")], LABELS, _votes(a=(2, 6)), ROOT)
    assert out == pytest.approx(np.array([[0.25, 0.75]]))
    assert out.dtype == np.float32


def test_photo_without_votes_keeps_its_label() -> None:
    samples = [_sample("a", "sad"), _sample("none", "sad"), _sample("zero", "sad"), _sample("b")]
    votes = _votes(a=(1, 1), zero=(0, 0), b=(0, 5))
    out = voted_targets(samples, LABELS, votes, ROOT)
    assert out == pytest.approx(np.array([[0.5, 0.5], [0, 1], [0, 1], [0, 1]]))


def test_votes_on_other_photos_only_are_refused() -> None:
    with pytest.raises(DataError, match="none of the files in the table of votes is among"):
        voted_targets([_sample("a")], LABELS, _votes(b=(1, 1)), ROOT)


def test_votes_give_way_to_the_label_epoch_by_epoch() -> None:
    votes, targets = np.array([[0.2, 0.8]], np.float32), np.array([[1, 0]], np.float32)
    at = giving_way(votes, targets, 5)
    expected = [[0.2, 0.8], [0.4, 0.6], [0.6, 0.4], [0.8, 0.2], [1, 0]]
    assert np.concatenate([at(epoch) for epoch in range(5)]) == pytest.approx(np.array(expected))
    assert at(2).dtype == np.float32
    assert giving_way(votes, targets, 1)(0) == pytest.approx(votes)
