"""The wheel alone, in an environment of its own: what a user gets who never sees this checkout."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import cv2
import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]


def run(*command: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([str(c) for c in command], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(
        sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT,
        cwd=folder,
    )  # fmt: skip
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path) -> Path:
    """A fresh environment with the locked runtime and the wheel; returns its bin folder."""
    folder = wheel.parent
    run(sys.executable, "-m", "venv", folder / "venv", cwd=folder)
    binaries = folder / "venv" / ("Scripts" if sys.platform == "win32" else "bin")
    pip = (binaries / "python", "-m", "pip", "install", "--quiet")
    run(*pip, "--require-hashes", "-r", ROOT / "requirements" / "runtime.txt", cwd=folder)
    run(*pip, "--no-deps", wheel, cwd=folder)
    return binaries


def test_wheel_holds_the_runtime_alone_and_is_small(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == {"edge_runtime"}
    for needed in ("detector.onnx", "expression.onnx", "demo.mp4"):
        assert f"edge_runtime/shipped/{needed}" in names
    assert wheel.stat().st_size < 10_000_000


def test_installed_wheel_answers_and_has_no_training_code(installed: Path, tmp_path: Path) -> None:
    assert "webcam" in run(installed / "edge-run", "--help", cwd=tmp_path).stdout
    card = json.loads(run(installed / "edge-run", "info", "expression", cwd=tmp_path).stdout)
    assert card["labels"][3] == "happy"
    run(installed / "edge-run", "doctor", cwd=tmp_path)

    clip = cv2.VideoCapture(str(ROOT / "edge_runtime" / "shipped" / "demo.mp4"))
    for _ in range(30):  # a second of it: the smile of the first frame is no clear one
        assert clip.grab()
    cv2.imwrite(str(tmp_path / "face.png"), clip.read()[1])
    clip.release()
    rows = run(
        installed / "edge-run", "classify", "face.png", "--model", "expression", "--faces",
        cwd=tmp_path,
    ).stdout  # fmt: skip
    assert [json.loads(row)["label"] for row in rows.splitlines()] == ["happy"]

    for name in ("train", "export", "benchmarks", "tensorflow"):
        code = f"import importlib.util as u, sys; sys.exit(u.find_spec({name!r}) is not None)"
        run(installed / "python", "-c", code, cwd=tmp_path)
