import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_runtime.apps.detect import FaceAlbum, detect_pictures
from edge_runtime.faces import opencv_detectors
from tests.command_line import failure

GREEN = (0, 255, 0)


@pytest.fixture
def album(scene) -> Path:
    """Two faces in one picture, none in another, and a file that is no picture."""
    Path("album/more").mkdir(parents=True)
    cv2.imwrite("album/a.png", scene((8, 16), (80, 80, GREEN)))
    Path("album/b.jpg").write_bytes(b"no picture")
    cv2.imwrite("album/more/a.png", scene())
    return Path("album")


def _detect(cli, album: Path, detector_model: Path, *more: object):
    return cli("detect", album, "--detector", detector_model, *more)


def test_row_has_the_fields_of_the_contract(cli, album, detector_model) -> None:
    result = _detect(cli, album, detector_model)
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [list(row) for row in rows] == [["path", "width_px", "height_px", "faces", "error"]] * 3
    two, broken, none = rows
    assert (two["path"], two["width_px"], two["height_px"]) == ("album/a.png", 128, 128)
    assert sorted(face["box"] for face in two["faces"]) == [[8, 16, 40, 48], [80, 80, 112, 112]]
    for face in two["faces"]:
        assert list(face) == ["box", "score", "landmarks"]
        assert face["score"] == pytest.approx(1, abs=0.01)
        left, top, side = *face["box"][:2], 32
        assert face["landmarks"][0] == pytest.approx([left + 0.3 * side, top + 0.4 * side], abs=0.1)
    assert (none["faces"], none["error"]) == ([], None)
    assert (broken["faces"], broken["width_px"]) == ([], None)
    assert broken["error"] == "not a picture OpenCV can decode"
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1] == ("error: 1 of 3 pictures failed; see the error column")


def test_file_is_written_and_pictures_are_drawn_in(cli, album, detector_model) -> None:
    result = _detect(
        cli, album, detector_model, "--output", "boxes.jsonl", "--annotated", "seen/here"
    )
    assert "2 face(s) in 3 picture(s)" in result.stderr
    assert len(Path("boxes.jsonl").read_text().splitlines()) == 3
    # Two pictures of one name do not write over each other.
    assert sorted(p.name for p in Path("seen/here").iterdir()) == ["a-2.jpg", "a.jpg"]
    drawn, plain = (cv2.imread(f"seen/here/{name}.jpg").astype(int) for name in ("a", "a-2"))
    differs = np.abs(drawn - cv2.imread("album/a.png")).max(2) > 60
    assert differs[16:48, 8].mean() > 0.8  # the left edge of the red face's box
    assert np.abs(plain - cv2.imread("album/more/a.png")).max() < 30


def test_file_without_a_card_is_tried_as_yunet(cli, album, detector_proto, monkeypatch) -> None:
    opened = []

    class Found:
        sure = 0.5

        def __init__(self, path: Path) -> None:
            opened.append(path)

        def detect(self, image_bgr: np.ndarray, min_score: float) -> list:
            return []

    Path("downloaded.onnx").write_bytes(detector_proto.SerializeToString())
    monkeypatch.setattr(opencv_detectors, "YuNetDetector", Found)
    assert "0 face(s) in 3 picture(s)" in _detect(cli, album, Path("downloaded.onnx")).stderr
    assert opened == [Path("downloaded.onnx")]


def test_file_that_is_no_detector_is_refused(cli, album, detector_proto) -> None:
    Path("downloaded.onnx").write_bytes(detector_proto.SerializeToString())
    message = failure(_detect(cli, album, Path("downloaded.onnx")))
    assert message.startswith("downloaded.onnx: no 'edge' metadata; ")
    assert message.endswith("; of detectors without a card only YuNet is known")


@pytest.mark.parametrize(("least", "faces"), [(0.2, 1), (0.55, 0)])
def test_faint_faces_are_found_where_asked_for(cli, scene, detector_model, least, faces) -> None:
    cv2.imwrite("faint.png", scene((8, 16, (0, 0, 220))))  # a score of 0.31
    result = cli("detect", "faint.png", "--detector", detector_model, "--min-score", least)
    assert len(json.loads(result.stdout)["faces"]) == faces


def test_table_becomes_csv_with_faces_as_json(cli, album, detector_model) -> None:
    _detect(cli, album, detector_model, "--output", "boxes.csv")
    header, *lines = Path("boxes.csv").read_text().splitlines()
    assert header == "path,width_px,height_px,faces,error"
    assert lines[2].endswith("128,128,[],")


def test_place_that_cannot_be_made_is_one_line(cli, album, detector_model) -> None:
    Path("seen").write_text("a file")
    result = _detect(cli, album, detector_model, "--annotated", "seen/here")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1].startswith("error: seen/here: cannot be made (")


def test_pictures_of_one_name_never_meet(album, tmp_path) -> None:
    pictures = FaceAlbum(tmp_path / "seen", [])
    for path in ("x/a.png", "x/a-2.png", "y/a.png", "z/a.png"):
        pictures.add(Path(path), np.zeros((8, 8, 3), np.uint8), [])
    names = sorted(path.name for path in (tmp_path / "seen").iterdir())
    assert names == ["a-2.jpg", "a-3.jpg", "a-4.jpg", "a.jpg"]


def test_reading_stops_when_nobody_wants_more(album, detector) -> None:
    rows = detect_pictures([album / "a.png"] * 100, detector, 0.5)
    path, image, faces, _ = next(rows)
    rows.close()
    assert (path, image.shape, len(faces)) == (album / "a.png", (128, 128, 3), 2)


def test_second_run_writes_over_the_first_and_never_over_what_is_read(
    cli, album, detector_model
) -> None:
    for _ in range(2):
        _detect(cli, album, detector_model, "--annotated", "seen")
    assert sorted(p.name for p in Path("seen").iterdir()) == ["a-2.jpg", "a.jpg"]
    result = _detect(cli, album, detector_model, "--annotated", "album")
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1] == (
        "error: --annotated album: holds pictures that are read; choose another"
    )
