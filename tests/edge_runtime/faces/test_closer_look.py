import numpy as np
import pytest

from edge_runtime.faces.boxes import FaceBox
from edge_runtime.faces.closer_look import CloserLook


class Looks:
    """A detector that says something else at each look, boxes in pixels of what it is shown."""

    sure, faint = 0.69, 0.3

    def __init__(self, *looks: list[tuple[float, float, float, float, float]]) -> None:
        self.looks = list(looks)
        self.shown: list[tuple[int, ...]] = []

    def detect(self, image_bgr: np.ndarray, min_score: float) -> list[FaceBox]:
        self.shown.append(image_bgr.shape[:2])
        return [
            FaceBox(
                np.array(box, np.float32), score, np.tile(np.array(box[:2], np.float32), (5, 1))
            )
            for *box, score in self.looks.pop(0)
            if score >= min_score
        ]


@pytest.fixture
def frame(picture) -> np.ndarray:
    return picture("blue", 480, 640)


def test_faint_face_that_is_clear_from_near_by_is_found_where_it_is(frame) -> None:
    # 40 px at (300, 200): 150x120 px around its middle are looked at, from (245, 160) on.
    looks = Looks([(300, 200, 340, 240, 0.4)], [(56.0, 42.0, 94.0, 79.0, 0.9)])
    (face,) = CloserLook(looks).detect(frame, 0.69)
    assert looks.shown == [(480, 640), (120, 150)]
    assert face.box.tolist() == [301, 202, 339, 239]
    assert face.landmarks[0].tolist() == [301, 202]
    assert face.score == 0.9


@pytest.mark.parametrize(
    "near",
    [
        pytest.param([], id="nothing"),
        pytest.param([(55.0, 40.0, 95.0, 80.0, 0.2)], id="faint"),
        pytest.param([(0.0, 0.0, 30.0, 30.0, 0.9)], id="something else beside it"),
    ],
)
def test_likeness_of_a_face_that_is_none_from_near_by_is_left_out(frame, near) -> None:
    looks = Looks([(300, 200, 340, 240, 0.75)], near)
    assert CloserLook(looks).detect(frame, 0.3) == []
    assert len(looks.shown) == 2


def test_clear_face_and_what_is_next_to_nothing_get_one_look(frame) -> None:
    looks = Looks([(300, 200, 340, 240, 0.85), (20, 20, 60, 60, 0.2)])
    assert [face.score for face in CloserLook(looks).detect(frame, 0.3)] == [0.85]
    assert len(looks.shown) == 1


@pytest.mark.parametrize(("side", "looks"), [(102, 2), (103, 1)])
def test_face_of_a_fifth_of_the_window_is_near_enough(frame, side: int, looks: int) -> None:
    """The window around 640x480 px is 640x512."""
    network = Looks([(100, 100, 100 + side, 100 + side, 0.5)], [])
    faces = CloserLook(network).detect(frame, 0.3)
    assert len(network.shown) == looks
    assert [face.score for face in faces] == ([] if looks == 2 else [0.5])


def test_thorough_look_takes_what_is_next_to_nothing_for_possible(frame) -> None:
    looks = Looks([(300, 200, 340, 240, 0.2)], [(55.0, 40.0, 95.0, 80.0, 0.9)])
    (face,) = CloserLook(looks, thorough=True).detect(frame, 0.3)
    assert face.score == 0.9


def test_two_faint_boxes_of_one_face_become_one(frame) -> None:
    first = [(300, 200, 340, 240, 0.5), (310, 210, 350, 250, 0.4)]
    looks = Looks(first, [(57.0, 42.0, 97.0, 82.0, 0.8)], [(49.0, 34.0, 89.0, 74.0, 0.9)])
    faces = CloserLook(looks).detect(frame, 0.3)
    assert len(looks.shown) == 3
    assert [face.score for face in faces] == [0.9]


def test_face_at_the_edge_is_looked_at_as_far_as_the_picture_goes(frame) -> None:
    looks = Looks([(600, 0, 640, 40, 0.5)], [(55.0, 0.0, 95.0, 40.0, 0.9)])
    (face,) = CloserLook(looks).detect(frame, 0.3)
    assert looks.shown == [(480, 640), (80, 95)]
    assert face.box.tolist() == [600, 0, 640, 40]
