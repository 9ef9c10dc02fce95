"""Memory of work on very many photos: what is made, what is run, what is read of it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from benchmarks import memory
from benchmarks.memory import measure_memory, stream
from train.errors import RunError


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for label in ("dog", "not_dog"):
        for i in range(3):
            (tmp_path / "photos" / label).mkdir(parents=True, exist_ok=True)
            noise = rng.integers(0, 256, (48, 64, 3), np.uint8)
            cv2.imwrite(str(tmp_path / "photos" / label / f"{i}.png"), noise)
    return tmp_path / "photos"


def _ran(code: str) -> Any:
    return lambda folder: {"work": [sys.executable, "-c", code, str(folder)]}


@pytest.fixture(autouse=True)
def _no_calibration(monkeypatch) -> None:
    monkeypatch.setattr(
        memory, "_ourselves", lambda work, folder: [sys.executable, "-c", f"print('{work}')"]
    )


def test_links_are_made_to_the_photos_in_turn_a_tenth_first(photos, monkeypatch, capfd) -> None:
    monkeypatch.setattr(memory, "_commands", _ran(
        "import sys, pathlib; f = pathlib.Path(sys.argv[1]);"
        "files = list(f.rglob('*.png'));"
        "print(len(files), sum(p.is_symlink() and p.exists() for p in files),"
        " len({p.resolve() for p in files}), sorted(p.name for p in f.iterdir()))"
    ))  # fmt: skip
    measure_memory(photos, 200)
    assert [line for line in capfd.readouterr().err.splitlines() if "dog" in line] == [
        "20 20 6 ['dog', 'not_dog']", "200 200 6 ['dog', 'not_dog']",
    ]  # fmt: skip


def test_memory_that_grows_with_the_photos_is_seen(photos, monkeypatch) -> None:
    monkeypatch.setattr(memory, "_commands", _ran(
        "import sys, pathlib; n = len(list(pathlib.Path(sys.argv[1]).rglob('*.png')));"
        "held = b'x' * (n << 18)"
    ))  # fmt: skip
    measured = measure_memory(photos, 400)
    assert measured["calibration"]["peak_mb"] > 1
    figures = measured["work"]["work"]
    assert figures["peak_mb"]["400"] > 100
    assert figures["more_bytes_a_photo"] == pytest.approx(2**18, rel=0.05)


def test_work_that_fails_is_said(photos, monkeypatch) -> None:
    monkeypatch.setattr(memory, "_commands", _ran("raise SystemExit(3)"))
    with pytest.raises(RunError, match="exit status 3"):
        measure_memory(photos, 100)


def test_streaming_takes_every_photo_once_and_keeps_none(photos, monkeypatch) -> None:
    taken: list[int] = []
    monkeypatch.setattr("train.data.batches._CACHE_LIMIT_BYTES", 0)
    plain = memory.PhotoBatches.__getitem__

    def counted(self: Any, index: int) -> Any:
        assert self._cache is None
        images, targets = plain(self, index)
        taken.append(len(images))
        return images, targets

    monkeypatch.setattr(memory.PhotoBatches, "__getitem__", counted)
    stream(photos)
    assert sum(taken) == 6
