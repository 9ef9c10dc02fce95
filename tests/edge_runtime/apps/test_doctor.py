import dataclasses
from pathlib import Path
from types import SimpleNamespace

import pytest

from edge_runtime.apps import doctor
from edge_runtime.apps.doctor import examine
from edge_runtime.model import catalog


@pytest.fixture
def machine(monkeypatch, color_model):
    """A machine with one good model, the demo clip and these distributions; returns a look."""
    shipped = Path("shipped")
    shipped.mkdir()
    (shipped / "colors.onnx").write_bytes(color_model.read_bytes())
    (shipped / "demo.mp4").touch()
    monkeypatch.setattr(catalog, "shipped_folder", lambda: shipped)
    monkeypatch.setattr(doctor, "shipped_folder", lambda: shipped)

    def look(*distributions: str, modules: tuple[str, ...] = ("onnxruntime", "cv2")):
        found = [SimpleNamespace(name=d, version="1.0") for d in distributions]
        monkeypatch.setattr(doctor.metadata, "distributions", lambda: found)
        monkeypatch.setattr(doctor.util, "find_spec", lambda m: True if m in modules else None)
        return {f.subject: f for f in examine()}

    return look


GOOD = ("onnxruntime", "opencv-python", "numpy")


def test_good_machine_has_nothing_to_mend(machine, monkeypatch) -> None:
    monkeypatch.setattr(doctor, "_cameras", lambda: doctor.Finding("cameras", "none"))
    findings = machine(*GOOD)
    assert all(finding.good for finding in findings.values())
    assert findings["onnxruntime"].state == "onnxruntime 1.0"
    assert findings["cv2"].state == "opencv-python 1.0"
    assert findings["model colors"].state.startswith("golden sample differs by 0.0000")
    assert "telemetry off" in findings["providers"].state


@pytest.mark.parametrize(
    ("distributions", "subject", "says"),
    [
        pytest.param(
            ("onnxruntime", "onnxruntime-gpu", "opencv-python"),
            "onnxruntime",
            "onnxruntime 1.0 and onnxruntime-gpu 1.0 overwrite each other",
            id="two onnxruntimes",
        ),
        pytest.param(
            ("onnxruntime", "opencv_python", "opencv-python-headless"),
            "cv2",
            "overwrite each other; uninstall all, install one",
            id="two OpenCVs",
        ),
    ],
)
def test_two_flavors_of_one_library_are_found(machine, distributions, subject, says) -> None:
    finding = machine(*distributions)[subject]
    assert not finding.good
    assert says in finding.state


@pytest.mark.parametrize("beside", ["onnxruntime-extensions", "onnxruntime-genai", "onnxruntime"])
def test_what_is_no_second_onnxruntime(machine, beside: str) -> None:
    """A package of the system's, too, is hidden by the environment's of the same name."""
    assert machine(*GOOD, beside)["onnxruntime"].good


@pytest.mark.parametrize(
    ("subject", "says"),
    [
        (
            "onnxruntime",
            "not installed; pip install onnxruntime or pip install onnxruntime-gpu",
        ),
        ("cv2", "not installed; pip install opencv-python or pip install opencv-python-headless"),
    ],
)
def test_missing_library_comes_with_its_commands(machine, subject, says) -> None:
    finding = machine("numpy", modules=())[subject]
    assert not finding.good
    assert finding.state == says


def test_vendors_build_is_left_alone(machine) -> None:
    finding = machine("opencv-python")["onnxruntime"]
    assert (finding.good, finding.state) == (True, "built by the vendor")


def test_missing_demo_clip_is_found(machine) -> None:
    Path("shipped/demo.mp4").unlink()
    assert not machine(*GOOD)["demo clip"].good


def test_damaged_model_is_found(machine) -> None:
    path = Path("shipped/colors.onnx")
    path.write_bytes(path.read_bytes()[:-40])
    finding = machine(*GOOD)["model colors"]
    assert not finding.good
    assert "cut short or damaged" in finding.state


def test_model_that_answers_otherwise_is_found(machine, color_session, write_colors) -> None:
    golden = color_session.card.golden
    wrong = dataclasses.replace(golden, expected=golden.expected[::-1])
    Path("shipped/colors.onnx").write_bytes(write_colors(golden=wrong).read_bytes())
    assert not machine(*GOOD)["model colors"].good


def test_telemetry_that_was_switched_on_is_said(machine, monkeypatch) -> None:
    monkeypatch.setenv("ORT_DISABLE_TELEMETRY", "0")
    assert "telemetry ON" in machine(*GOOD)["providers"].state


def _with_devices(monkeypatch, names: list[str], allowed: bool) -> doctor.Finding:
    monkeypatch.setattr(doctor.sys, "platform", "linux")
    monkeypatch.setattr(doctor.Path, "glob", lambda self, pattern: map(Path, names))
    monkeypatch.setattr(doctor.os, "access", lambda *_: allowed)
    return doctor._cameras()


@pytest.mark.parametrize(
    ("names", "allowed", "good", "says"),
    [
        (["/dev/video0"], True, True, "/dev/video0"),
        (["/dev/video0"], False, False, "/dev/video0 may not be opened; add yourself to the"),
        ([], True, True, "none found (clips and folders still work)"),
    ],
    ids=["one", "not allowed", "none"],
)
def test_cameras_are_listed(monkeypatch, names, allowed, good, says) -> None:
    finding = _with_devices(monkeypatch, names, allowed)
    assert finding.good is good
    assert finding.state.startswith(says)
