from collections.abc import Callable

import numpy as np
import pytest

from edge_runtime.faces.boxes import FaceBox
from edge_runtime.faces.portrait import portrait_face


class FakeDetector:
    """Finds what it is told, in the picture itself and in one with a border; notes what it saw."""

    sure, faint = 0.5, 0.1

    def __init__(self, plain: list[FaceBox], wider: list[FaceBox] | None = None) -> None:
        self.answers = [plain, wider or []]
        self.seen: list[tuple[np.ndarray, float]] = []

    def detect(self, image_bgr: np.ndarray, min_score: float) -> list[FaceBox]:
        self.seen.append((image_bgr.copy(), min_score))
        found = [face for face in self.answers[len(self.seen) - 1] if face.score >= min_score]
        return sorted(found, key=lambda face: -face.score)


def _face(left: float, side: float, score: float, top: float = 10) -> FaceBox:
    box = np.array([left, top, left + side, top + side], np.float32)
    return FaceBox(box, score, np.full((5, 2), left + 1, np.float32))


@pytest.fixture
def image(picture: Callable[..., np.ndarray]) -> np.ndarray:
    """60 px wide, 40 high; the left half red, the right green."""
    out = picture("red", 40, 60)
    out[:, 30:] = (0, 255, 0)
    return out


@pytest.mark.parametrize(
    ("faces", "left"),
    [
        pytest.param([_face(1, 10, 0.9), _face(2, 20, 0.6)], 2, id="the larger, not the surer"),
        pytest.param([_face(1, 30, 0.49), _face(2, 10, 0.5)], 2, id="a clear one before a faint"),
        pytest.param([_face(1, 10, 0.5)], 1, id="just clear"),
    ],
)
def test_largest_clear_face_is_taken_and_the_picture_looked_at_once(image, faces, left) -> None:
    detector = FakeDetector(faces)
    found = portrait_face(detector, image)
    assert found.box[0] == left
    assert len(detector.seen) == 1
    assert (detector.seen[0][0] == image).all()
    assert detector.seen[0][1] == 0.3


@pytest.mark.parametrize(
    "plain", [[], [_face(5, 10, 0.49)]], ids=["nothing found", "only a faint face"]
)
def test_where_nothing_is_clear_the_picture_is_looked_at_with_half_its_size_around_it(
    image, plain
) -> None:
    detector = FakeDetector(plain, [_face(34, 26, 0.8, top=32)])
    found = portrait_face(detector, image)
    wider, least = detector.seen[1]
    assert wider.shape == (40 + 2 * 30, 60 + 2 * 30, 3)
    assert (wider[30:70, 30:90] == image).all()
    assert (wider[:, :30] == image[0, 0]).all()  # the border is repeated
    assert (wider[:, 90:] == image[0, -1]).all()
    assert least == 0.3
    # In pixels of the picture, not of the wider one.
    assert found.box.tolist() == [4, 2, 30, 28]
    assert (found.landmarks == 35 - 30).all()
    assert found.score == 0.8


def test_clear_face_of_the_second_look_comes_before_a_faint_one_of_the_first(image) -> None:
    detector = FakeDetector([_face(1, 40, 0.45)], [_face(35, 10, 0.5, top=35)])
    assert portrait_face(detector, image).box[0] == 5


@pytest.mark.parametrize(
    ("plain", "wider", "left"),
    [
        pytest.param([_face(1, 10, 0.4)], [_face(35, 30, 0.35, top=35)], 1, id="of the first look"),
        pytest.param([_face(1, 30, 0.35)], [_face(35, 10, 0.4, top=35)], 5, id="of the second"),
        pytest.param([_face(1, 10, 0.3)], [], 1, id="just faint"),
    ],
)
def test_surest_faint_face_is_taken_where_none_is_clear(image, plain, wider, left) -> None:
    assert portrait_face(FakeDetector(plain, wider), image).box[0] == left


def test_what_is_found_in_the_border_is_no_face(image) -> None:
    assert portrait_face(FakeDetector([], [_face(2, 10, 0.9)]), image) is None


def test_picture_without_a_face_has_none(image) -> None:
    detector = FakeDetector([_face(1, 10, 0.29)], [_face(1, 10, 0.29)])
    assert portrait_face(detector, image) is None
    assert len(detector.seen) == 2
