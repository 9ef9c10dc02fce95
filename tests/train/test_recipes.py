"""A real training of each recipe, at the smallest scale at which it can learn something."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_runtime.model.card import ModelCard

pytestmark = pytest.mark.tensorflow
pytest.importorskip("keras")


def draw_class_folders(root: Path, per_class: int = 30) -> None:
    """Write photos of two classes a small network tells apart: bars lying and bars standing."""
    rng = np.random.default_rng(0)
    for label in ("lying", "standing"):
        (root / label).mkdir(parents=True)
        for i in range(per_class):
            image = rng.integers(0, 60, (48, 48, 3)).astype(np.uint8)
            at = int(rng.integers(10, 32))
            part = np.s_[at : at + 6, :] if label == "lying" else np.s_[:, at : at + 6]
            image[part] = 230
            cv2.imwrite(str(root / label / f"{i:02d}.png"), image)


def test_expression_recipe_learns_two_classes_and_writes_a_whole_run_folder(tmp_path: Path) -> None:
    from train.recipes.expression import train_expression

    draw_class_folders(tmp_path / "data")
    run = tmp_path / "run"
    train_expression(tmp_path / "data", run, name="bars", size_px=32, epochs=8, seed=1)

    card = ModelCard.from_json((run / "card.json").read_text(), "card.json")
    assert card.name == "bars"
    assert card.labels == ("lying", "standing")
    assert (card.input.height_px, card.input.width_px, card.input.region) == (32, 32, "face")
    with (run / "split.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {r["split"] for r in rows} == {"train", "val", "test"}
    assert len(rows) == 60
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["test"]["n"] == sum(r["split"] == "test" for r in rows)
    with (run / "history.csv").open() as file:
        losses = [float(r["loss"]) for r in csv.DictReader(file)]
    assert len(losses) == 8
    assert losses[-1] < 0.8 * losses[0]
    assert "def train_expression" in (run / "recipe.py").read_text()
    assert not (run / "state").exists()
    assert (run / "model.keras").is_file()


def test_interrupted_run_says_how_to_go_on_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import keras

    from train.errors import RunError
    from train.recipes.expression import train_expression

    class CtrlC(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
            if epoch == 2:
                raise KeyboardInterrupt

    draw_class_folders(tmp_path / "data", per_class=10)
    run = tmp_path / "run"
    original = keras.Model.fit

    def interrupted(self: keras.Model, *args: object, **kwargs: object) -> object:
        kwargs["callbacks"] = [*kwargs["callbacks"], CtrlC()]  # type: ignore[misc]
        return original(self, *args, **kwargs)

    options = {"size_px": 32, "epochs": 4, "architecture": "seed"}
    with monkeypatch.context() as patch:
        patch.setattr(keras.Model, "fit", interrupted)
        with pytest.raises(RunError, match=r"interrupted; go on with --output .*run --resume"):
            train_expression(tmp_path / "data", run, **options)
    assert not (run / "model.keras").exists()

    with pytest.raises(RunError, match="unfinished run; add --resume"):
        train_expression(tmp_path / "data", run, **options)
    with pytest.raises(RunError, match="another epochs; resume with the same options"):
        train_expression(tmp_path / "data", run, resume=True, **{**options, "epochs": 5})

    train_expression(tmp_path / "data", run, resume=True, **options)
    with (run / "history.csv").open() as file:
        assert [int(r["epoch"]) for r in csv.DictReader(file)] == [0, 1, 2, 3]
    with pytest.raises(RunError, match="holds a finished run"):
        train_expression(tmp_path / "data", run, resume=True, **options)


def test_typo_in_the_data_costs_no_run_folder(tmp_path: Path) -> None:
    from train.errors import DataError
    from train.recipes.expression import train_expression

    with pytest.raises(DataError, match="no such folder"):
        train_expression(tmp_path / "typo", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_three_photos_a_class_are_refused_before_training(tmp_path: Path) -> None:
    from train.errors import DataError
    from train.recipes.expression import train_expression

    draw_class_folders(tmp_path / "data", per_class=3)
    with pytest.raises(DataError, match="6 photos leave none to validate on"):
        train_expression(tmp_path / "data", tmp_path / "run", size_px=32)


def test_unknown_architecture_is_refused(tmp_path: Path) -> None:
    from edge_runtime.errors import OptionError
    from train.recipes.expression import train_expression

    with pytest.raises(OptionError, match="--architecture resnet50: expected residual or seed"):
        train_expression(tmp_path, tmp_path / "run", architecture="resnet50")


def test_seed_network_is_the_notebooks_three_convolutions() -> None:
    from edge_runtime.model.card import InputSpec
    from train.networks.seed import seed_network

    model = seed_network(InputSpec(256, 256), 2)
    kinds = [type(layer).__name__ for layer in model.layers]
    assert kinds.count("Conv2D") == kinds.count("MaxPooling2D") == 3
    assert model.output_shape == (None, 2)


def test_targets_put_each_face_on_the_stride_of_its_size() -> None:
    from edge_runtime.model.card import InputSpec
    from train.data.face_targets import targets
    from train.data.scene_faces import Face
    from train.networks.face_detector import cell_centers

    spec = InputSpec(256, 320)
    small = Face(np.array([100, 100, 120, 124], np.float32), None, True)
    large = Face(np.array([150, 20, 290, 200], np.float32), np.ones((5, 2), np.float32), True)
    ignored = Face(np.array([10, 10, 40, 40], np.float32), None, False)
    cells = targets([small, large, ignored], spec)
    centers, strides = cell_centers(spec)
    kinds = cells[:, 0]
    of_small = (kinds == 1) & (cells[:, 1] == 100)
    of_large = (kinds == 1) & (cells[:, 1] == 150)
    assert set(strides[of_small, 0]) == {8}
    assert set(strides[of_large, 0]) == {32}
    assert (np.abs(centers[of_small] - (110, 112)).max(1) <= 1.1 * 8).all()
    assert cells[of_small, 15].max() == 0
    assert cells[of_large, 15].min() == 1
    inside = ((centers > (10, 10)) & (centers < (40, 40))).all(1)
    assert (kinds[inside] == -1).all()


def test_decoded_boxes_are_what_the_targets_mean() -> None:
    """The loss is near zero where the network answers a face's own distances, and not elsewhere."""
    from edge_runtime.model.card import InputSpec
    from train.data.face_targets import targets
    from train.data.scene_faces import Face
    from train.networks.detector_loss import DetectorLoss
    from train.networks.face_detector import cell_centers, raw_to_boxes

    spec = InputSpec(64, 64)
    face = Face(np.array([20, 18, 44, 50], np.float32), np.full((5, 2), 30, np.float32), True)
    cells = targets([face], spec)
    centers, strides = cell_centers(spec)
    held = cells[:, 0] == 1
    raw = np.zeros((1, len(cells), 15), np.float32)
    raw[..., 0] = np.where(held, 12.0, -12.0)
    raw[0, held, 1:3] = np.log((centers[held] - (20, 18)) / strides[held])
    raw[0, held, 3:5] = np.log(((44, 50) - centers[held]) / strides[held])
    raw[0, held, 5:] = np.tile((30 - centers[held]) / strides[held], 5)
    boxes = np.asarray(raw_to_boxes(raw[..., 1:5], centers, strides))[0, held]
    np.testing.assert_allclose(boxes, np.tile([20, 18, 44, 50], (held.sum(), 1)), atol=1e-3)
    loss = DetectorLoss(spec)
    right = float(loss(cells[None], raw))
    raw[0, held, 1:5] += 0.5
    assert right < 1e-3
    assert float(loss(cells[None], raw)) > 10 * max(right, 1e-2)


