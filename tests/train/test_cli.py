"""`python -m train` and `python -m export` as a user meets them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.tensorflow
pytest.importorskip("keras")

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        pytest.param(
            "train expression --data gone --output run",
            "error: gone: no such folder; --data wants a folder with a folder a class",
            id="no photos",
        ),
        pytest.param(
            "train detector --boxes gone --portraits gone --faceless gone --output run",
            "error: gone/annotations.json: No such file or directory",
            id="no annotations",
        ),
        pytest.param(
            "export gone out.onnx",
            "error: gone: no model.keras; a run folder is what 'python -m train' leaves when it "
            "is done",
            id="no run",
        ),
    ],
)
def test_bad_input_gets_one_line_and_leaves_nothing(tmp_path: Path, words: str, says: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *words.split()],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr.splitlines(), done.stdout) == (1, [says], "")
    assert list(tmp_path.iterdir()) == []
