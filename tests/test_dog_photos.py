from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def link(*folders: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "scripts" / "dog_photos.py"), *folders]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture
def sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for kind in ("pets/{}/cats", "pets/{}/dogs", "things/{}/church", "things/{}/English_springer"):
        for split in ("train", "val"):
            folder = Path(kind.format(split))
            folder.mkdir(parents=True)
            (folder / "1.png").touch()


def test_dogs_of_both_sets_are_dogs_and_all_else_is_not(sets) -> None:
    assert link("pets", "things", "out").returncode == 0
    for split in ("train", "val"):
        found = {
            p.relative_to(f"out/{split}").as_posix() for p in Path("out", split).rglob("*.png")
        }
        assert found == {
            "dog/dogs-1.png", "dog/English_springer-1.png",
            "not_dog/cats-1.png", "not_dog/church-1.png",
        }  # fmt: skip
        assert all(p.resolve().is_file() for p in Path("out", split).rglob("*.png"))


def test_folder_that_is_missing_is_said_and_nothing_is_made(sets) -> None:
    done = link("pets", "gone", "out")
    assert (done.returncode, done.stderr.splitlines()) == (
        1, ["error: gone/train: no such folder; it wants train/ and val/ of each set"]
    )  # fmt: skip
    assert not Path("out").exists()