def test_detector_recipe_writes_a_run_folder_that_exports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two steps of training find nothing; that every part fits the next is what is looked at."""
    from edge_runtime.model.session import SessionOptions, open_session
    from export.pipeline import ExportOptions, export_run
    from train.recipes import detector

    rng = np.random.default_rng(0)
    for folder in ("boxes/images", "people/images", "portraits", "faceless"):
        (tmp_path / folder).mkdir(parents=True)
    for folder in ("boxes", "people"):
        entries = []
        for i in range(10):
            photo = rng.integers(0, 256, (240, 320, 3)).astype(np.uint8)
            cv2.imwrite(str(tmp_path / folder / "images" / f"{i}.png"), photo)
            entries.append({"file": f"{i}.png", "boxes": [{"xyxy_px": [100, 60, 180, 160]}]})
        (tmp_path / folder / "annotations.json").write_text(json.dumps(entries))
    for folder, side in (("portraits", 112), ("faceless", 144)):
        picture = rng.integers(0, 256, (side, side, 3)).astype(np.uint8)
        cv2.imwrite(str(tmp_path / folder / "0.png"), picture)
    monkeypatch.setattr(detector, "STEPS_PER_EPOCH", 2)
    monkeypatch.setattr(detector, "BATCH", 2)

    run = tmp_path / "run"
    detector.train_detector(
        tmp_path / "boxes", tmp_path / "portraits", [tmp_path / "faceless"], run,
        people=tmp_path / "people", epochs=1,
    )  # fmt: skip
    with (run / "split.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [r["split"] for r in rows].count("train") == 7
    assert {r["label"] for r in rows} == {"100 60 180 160"}
    metrics = json.loads((run / "metrics.json").read_text())
    assert (metrics["val"]["faces"], metrics["test"]["faces"]) == (1, 2)
    card = ModelCard.from_json((run / "card.json").read_text(), "card.json")
    assert card.provenance["data"].endswith("people (faces ignored)")

    target = tmp_path / "detector.onnx"
    options = ExportOptions(precision="fp32", calibration=2)
    export_run(run, target, options, lambda line: None)
    session = open_session(target, SessionOptions("cpu", 1))
    photo = rng.integers(0, 256, (1, 256, 320, 3)).astype(np.uint8)
    plain, mirrored = (session.run(np.ascontiguousarray(p)) for p in (photo, photo[:, :, ::-1]))
    # The score is the mean of both sides, so the mirrored picture has the same, cells mirrored.
    left_to_right = plain["scores"][0, :1280].reshape(32, 40)
    right_to_left = mirrored["scores"][0, :1280].reshape(32, 40)[:, ::-1]
    np.testing.assert_allclose(left_to_right, right_to_left, atol=1e-5)
