import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from edge_runtime.errors import InstallError, ModelError
from edge_runtime.faces.opencv_detectors import HaarDetector, YuNetDetector

HAAR_FILE = "haarcascade_frontalface_alt2.xml"


def _row(x: float, y: float, width: float, height: float, score: float) -> list[float]:
    """Return a row as YuNet gives it: its landmarks are x + 1, y + 2, x + 3, y + 4 and so on."""
    points = [(x if i % 2 == 0 else y) + i + 1 for i in range(10)]
    return [x, y, width, height, *points, score]


class Net:
    """What `cv2.FaceDetectorYN` makes: gives the rows it was told, notes what it was asked."""

    def __init__(self) -> None:
        self.rows: list[list[float]] | None = None
        self.size: tuple[int, int] | None = None
        self.threshold: float | None = None

    def setInputSize(self, size: tuple[int, int]) -> None:  # noqa: N802
        self.size = size

    def setScoreThreshold(self, threshold: float) -> None:  # noqa: N802
        self.threshold = threshold

    def detect(self, image: np.ndarray):
        return 1, None if self.rows is None else np.array(self.rows, np.float32)


@pytest.fixture
def net(monkeypatch) -> Net:
    made = Net()
    fake = SimpleNamespace(create=lambda model, config, size: made)
    monkeypatch.setattr(cv2, "FaceDetectorYN", fake, raising=False)
    return made


# YuNet


def test_yunet_looks_at_the_picture_at_its_own_size(net) -> None:
    YuNetDetector(Path("yunet.onnx")).detect(np.zeros((48, 64, 3), np.uint8), 0.35)
    assert (net.size, net.threshold) == ((64, 48), 0.35)


def test_yunets_row_becomes_a_box_with_corners_and_five_points(net) -> None:
    net.rows = [_row(10, 20, 30, 15, 0.875)]
    (face,) = YuNetDetector(Path("yunet.onnx")).detect(np.zeros((48, 64, 3), np.uint8), 0.5)
    assert face.box.tolist() == [10, 20, 40, 35]
    assert face.box.dtype == np.float32
    assert face.score == 0.875
    assert face.landmarks.tolist() == [[11, 22], [13, 24], [15, 26], [17, 28], [19, 30]]


def test_yunets_faces_come_best_first(net) -> None:
    net.rows = [_row(i, 0, 9, 9, score) for i, score in enumerate([0.5, 0.9, 0.7])]
    faces = YuNetDetector(Path("yunet.onnx")).detect(np.zeros((48, 64, 3), np.uint8), 0.5)
    assert [face.box[0] for face in faces] == [1, 2, 0]


def test_yunets_boxes_are_cut_at_the_pictures_edge_and_dropped_outside(net) -> None:
    net.rows = [
        _row(-5, -6, 20, 21, 0.9),
        _row(50, 40, 30, 30, 0.8),
        _row(63.5, 0, 30, 30, 0.7),
        _row(0, 60, 9, 9, 0.6),
    ]
    faces = YuNetDetector(Path("yunet.onnx")).detect(np.zeros((48, 64, 3), np.uint8), 0.5)
    assert [face.box.tolist() for face in faces] == [[0, 0, 15, 15], [50, 40, 64, 48]]
    assert faces[0].landmarks[0].tolist() == [-4, -4]


def test_yunet_may_find_nothing(net) -> None:
    assert YuNetDetector(Path("yunet.onnx")).detect(np.zeros((48, 64, 3), np.uint8), 0.5) == []


@pytest.mark.parametrize("content", [b"", b"no model", bytes(range(256)) * 9])
@pytest.mark.skipif(not hasattr(cv2, "FaceDetectorYN"), reason="this OpenCV is older than YuNet")
def test_file_that_is_no_model_is_refused_in_one_line(content: bytes) -> None:
    Path("yunet.onnx").write_bytes(content)
    with pytest.raises(
        ModelError, match=r"^yunet\.onnx: OpenCV cannot run it as YuNet \("
    ) as caught:
        YuNetDetector(Path("yunet.onnx"))
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(not hasattr(cv2, "FaceDetectorYN"), reason="this OpenCV is older than YuNet")
def test_another_model_is_refused_when_it_is_opened(color_model) -> None:
    with pytest.raises(ModelError, match="OpenCV cannot run it as YuNet"):
        YuNetDetector(color_model)


