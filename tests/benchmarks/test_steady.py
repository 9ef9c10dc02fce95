"""Expressions on people: changes of label, and photos changed as by a camera."""

import csv
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from benchmarks.steady import CHANGES, changes_of_label, measure_steadiness
from edge_runtime.errors import SourceError


def _event(**labels: str) -> dict[str, Any]:
    return {"faces": [{"track": t, "predictions": {"m": {"label": x}}} for t, x in labels.items()]}


def test_label_changes_are_counted_track_by_track() -> None:
    events = [
        _event(a="sad", b="uncertain"), _event(a="sad"), _event(a="happy", b="uncertain"),
        _event(a="sad", b="uncertain"), _event(),
    ]  # fmt: skip
    assert changes_of_label(events, "m") == {
        "a": {"frames": 4, "said": 1.0, "changes": 2},
        "b": {"frames": 3, "said": 0.0, "changes": 0},
    }


def test_changes_do_what_they_are_called() -> None:
    image = np.full((48, 48, 3), 100, np.uint8)
    image[16:32, 8:16] = 200  # a bar left of the middle
    found = {name: change(image) for name, change in CHANGES.items()}
    assert all(f.shape == image.shape and f.dtype == np.uint8 for f in found.values())
    assert (found["as it is"] == image).all()
    assert (found["half as bright"] == image // 2).all()
    assert found["half again as bright"].max() == 255
    assert found["lamp light"][0, 0].tolist() == [60, 85, 110]
    assert (found["shifted by a twelfth"][:, 12:20] == image[:, 8:16]).all()
    assert (found["an eighth larger"] > 150).sum() > (image > 150).sum()
    assert (found["an eighth smaller"] > 150).sum() < (image > 150).sum()
    # Counterclockwise: what lies left of the middle goes down.
    names = ("turned 15 degrees", "as it is", "turned -15 degrees")
    low, level, high = (np.argwhere(found[n][..., 0] > 150)[:, 0].mean() for n in names)
    assert high + 2 < level < low - 2
    assert 100 < found["blurred, sigma 1 px of 48"][16, 12, 0] < 200


def test_model_is_scored_under_each_change_and_followed_through_clips(
    face_model: Path, tmp_path: Path, picture, monkeypatch
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "model.keras").touch()
    with (tmp_path / "run" / "split.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("path", "label", "split"))
        for i, (color, label) in enumerate([("red", "red"), ("green", "green"), ("red", "blue")]):
            cv2.imwrite(str(tmp_path / f"{i}.png"), picture(color))
            table.writerow((tmp_path / f"{i}.png", label, "test"))
    (tmp_path / "clips").mkdir()
    with pytest.raises(SourceError, match="clips: no clips in this folder"):
        measure_steadiness(str(face_model), tmp_path / "run", tmp_path / "clips")
    demo = Path(__file__).parents[2] / "edge_runtime/shipped/demo.mp4"
    (tmp_path / "clips" / "one.mp4").write_bytes(demo.read_bytes())
    figures = measure_steadiness(str(face_model), tmp_path / "run", tmp_path / "clips")
    assert figures["photos"]["as it is"]["n"] == 3
    assert {row["accuracy"] for row in figures["photos"].values()} == {0.6667}
    (track,) = figures["clips"]["one.mp4"]["tracks"].values()
    assert track["frames"] == figures["clips"]["one.mp4"]["frames"] == 120
