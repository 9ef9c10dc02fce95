"""The shipped detector on the demo clip's face, as cameras and albums may show it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from edge_runtime.apps.opening import open_detector
from edge_runtime.faces.boxes import FaceBox, iou
from edge_runtime.faces.detector import FaceDetector
from edge_runtime.faces.portrait import portrait_face
from edge_runtime.faces.tracker import Tracker
from edge_runtime.media.sources import open_source
from edge_runtime.model.preprocess import Image
from edge_runtime.model.session import SessionOptions


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    return open_detector("detector", SessionOptions("cpu", 1))


@pytest.fixture(scope="module")
def frame() -> Image:
    source = open_source("demo")
    first = source.read()
    source.close()
    assert first is not None
    return first.image_bgr


@pytest.fixture(scope="module")
def face(detector: FaceDetector, frame: Image) -> FaceBox:
    """The one face of the frame."""
    (found,) = detector.detect(frame, detector.sure)
    return found


def _goes_on(detector: FaceDetector, image: Image) -> FaceBox:
    """Return the face that a track would go on with."""
    return detector.detect(image, detector.faint)[0]


@pytest.mark.parametrize("degrees", [-20, 20])
def test_eyes_of_a_tilted_head_are_tilted(detector, frame, face, degrees) -> None:
    """Those of a face near the camera: small faces' landmarks stay level."""
    height, width = frame.shape[:2]
    near = cv2.getRotationMatrix2D(tuple(map(float, face.center)), degrees, 3)
    near[:, 2] += np.array([width / 2, height / 2]) - face.center
    image = cv2.warpAffine(frame, near, (width, height), borderMode=cv2.BORDER_REPLICATE)
    (left, right) = _goes_on(detector, image).landmarks[:2]
    found = np.degrees(np.arctan2(left[1] - right[1], right[0] - left[0]))
    assert found * np.sign(degrees) > 10


@pytest.mark.parametrize("light", [0.1, 0.25, 1.6])
def test_face_in_very_little_or_much_light_stays_where_it_was(detector, frame, face, light) -> None:
    changed = cv2.convertScaleAbs(frame, alpha=light)
    assert iou(_goes_on(detector, changed).box[None], face.box[None])[0, 0] > 0.6


def test_face_partly_out_of_the_picture_ends_near_its_edge(detector, frame, face) -> None:
    left, _, right, _ = face.box
    cut = frame[:, int(left + 0.2 * (right - left)) :]
    assert _goes_on(detector, cut).box[0] == pytest.approx(0, abs=4)


def test_face_that_fills_the_picture_is_found_for_enrolling(detector, frame, face) -> None:
    x1, y1, x2, y2 = face.box.astype(int)
    found = portrait_face(detector, frame[y1:y2, x1:x2])
    assert found is not None
    whole = np.array([[0, 0, x2 - x1, y2 - y1]], np.float32)
    assert iou(found.box[None], whole)[0, 0] > 0.6


def test_hundred_small_faces_are_seen_and_followed_each_by_its_own_id(
    detector, frame, face
) -> None:
    """At the detector's input each is 16 px high: faint at first, and clear from near by."""
    x1, y1, x2, y2 = face.box.astype(int)
    height = int(1.6 * (y2 - y1))
    top, left = (y1 + y2 - height) // 2, (x1 + x2) // 2 - 2 * height // 3
    tile = frame[top : top + height, left : left + 4 * height // 3]
    crowd = np.tile(cv2.resize(tile, (128, 96), interpolation=cv2.INTER_AREA), (10, 10, 1))
    faces = detector.detect(crowd, detector.sure)
    centers = np.array([f.center for f in faces])
    assert len({(int(x // 128), int(y // 96)) for x, y in centers}) > 95
    tracker = Tracker(detector.sure)
    first = {seen.track for seen in tracker.update(faces, 0.0)}
    assert len(first) == len(faces)
    assert {seen.track for seen in tracker.update(faces, 0.03)} == first