def test_opencv_without_yunet_is_said(monkeypatch) -> None:
    monkeypatch.delattr(cv2, "FaceDetectorYN", raising=False)
    with pytest.raises(InstallError, match=r"^--detector y\.onnx: OpenCV .* has no FaceDetectorYN"):
        YuNetDetector(Path("y.onnx"))


@pytest.mark.parametrize("kind", ["yunet", "haar"])
def test_threads_look_one_after_another(kind: str, monkeypatch, tmp_path) -> None:
    """OpenCV's detectors hold the size of the picture they are at."""
    inside = []

    class Busy(Net):
        def look(self, *given, **more):
            inside.append(1)
            assert len(inside) == 1
            time.sleep(0.002)
            inside.pop()
            return (1, None) if kind == "yunet" else []

        detect = look
        detectMultiScale = look  # noqa: N815

    busy = Busy()
    fake = SimpleNamespace(create=lambda *given: busy)
    monkeypatch.setattr(cv2, "FaceDetectorYN", fake, raising=False)
    monkeypatch.setattr(cv2, "CascadeClassifier", lambda path: busy, raising=False)
    (tmp_path / HAAR_FILE).touch()
    data = SimpleNamespace(haarcascades=str(tmp_path))
    monkeypatch.setattr(cv2, "data", data, raising=False)
    detector = YuNetDetector(Path("yunet.onnx")) if kind == "yunet" else HaarDetector()
    picture = np.zeros((48, 64, 3), np.uint8)
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda _: detector.detect(picture, 0.5), range(40))) == [[]] * 40


# Haar


@pytest.fixture
def cascade(monkeypatch) -> SimpleNamespace:
    """An OpenCV with cascades, whose one finds what `rows` says."""
    made = SimpleNamespace(rows=(), file=None)

    def load(file: str) -> SimpleNamespace:
        made.file = file
        return SimpleNamespace(detectMultiScale=lambda gray, *_, **__: made.rows)

    Path("cascades").mkdir()
    Path("cascades", HAAR_FILE).touch()
    monkeypatch.setattr(cv2, "data", SimpleNamespace(haarcascades="cascades/"), raising=False)
    monkeypatch.setattr(cv2, "CascadeClassifier", load, raising=False)
    return made


def test_haars_faces_come_largest_first_with_landmarks_where_they_usually_are(cascade) -> None:
    cascade.rows = np.array([[5, 6, 24, 24], [10, 20, 100, 100], [50, 50, 30, 30]])
    faces = HaarDetector().detect(np.zeros((200, 200, 3), np.uint8), 0.5)
    assert [face.box.tolist() for face in faces] == [
        [10, 20, 110, 120], [50, 50, 80, 80], [5, 6, 29, 30]
    ]  # fmt: skip
    assert [face.score for face in faces] == [1, 1, 1]
    assert faces[0].landmarks == pytest.approx(
        np.array([[41, 58], [79, 58], [60, 78], [44, 97], [76, 97]])
    )
    assert Path(cascade.file).name == HAAR_FILE


def test_haar_may_find_nothing(cascade) -> None:
    assert HaarDetector().detect(np.zeros((200, 200, 3), np.uint8), 0.5) == []


@pytest.mark.parametrize("lacks", ["CascadeClassifier", "data", HAAR_FILE])
def test_opencv_without_cascades_is_said_with_what_to_take(cascade, monkeypatch, lacks) -> None:
    if lacks == HAAR_FILE:
        Path("cascades", HAAR_FILE).unlink()
    else:
        monkeypatch.delattr(cv2, lacks)
    with pytest.raises(InstallError, match=r"^--detector haar: OpenCV .* came without cascades"):
        HaarDetector()


@pytest.mark.skipif(hasattr(cv2, "CascadeClassifier"), reason="this OpenCV has cascades")
def test_this_opencv_has_no_cascades() -> None:
    with pytest.raises(InstallError, match="take --detector detector"):
        HaarDetector()
