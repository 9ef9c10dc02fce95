"""Scoring model files on a run's test photos."""

import csv
import hashlib
from pathlib import Path

import numpy as np
import pytest

from benchmarks.accuracy import measure_accuracy, photos_to_score
from edge_runtime.errors import OptionError, SourceError
from edge_runtime.model.session import SessionOptions, open_session


@pytest.fixture
def run(tmp_path: Path, write_photo) -> Path:
    """Six test photos: two red, two green, one blue, and a green one that is called blue."""
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "model.keras").write_bytes(b"weights")
    rows = [("red", "red"), ("red", "red"), ("green", "green"), ("green", "green"),
            ("blue", "blue"), ("green", "blue")]  # fmt: skip
    with (folder / "split.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("path", "label", "split"))
        for i, (color, label) in enumerate(rows):
            table.writerow((write_photo(f"{i}.png", color), label, "test"))
        table.writerow((write_photo("train.png", "red"), "red", "train"))
    return folder


@pytest.fixture
def write_photo(tmp_path: Path, picture):
    import cv2

    def write(name: str, color: str) -> Path:
        path = tmp_path / name
        cv2.imwrite(str(path), picture(color))
        return path

    return write


@pytest.fixture
def model(write_colors) -> Path:
    digest = hashlib.sha256(b"weights").hexdigest()
    return write_colors(golden=True, precision="int8", provenance={"weights_sha256": digest})


@pytest.fixture
def answers_as_keras(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Keras model that takes everything for red."""

    def always_red(path: Path):
        return lambda images: {"scores": np.tile(np.float32([0.8, 0.1, 0.1]), (len(images), 1))}

    monkeypatch.setattr("benchmarks.accuracy._keras", always_red)


@pytest.mark.usefixtures("answers_as_keras")
def test_each_way_is_scored_on_the_test_photos(run: Path, model: Path) -> None:
    figures = measure_accuracy(str(model), run, None, {})
    assert figures["test"]["int8"]["n"] == 6
    assert figures["test"]["int8"]["accuracy"] == pytest.approx(5 / 6, abs=1e-4)
    assert figures["test"]["int8"]["recall"] == {"red": 1.0, "green": 1.0, "blue": 0.5}
    assert figures["test"]["keras"]["accuracy"] == pytest.approx(2 / 6, abs=1e-4)
    assert figures["model"]["bytes"] == model.stat().st_size
    said = sorted((a["photo"].split("/")[1], a["is"], a["said"]) for a in figures["answers"])
    colors = ("red", "red", "green", "green", "blue", "green")
    truth = (*colors[:5], "blue")
    assert said == [(f"{i}.png", truth[i], colors[i]) for i in range(6)]
    assert all(a["score"] > 0.7 for a in figures["answers"])
    assert "history" not in figures
    assert figures["latency_ms"]["int8"]["p50"] > 0


@pytest.mark.usefixtures("answers_as_keras")
def test_training_is_told_epoch_by_epoch(run: Path, model: Path) -> None:
    (run / "history.csv").write_text(
        "epoch,accuracy,loss,val_accuracy,val_loss\n0,0.512345,1.2,0.5,1.1\n1,0.75,0.6,0.7,0.8\n"
    )
    assert measure_accuracy(str(model), run, None, {})["history"] == [
        {"accuracy": 0.5123, "val_accuracy": 0.5}, {"accuracy": 0.75, "val_accuracy": 0.7}
    ]  # fmt: skip


@pytest.mark.usefixtures("answers_as_keras")
def test_files_are_compared_with_fp32(run: Path, model: Path, write_colors) -> None:
    fp32 = write_colors(
        golden=True,
        precision="fp32",
        provenance={"weights_sha256": hashlib.sha256(b"weights").hexdigest()},
    )
    figures = measure_accuracy(str(model), run, fp32, {})
    assert figures["test"]["int8"]["agreement_with_fp32"] == 1.0
    assert figures["test"]["keras"]["agreement_with_fp32"] == round(2 / 6, 4)
    assert "agreement_with_fp32" not in figures["test"]["fp32"]
    expected = model.stat().st_size / fp32.stat().st_size
    assert figures["model"]["bytes_of_fp32"] == pytest.approx(expected, abs=1e-4)


@pytest.mark.usefixtures("answers_as_keras")
def test_subset_is_asked_about_its_own_labels_alone(run: Path, model: Path) -> None:
    for name in ("red", "blue"):
        (run / "some" / name).mkdir(parents=True)
    figures = measure_accuracy(str(model), run, None, {"two": run / "some"})
    # Of the blue photos one is green: with green not allowed its score is no higher than red's.
    assert figures["test"]["int8"]["subsets"]["two"]["n"] == 4
    assert figures["test"]["int8"]["subsets"]["two"]["labels"] == 2
    assert figures["test"]["int8"]["subsets"]["two"]["accuracy"] == 0.75


@pytest.mark.usefixtures("answers_as_keras")
def test_model_of_another_run_is_refused(run: Path, color_model: Path) -> None:
    with pytest.raises(OptionError, match="was not exported from this run"):
        measure_accuracy(str(color_model), run, None, {})


def test_run_without_test_photos_is_refused(tmp_path: Path) -> None:
    (tmp_path / "split.csv").write_text("path,label,split\na.png,red,val\n")
    with pytest.raises(SourceError, match=r"model\.keras: no such file; --run takes the finished"):
        photos_to_score(tmp_path)
    (tmp_path / "model.keras").touch()
    with pytest.raises(SourceError, match="no row whose split is test"):
        photos_to_score(tmp_path)


def test_detector_is_scored_in_pixels_of_the_photo(
    tmp_path: Path, detector_model: Path, scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Photos of 256 px, twice the frame of `scene`: one face found, one missed, one invented."""
    import cv2

    run = tmp_path / "run"
    run.mkdir()
    (run / "model.keras").write_bytes(b"weights")
    photos = {
        "found": ([(32, 48)], "64 96 128 160"),
        "missed": ([(32, 48)], "64 96 128 160;0 0 60 60"),
        "invented": ([(32, 48), (80, 16)], "64 96 128 160"),
    }
    with (run / "split.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("path", "label", "split"))
        for name, (squares, label) in photos.items():
            image = cv2.resize(scene(*squares), (256, 256), interpolation=cv2.INTER_NEAREST)
            cv2.imwrite(str(tmp_path / f"{name}.png"), image)
            table.writerow((tmp_path / f"{name}.png", label, "test"))
    session = open_session(detector_model, SessionOptions("cpu", 1))
    monkeypatch.setattr("benchmarks.accuracy._keras", lambda path: session.run)
    monkeypatch.setattr("benchmarks.accuracy._check_origin", lambda card, run: None)
    monkeypatch.setattr("benchmarks.accuracy.measure_latency", lambda files: {})
    monkeypatch.setattr("benchmarks.accuracy.count_macs", lambda path: 0)
    test = measure_accuracy(str(detector_model), run, None, {})["test"]
    assert test["keras"] == {**test["fp32"], "agreement_with_fp32": 1.0}
    assert (test["fp32"]["faces"], test["fp32"]["n"]) == (4, 3)
    assert test["fp32"]["recall"] == 0.75


def test_float_file_of_other_weights_is_refused(
    run: Path, model: Path, write_colors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.accuracy._keras", lambda path: None)
    other = write_colors(golden=True, provenance={"weights_sha256": "f" * 64})
    with pytest.raises(OptionError, match=r"^--fp32 .*: not of the same weights as "):
        measure_accuracy(str(model), run, other, {})
