"""YuNet's marks beside those of annotators: which are kept, and what is copied."""

from __future__ import annotations

import json
import runpy
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

SCRIPT = runpy.run_path(str(Path(__file__).parent.parent / "scripts" / "mark_faces.py"))


class YuNet:
    """Finds two faces, in pixels of what it is shown."""

    def setInputSize(self, size: tuple[int, int]) -> None:  # noqa: N802
        self.width = size[0]

    def detect(self, image: Any) -> tuple[int, Any]:
        assert image.shape[1] == self.width == 640
        rows = np.zeros((2, 15), np.float32)
        rows[:, :4] = [[64, 64, 64, 128], [320, 64, 32, 32]]
        rows[:, 14] = [0.91, 0.45]
        return 1, rows


@pytest.fixture
def mark(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(cv2.FaceDetectorYN, "create", lambda *given: YuNet())

    def mark(*folders: str) -> list[dict[str, Any]]:
        SCRIPT["main"](Path("yunet.onnx"), tmp_path / "out", [tmp_path / f for f in folders])
        entries = json.loads((tmp_path / "out" / "annotations.json").read_text())
        assert all((tmp_path / "out" / "images" / e["file"]).exists() for e in entries)
        return entries

    return mark


def photos(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / name), np.zeros((80, 160, 3), np.uint8))


def test_photos_nobody_annotated_get_all_marks_in_their_own_pixels(mark, tmp_path: Path) -> None:
    photos(tmp_path / "people", "a.png", "sub/b.png")
    (tmp_path / "people" / "note.txt").write_text("no photo")
    entries = mark("people")
    assert [e["file"] for e in entries] == ["people_a.png", "people_sub_b.png"]
    assert entries[0]["boxes"] == [
        {"xyxy_px": [16, 16, 32, 48], "marked": 0.91},
        {"xyxy_px": [80, 16, 88, 24], "marked": 0.45},
    ]


@pytest.mark.parametrize(("box", "kept"), [((20, 20, 60, 60), 1), ((100, 20, 120, 60), 2)])
def test_annotated_photos_get_likely_faces_that_touch_no_box(
    mark, tmp_path: Path, box: tuple[int, ...], kept: int
) -> None:
    photos(tmp_path / "street" / "images", "a.png")
    theirs = {"xyxy_px": list(box), "class": "face"}
    entry = {"file": "a.png", "boxes": [theirs]}
    (tmp_path / "street" / "annotations.json").write_text(json.dumps([entry]))
    (marked,) = mark("street")
    assert marked["boxes"][0] == theirs
    assert len(marked["boxes"]) == kept
    assert all(b["marked"] == 0.91 for b in marked["boxes"][1:])


def test_photo_of_a_name_that_is_there_is_not_written_over(mark, tmp_path: Path) -> None:
    photos(tmp_path / "a" / "people", "1.png")
    photos(tmp_path / "b" / "people", "1.png")
    with pytest.raises(
        SystemExit, match=r"^error: two pictures would be called people_1\.png in .*out"
    ):
        mark("a/people", "b/people")


def test_marks_are_not_mixed_with_those_of_another_run(mark, tmp_path: Path) -> None:
    photos(tmp_path / "people", "1.png")
    mark("people")
    with pytest.raises(SystemExit, match=r"^error: .*out has pictures already"):
        mark("people")


def test_what_cannot_be_read_is_left_out_unless_it_is_annotated(
    mark, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos(tmp_path / "people", "1.png")
    (tmp_path / "people" / "2.png").write_text("no photo")
    assert [e["file"] for e in mark("people")] == ["people_1.png"]
    assert "2.png: cannot be read" in capsys.readouterr().err
    shutil.rmtree(tmp_path / "out")
    (tmp_path / "people" / "images").mkdir()
    (tmp_path / "people" / "2.png").rename(tmp_path / "people" / "images" / "2.png")
    (tmp_path / "people" / "annotations.json").write_text('[{"file": "2.png", "boxes": []}]')
    with pytest.raises(SystemExit, match=r"^error: .*2\.png: annotated, but cannot be read"):
        mark("people")
