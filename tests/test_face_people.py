"""Whom scripts/face_people.py lets teach the face model, and whom never."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "face_people.py"
# Two folds would do, but the seventh chooses and the eighth reports.
FOLDS = 8
IN_BOTH = "fold3_1"


def _photos(root: Path, person: str, count: int) -> None:
    folder = root / person
    folder.mkdir(parents=True)
    for i in range(count):
        (folder / f"{person}_{i + 1:04}.jpg").touch()


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """LFW with three people a fold and two of none, and 80 people of 30 photos, linked apart."""
    lines = [f"{FOLDS}\t1"]
    for fold in range(1, FOLDS + 1):
        for i in (1, 2, 3):
            _photos(tmp_path / "lfw", f"fold{fold}_{i}", 25 if i == 1 else 2)
        lines += [f"fold{fold}_1\t1\t2", f"fold{fold}_2\t1\tfold{fold}_3\t1"]
    _photos(tmp_path / "lfw", "single", 1)
    _photos(tmp_path / "lfw", "famous", 20)
    (tmp_path / "pairs.txt").write_text("\n".join(lines) + "\n")
    for person in (IN_BOTH, "fold7_2", "fold8_2", *(f"web{i:02}" for i in range(77))):
        _photos(tmp_path / "people", person, 30)
    parts = [tmp_path / name for name in ("lfw", "people", "pairs.txt", "out")]
    subprocess.run([sys.executable, str(SCRIPT), *map(str, parts)], check=True)
    return tmp_path / "out"


def _names(folder: Path) -> set[str]:
    return {p.name for p in folder.iterdir()}


def _files(folder: Path) -> set[Path]:
    return {p.resolve() for p in folder.rglob("*.jpg")}


def _teachers(out: Path) -> set[str]:
    return _names(out / "teachers" / "train") | _names(out / "taught")


def test_nobody_who_chooses_or_reports_teaches(people: Path) -> None:
    teach = _teachers(people)
    assert not {name for name in teach if name.startswith(("fold7", "fold8"))}
    assert teach >= {"fold1_1", "fold6_3", "single", "famous", IN_BOTH}
    assert _names(people / "strangers") == {"fold7_1", "fold7_3"}  # the second is in both sets


def test_fifteen_people_are_held_back_with_all_their_photos(people: Path) -> None:
    held = _names(people / "held")
    assert len(held) == 15
    assert held >= {"fold7_2", "fold8_2"}  # may not teach, so they are the first to be held
    assert not held & _teachers(people)
    assert len(_files(people / "held")) == 15 * 30


def test_photos_the_model_is_asked_about_teach_nothing(people: Path) -> None:
    asked = _files(people / "answers" / "test")
    taught = _files(people / "taught") | _files(people / "teachers" / "train")
    assert len(asked) == 80 * 6 + 7 * 5 + 4  # six of each of PEOPLE, every fifth of LFW's
    assert not asked & taught
    assert not asked & _files(people / "answers" / "train")


def test_one_in_both_sets_is_one_and_all_their_training_photos_teach(people: Path) -> None:
    assert len(_files(people / "taught" / IN_BOTH)) == 24 + 25
    assert not (people / "teachers" / "train" / IN_BOTH).exists()
    assert not (people / "lfw20" / IN_BOTH).exists()
