from pathlib import Path

import numpy as np
import pytest

from benchmarks.face_identity import (
    Pair,
    identify_people,
    name_by_default,
    name_over_draws,
    read_pairs,
    refuse_strangers,
    verify_pairs,
)
from edge_runtime.errors import SourceError


def _at(degrees: float) -> np.ndarray:
    turn = np.radians(degrees)
    return np.array([np.cos(turn), np.sin(turn)], np.float32)


def _photos(**degrees: list[float]) -> tuple[dict[Path, np.ndarray], dict[str, list[Path]]]:
    """Return embeddings at these angles, and the photos of each person."""
    people = {n: [Path(n) / f"{i}.jpg" for i in range(len(v))] for n, v in degrees.items()}
    rows = {people[n][i]: _at(v) for n, those in degrees.items() for i, v in enumerate(those)}
    return rows, people


PAIRS = (
    "2\t1\nAna\t1\t2\nAna\t3\tBen_B\t14\n"  # the first fold
    "Cy\t1\t3\nCy\t2\tDee\t1\n"
)


def test_pairs_are_read_fold_by_fold() -> None:
    Path("pairs.txt").write_text(PAIRS)
    first, second = read_pairs(Path("pairs.txt"), Path("lfw"))
    assert first == [
        Pair(Path("lfw/Ana/Ana_0001.jpg"), Path("lfw/Ana/Ana_0002.jpg"), True),
        Pair(Path("lfw/Ana/Ana_0003.jpg"), Path("lfw/Ben_B/Ben_B_0014.jpg"), False),
    ]
    assert [pair.same for pair in second] == [True, False]
    assert second[1].other == Path("lfw/Dee/Dee_0001.jpg")


@pytest.mark.parametrize("text", ["", "2\t1\nAna\t1\t2\n", "x", PAIRS + "Ana\t1\n"])
def test_table_that_holds_no_pairs_is_one_line(text: str) -> None:
    Path("pairs.txt").write_text(text)
    with pytest.raises(SourceError, match=r"^pairs\.txt: cannot be read as LFW's pairs \("):
        read_pairs(Path("pairs.txt"), Path("lfw"))


def test_threshold_of_one_fold_is_used_on_another() -> None:
    rows, people = _photos(a=[0, 20, 50], b=[90, 100, 170])
    a, b = people["a"], people["b"]
    choose = [Pair(a[0], a[1], True), Pair(a[0], b[0], False)]  # cosines 0.94 and 0
    report = [
        Pair(b[0], b[1], True),  # 0.98: right
        Pair(a[0], a[2], True),  # 0.64: missed
        Pair(a[2], b[0], False),  # 0.77: right
        Pair(a[0], b[2], False),  # -0.98: right
    ]
    figures = verify_pairs(rows, choose, report)
    assert (figures["accuracy"], figures["n"], figures["chosen_on"]) == (0.75, 4, 2)
    assert figures["threshold"] == pytest.approx(np.cos(np.radians(20)), abs=1e-4)


def test_photo_is_named_after_the_nearest_middle_of_the_enrolled_photos() -> None:
    rows, people = _photos(a=[0, 28, 38, 3], b=[60, 80, 43, 90])
    figures = identify_people(rows, people, 2)
    # Middles are at 14 and 70: b's 43 is nearer to its own, and yet nearest to a's photo at 28.
    assert (figures["accuracy"], figures["n"], figures["people"]) == (1.0, 4, 2)
    assert identify_people(rows, people, 1)["accuracy"] == pytest.approx(5 / 6, abs=1e-4)


def test_share_named_is_the_mean_over_draws_of_the_photos_enrolled() -> None:
    rows, people = _photos(a=[0, 50], b=[90, 90])
    # With a's 0 enrolled its 50 is b's, with the 50 its 0 is a's; b is b in any draw.
    figures = name_over_draws(rows, rows, people, 1, draws=400)
    assert figures["accuracy"] == pytest.approx(0.75, abs=0.05)
    assert (figures["range"], figures["draws"]) == ([0.5, 1.0], 400)
    assert figures == name_over_draws(rows, rows, people, 1, draws=400)
    # What is enrolled is not what is asked: a's 0, enrolled as 30, is nearer to the 50.
    enrolled = {**rows, people["a"][0]: _at(30)}
    assert name_over_draws(rows, enrolled, people, 1)["accuracy"] == 1.0
    # b's 90, enrolled as 25, are nobody's; of a only the 50 is right, beside the 30.
    enrolled |= dict.fromkeys(people["b"], _at(25))
    assert name_over_draws(rows, enrolled, people, 1)["accuracy"] == pytest.approx(0.25, abs=0.05)


def test_person_whose_photos_are_all_enrolled_is_refused() -> None:
    rows, people = _photos(a=[0, 1], b=[60, 61, 62])
    with pytest.raises(SourceError, match="a: 2 photos to enroll leave none to recognize"):
        identify_people(rows, people, 2)


def test_known_faces_are_named_above_what_strangers_reach() -> None:
    rows, people = _photos(a=[0, 10, 80], b=[180, 185])
    strangers = {Path(f"s{i}"): _at(45 + i * 0.1) for i in range(20)}  # cosines 0.71 down
    (first, *more) = refuse_strangers({**rows, **strangers}, people, list(strangers), 1)
    assert (first["false_accept"], first["strangers"], first["known"]) == (0.1, 20, 3)
    assert 0.68 < first["cosine"] < np.cos(np.radians(45))
    assert first["named"] == pytest.approx(2 / 3, abs=1e-4)  # a's 80 is too far
    assert not more  # 20 strangers say nothing about one in a hundred


def test_at_one_threshold_the_right_the_wrong_and_the_strangers_are_counted() -> None:
    rows, people = _photos(a=[0, 10, 50, 80], b=[90, 30])
    strangers = {Path(f"s{i}.jpg"): _at(v) for i, v in enumerate((45, 200, 100, 300))}
    report = name_by_default({**rows, **strangers}, people, list(strangers), 1, 0.84)
    assert report == {
        "cosine": 0.84, "known": 4,
        "named": 0.25,  # a's 10; its 80 is b's, as b's 30 is a's, and 50 is nobody's
        "named_wrongly": 0.5,
        "strangers": 4, "strangers_named": 0.25,
    }  # fmt: skip
