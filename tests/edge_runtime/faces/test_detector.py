import numpy as np
import pytest

from edge_runtime.errors import OptionError
from edge_runtime.faces.detector import OnnxFaceDetector

POINTS = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]])


def test_face_is_found_in_pixels_of_the_picture(detector, scene) -> None:
    (face,) = detector.detect(scene((24, 56)), 0.5)
    assert face.box.tolist() == [24, 56, 56, 88]
    assert face.score == 1.0
    assert np.allclose(face.landmarks, (24, 56) + POINTS * 32)


@pytest.mark.parametrize(
    ("height", "width"), [(64, 64), (128, 64), (96, 192), (320, 640)], ids=lambda v: str(v)
)
def test_face_is_found_in_a_picture_of_any_shape(detector, picture, height, width) -> None:
    unit = max(height, width) // 4  # what the detector's window becomes
    image = picture("blue", height, width)
    image[:unit, unit // 2 : unit // 2 + unit] = (0, 0, 255)
    (face,) = detector.detect(image, 0.5)
    assert face.box.tolist() == [unit // 2, 0, unit // 2 + unit, unit]


def test_faces_come_best_first(detector, scene) -> None:
    faces = detector.detect(scene((0, 0, (0, 0, 235)), (64, 64), (0, 88, (0, 0, 245))), 0.2)
    assert [face.score for face in faces] == pytest.approx(
        [1.0, 5 * 245 / 255 - 4, 5 * 235 / 255 - 4], abs=1e-4
    )
    assert [face.box[0] for face in faces] == [64, 0, 0]


def test_faces_under_the_score_are_left_out(detector, scene) -> None:
    image = scene((0, 0, (0, 0, 235)), (64, 64))
    assert len(detector.detect(image, 0.6)) == 2
    assert len(detector.detect(image, 0.7)) == 1


def test_picture_without_faces_gives_none(detector, scene, picture) -> None:
    assert detector.detect(scene(), 0.2) == []
    assert detector.detect(picture("black", 1, 1), 0.2) == []


def test_doubles_of_one_face_are_one(detector, scene) -> None:
    image = scene((24, 56))
    image[56:88, 20:60] = (0, 0, 255)  # wider than a window, so that several fit
    assert len(detector.detect(image, 0.2)) == 1


def test_box_is_cut_at_the_pictures_edge(detector, picture) -> None:
    # 128x100: the letterbox scales by a half, the last window reaches 56..72 in the picture.
    image = picture("blue", 100, 128)
    image[64:] = (0, 0, 255)
    boxes = np.array([face.box for face in detector.detect(image, 0.2)])
    assert len(boxes)
    assert boxes[:, 3].max() <= 100
    assert boxes[:, 2].max() <= 128


def test_what_is_found_in_the_padding_is_no_face(detector, picture, monkeypatch) -> None:
    found = {
        "boxes": np.array([[[0, 40, 16, 56], [0, 8, 16, 24]]], np.float32),
        "scores": np.array([[0.9, 0.8]], np.float32),
        "landmarks": np.zeros((1, 2, 10), np.float32),
    }
    monkeypatch.setattr(detector.session, "run", lambda images: found)
    (face,) = detector.detect(picture("blue", 32, 64), 0.2)  # rows from 32 on are padding
    assert face.box.tolist() == [0, 8, 16, 24]


def test_classifier_is_no_detector(color_session) -> None:
    with pytest.raises(OptionError, match="--detector: model colors is no face detector"):
        OnnxFaceDetector(color_session)
