"""`python -m train faces` from folders of whole photos to a file that names people."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge_runtime.faces.detector import OnnxFaceDetector
from edge_runtime.faces.portrait import portrait_face
from edge_runtime.media.image import read_image
from edge_runtime.model.card import Reject
from edge_runtime.model.classifier import Classifier
from edge_runtime.model.session import SessionOptions, open_session
from train.errors import DataError, RunError

pytestmark = pytest.mark.tensorflow
keras = pytest.importorskip("keras")

QUIET = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


def _train(data: Path, output: Path, **options: Any) -> Path:
    from train.classifier import train_classifier
    from train.options import TrainOptions
    from train.recipes import faces

    chosen = TrainOptions(data, output, **{"precision": "float32", **options})
    # Another margin than the shipped embedding's, which is to be shown faces as it learned them.
    train_classifier(replace(faces.RECIPE, face_margin=0.3), faces, chosen)
    return output


def _rows(run: Path, split: str) -> list[dict[str, str]]:
    with (run / "split.csv").open(newline="") as file:
        return [row for row in csv.DictReader(file) if row["split"] == split]


@QUIET
def test_folders_of_whole_photos_become_a_file_that_names_people(
    album, shipped_detector: OnnxFaceDetector, tmp_path: Path
) -> None:
    from export.options import ExportOptions
    from export.pipeline import export_model
    from train.networks.exported import exported_card

    people = album("people", ("anna", "ben"), 14)
    strangers = album("strangers", ("dora", "anna"), 12)
    run = _train(people, tmp_path / "run", background=strangers)
    assert {row["path"].split("/")[0] for row in _rows(run, "train")} == {"faces"}
    moved = run.rename(tmp_path / "moved")  # its faces are inside and move along
    target = tmp_path / "people.onnx"
    export_model(
        moved, target, ExportOptions(precision="fp32", calibration_photos=8), lambda line: None
    )
    session = open_session(target, SessionOptions("cpu", 1))
    assert session.card.labels == ("anna", "ben")
    assert session.card.input == exported_card("shipped").input
    # Strangers told how alike two people look: 12 x 12 comparisons, each of which may accept half
    # of one in a hundred; so few tell the cosine of one in ten.
    ((rate, cosine),) = session.card.metrics["impostors"]["curve"]
    assert (session.card.metrics["impostors"]["n"], rate) == (144, 0.1)
    assert session.card.reject == Reject("cosine", cosine, 0.01)
    assert session.card.answers == "labels"
    names = Classifier(session)
    for path in sorted(album("later", ("anna", "ben"), 6).rglob("*.png")):
        image = read_image(path).image_bgr
        face = portrait_face(shipped_detector, image)
        assert names.classify(image, face.box).top(1)[0][0] == path.parent.name


def test_person_without_a_face_is_refused_and_nothing_is_left(album, tmp_path: Path, photo) -> None:
    data = album("people", ("anna",), 8)
    (data / "tree").mkdir()
    for i in range(8):
        cv2.imwrite(str(data / "tree" / f"{i}.png"), photo(500 + i, 320))
    with pytest.raises(DataError, match=r"^tree: no face was found in any of the photos to train"):
        _train(data, tmp_path / "run")
    assert not (tmp_path / "run").exists()


IDENTITY: dict[str, Any] = {
    "architecture": "identity", "backbone": "mobilenet-0.25", "weights": "none", "size": 64,
    "epochs": 2, "batch": 8, "deterministic": True,
}  # fmt: skip


def test_embedding_taught_with_others_goes_on_after_ctrl_c_as_if_never_stopped(
    album, tmp_path: Path, monkeypatch
) -> None:
    data = album("people", ("anna", "ben"), 10)
    others = album("others", ("cleo", "anna"), 6)
    whole = _train(data, tmp_path / "whole", background=others, **IDENTITY)
    card = (whole / "card.json").read_text()
    assert '"labels": ["anna", "ben"]' in card  # cleo only teaches

    fit = keras.Model.fit

    def pressed(self: Any, *args: Any, callbacks: Any, **more: Any) -> Any:
        class CtrlC(keras.callbacks.Callback):
            def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
                if epoch == 1:
                    raise KeyboardInterrupt

        return fit(self, *args, callbacks=[*callbacks, CtrlC()], **more)

    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(keras.Model, "fit", pressed)
        with pytest.raises(RunError, match=r"^interrupted after epoch 1 of 2; go on with"):
            _train(data, run, background=others, **IDENTITY)
    monkeypatch.setattr("train.data.face_crops.portrait_face", None)  # faces are not sought again
    _train(data, run, background=others, resume=True, **IDENTITY)
    one, other = (
        keras.saving.load_model(folder / "model.keras", compile=False).get_weights()
        for folder in (whole, run)
    )
    for weight, then in zip(other, one, strict=True):
        np.testing.assert_array_equal(weight, then)
