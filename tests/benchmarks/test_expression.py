"""Expressions where FER+ voters agree with the label."""

from pathlib import Path

import pytest

from benchmarks.expression import _agreed
from edge_runtime.errors import OptionError

LABELS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
VOTES = {
    "private_test/happy/1.jpg": {"happy": 6, "neutral": 4},
    "private_test/happy/2.jpg": {"happy": 4, "neutral": 6},
    "private_test/sad/3.jpg": {"sad": 5, "neutral": 5},  # a tie is no agreement
}


@pytest.fixture
def votes() -> Path:
    rows = [f"{name}," + ",".join(str(v.get(x, 0)) for x in LABELS) for name, v in VOTES.items()]
    Path("votes.csv").write_text("\n".join(["file," + ",".join(LABELS), *rows]) + "\n")
    return Path("votes.csv")


def test_photo_counts_where_more_voted_for_its_label_than_for_any_other(votes: Path) -> None:
    rows = [(Path("/data/fer") / name, name.split("/")[1]) for name in VOTES]
    rows.append((Path("/data/fer/private_test/sad/4.jpg"), "sad"))  # nobody voted
    assert _agreed(rows, votes).tolist() == [True, False, False, False]


def test_votes_on_other_photos_are_refused(votes: Path) -> None:
    with pytest.raises(
        OptionError, match=r"^--votes votes\.csv: no row for test/sad/1\.jpg, or any"
    ):
        _agreed([(Path("test/sad/1.jpg"), "sad")], votes)
