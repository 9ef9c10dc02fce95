"""What scripts/exercise_pages.py puts between the marks of a page."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "scripts" / "exercise_pages.py"
RESULT = {
    "model": {"bytes": 12345, "macs": 2_500_000, "precision": "int8"},
    "provenance": {"minutes": 3.5},
    "test": {"int8": {"accuracy": 0.9, "interval": [0.85, 0.95], "n": 1000}},
    "history": [
        {"accuracy": 0.25, "val_accuracy": 0.5},
        {"accuracy": 0.75, "val_accuracy": 0.625},
    ],
    "answers": [{"photo": "cat/1.jpg", "is": "cat", "said": "dog", "score": 0.512}],
}
MEMORY = {
    "command": "python -m benchmarks memory --data DIR",
    "size_px": 64,
    "decoded_bytes_a_photo": 12288,
    "work": {
        "features": {"peak_mb": {"2000": 700.4, "20000": 1812.6}, "more_bytes_a_photo": 1234},
        "streaming": {"peak_mb": {"2000": 300.0, "20000": 310.0}, "more_bytes_a_photo": 99},
    },
}
PAGE = """# One

<!-- steps
one: the first
-->
old
<!-- end -->
by hand
<!-- curve one -->
<!-- end -->
<!-- answers one -->
<!-- end -->
"""


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.syspath_prepend(SCRIPT.parent)
    (tmp_path / "accuracy-one.json").write_text(json.dumps(RESULT))
    (tmp_path / "one.md").write_text(PAGE)
    names = runpy.run_path(str(SCRIPT))
    main = names["main"]
    main.__globals__.update(RESULTS=tmp_path, PAGES=tmp_path)
    return names


@pytest.fixture
def run(script: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    def call(*words: str) -> None:
        monkeypatch.setattr(sys, "argv", ["exercise_pages.py", *words])
        script["main"]()

    return call


def test_file_of_another_precision_is_measured_and_named(run, tmp_path: Path) -> None:
    figures = {"fp16": RESULT["test"]["int8"], "fp32": {}}
    other = {**RESULT, "model": {**RESULT["model"], "precision": "fp16"}, "test": figures}
    (tmp_path / "accuracy-one.json").write_text(json.dumps(other))
    run()
    text = (tmp_path / "one.md").read_text()
    assert "| the first (fp16, the smallest that passed) | **90.0%** (85.0% to 95.0%) |" in text


def test_figures_stand_between_the_marks_and_what_is_by_hand_stays(run, tmp_path: Path) -> None:
    run()
    text = (tmp_path / "one.md").read_text()
    assert "| the first | **90.0%** (85.0% to 95.0%) | 1,000 | 12,345 | 2.5 M | 3.5 |\n" in text
    assert "| cat/1.jpg | cat | dog | 0.51 |\n" in text
    assert "](one.svg)\n" in text
    assert "<!-- steps\none: the first\n-->\n" in text
    assert "old" not in text
    assert "\nby hand\n" in text
    lines = [
        e for e in ElementTree.parse(tmp_path / "one.svg").iter() if e.tag.endswith("polyline")
    ]
    assert [len(line.attrib["points"].split()) for line in lines] == [2, 2]
    run("--check")


def test_memory_is_told_of_the_kinds_of_work_that_are_named(run, tmp_path: Path) -> None:
    (tmp_path / "memory.json").write_text(json.dumps(MEMORY))
    block = "<!-- memory\nstreaming: an epoch's photos\n-->\n<!-- end -->\n"
    (tmp_path / "one.md").write_text(block)
    run()
    text = (tmp_path / "one.md").read_text()
    assert "| at most, of | 2,000 photos | 20,000 photos | each more |\n" in text
    assert "| an epoch's photos | 300 MB | 310 MB | 99 bytes |\n" in text
    assert "1,813 MB" not in text
    assert "Decoded, a photo of 64 px is 12,288 bytes. Measured by `python -m benchmarks" in text


def test_pages_that_are_not_current_are_told(run, tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as caught:
        run("--check")
    assert str(caught.value).endswith("is not what the results say; run 'make docs'")
    run()
    (tmp_path / "one.svg").unlink()
    with pytest.raises(SystemExit) as caught:
        run("--check")
    assert "one.svg" in str(caught.value)


def test_result_that_is_not_there_is_told_with_what_makes_it(run, tmp_path: Path) -> None:
    (tmp_path / "accuracy-one.json").unlink()
    with pytest.raises(SystemExit) as caught:
        run()
    assert "one.md names one, but there is no accuracy-one.json" in str(caught.value)
