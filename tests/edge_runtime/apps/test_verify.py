from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_runtime.apps.verify import Verdict, verify_photos
from edge_runtime.errors import ImageError, OptionError
from edge_runtime.faces.boxes import FaceBox
from edge_runtime.model.card import Reject
from edge_runtime.model.session import SessionOptions, open_session

RED, GREEN, DARKER = (0, 0, 255), (0, 255, 0), (0, 0, 235)


@pytest.fixture
def compare(identity_session, detector, scene) -> Callable[..., Verdict]:
    """Compare a photo of some faces with one of others, see `scene`."""

    def _compare(one: list, other: list, threshold: float | None = None, session=None) -> Verdict:
        for name, faces in (("one.png", one), ("other.png", other)):
            assert cv2.imwrite(name, scene(*faces))
        return verify_photos(
            Path("one.png"), Path("other.png"), session or identity_session, detector, threshold
        )

    return _compare


@pytest.mark.parametrize(
    ("color", "same", "cosine"),
    [
        pytest.param(RED, True, 1.0, id="the same color"),
        pytest.param((0, 102, 255), True, 0.9285, id="nearly: 5 / sqrt(29)"),
        pytest.param((0, 153, 255), False, 0.8575, id="less so: 5 / sqrt(34)"),
        pytest.param(GREEN, False, 0.0, id="another"),
    ],
)
def test_two_photos_show_one_person_if_their_cosine_reaches_the_cards(
    compare, color, same: bool, cosine: float
) -> None:
    verdict = compare([(8, 16, RED)], [(64, 80, color)])
    assert (verdict.same, verdict.threshold) == (same, 0.9)
    assert verdict.cosine == pytest.approx(cosine, abs=1e-3)


@pytest.mark.parametrize(("threshold", "same"), [(0.85, True), (0.87, False), (-1.0, True)])
def test_threshold_given_goes_before_the_cards(compare, threshold: float, same: bool) -> None:
    verdict = compare([(8, 16, RED)], [(64, 80, (0, 153, 255))], threshold)
    assert (verdict.same, verdict.threshold) == (same, threshold)


def test_threshold_is_that_for_one_comparison(compare, write_colors, identity_proto) -> None:
    path = write_colors(
        proto=identity_proto, name="who", task="identity", region="face",
        reject=Reject("cosine", 0.99),
        metrics={"impostors": {"curve": [[0.1, 0.2], [0.01, 0.7], [0.0001, 0.95]]}},
    )  # fmt: skip
    session = open_session(path, SessionOptions("cpu", 1))
    verdict = compare([(8, 16, RED)], [(64, 80, (0, 153, 255))], session=session)
    assert (verdict.same, verdict.threshold) == (True, 0.7)


def test_photos_that_are_bad_witnesses_are_noted(compare, portrait) -> None:
    verdict = compare([(8, 16, RED), (64, 80, GREEN)], [(64, 80, RED)])
    assert verdict.notes[0] == "one.png: 2 faces; the largest was compared"
    assert all("too dark or too pale" in note for note in verdict.notes[1:])  # of one color
    assert len(verdict.notes) == 3


def test_clear_face_goes_before_a_faint_one(compare) -> None:
    verdict = compare([(8, 16, DARKER), (64, 80, GREEN)], [(8, 16, GREEN)])
    assert verdict.cosine == pytest.approx(1, abs=1e-3)


def test_faint_face_is_enough_where_there_is_no_other(compare) -> None:
    assert compare([(8, 16, DARKER)], [(8, 16, RED)]).same


class Both:
    """A detector that always finds a small face at the left, and a large one, less clear."""

    sure, faint = 0.5, 0.3

    def detect(self, image_bgr: np.ndarray, min_score: float) -> list[FaceBox]:
        boxes = np.array([[0, 0, 32, 32], [40, 40, 120, 120]], np.float32)
        points = np.zeros((5, 2), np.float32)
        return [FaceBox(box, score, points) for box, score in zip(boxes, (0.9, 0.6), strict=True)]


def test_largest_face_of_each_photo_counts(identity_session, picture) -> None:
    for name, small, large in (("one", RED, GREEN), ("other", RED, (255, 0, 0))):
        image = picture(small, 128, 128)
        image[40:120, 40:120] = large
        cv2.imwrite(f"{name}.png", image)
    verdict = verify_photos(Path("one.png"), Path("other.png"), identity_session, Both())
    assert (verdict.same, verdict.cosine) == (False, 0)


def test_photo_without_a_face_is_named(compare) -> None:
    with pytest.raises(ImageError, match=r"^other\.png: no face found; take a photo with a larger"):
        compare([(8, 16)], [])
    with pytest.raises(ImageError, match=r"^one\.png: no face found"):
        compare([], [(8, 16)])


def test_photo_that_cannot_be_read_is_named(compare, identity_session, detector) -> None:
    compare([(8, 16)], [(8, 16)])
    with pytest.raises(ImageError, match=r"^gone\.png: "):
        verify_photos(Path("one.png"), Path("gone.png"), identity_session, detector)


def test_model_without_a_threshold_needs_one(compare, write_colors, identity_proto) -> None:
    path = write_colors(proto=identity_proto, name="who", task="identity", region="face")
    session = open_session(path, SessionOptions("cpu", 1))
    with pytest.raises(OptionError, match="states no threshold"):
        compare([(8, 16)], [(8, 16)], session=session)
    assert compare([(8, 16)], [(8, 16)], 0.5, session).same
