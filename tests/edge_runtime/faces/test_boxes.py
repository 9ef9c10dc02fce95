import numpy as np
import pytest

from edge_runtime.faces.boxes import FaceBox, iou, non_maximum_suppression


def _boxes(*boxes: tuple[float, ...]) -> np.ndarray:
    return np.array(boxes, np.float32).reshape(-1, 4)


@pytest.mark.parametrize(
    ("b", "expected"),
    [
        pytest.param((0, 0, 10, 10), 1.0, id="the same"),
        pytest.param((5, 0, 15, 10), 1 / 3, id="half beside"),
        pytest.param((0, 0, 10, 5), 0.5, id="half of it"),
        pytest.param((2, 2, 8, 8), 0.36, id="inside"),
        pytest.param((5, 5, 15, 15), 25 / 175, id="a corner"),
        pytest.param((10, 0, 20, 10), 0.0, id="touching"),
        pytest.param((50, 50, 60, 60), 0.0, id="apart"),
        pytest.param((12, 12, 8, 8), 0.0, id="turned inside out"),
    ],
)
def test_overlap_is_intersection_over_union(b, expected: float) -> None:
    assert iou(_boxes((0, 0, 10, 10)), _boxes(b))[0, 0] == pytest.approx(expected)


def test_overlap_is_given_for_each_pair() -> None:
    a, b = _boxes((0, 0, 4, 4), (4, 0, 8, 4)), _boxes((4, 0, 8, 4), (0, 0, 4, 4), (0, 0, 8, 4))
    assert iou(a, b).tolist() == [[0.0, 1.0, 0.5], [1.0, 0.0, 0.5]]


def test_overlap_of_boxes_without_area_is_0() -> None:
    assert iou(_boxes((3, 3, 3, 3)), _boxes((3, 3, 3, 3))).tolist() == [[0.0]]


def test_suppression_keeps_the_best_of_each_group_best_first() -> None:
    boxes = _boxes((0, 0, 10, 10), (1, 0, 11, 10), (50, 0, 60, 10), (51, 0, 61, 10))
    scores = np.array([0.6, 0.7, 0.9, 0.8], np.float32)
    assert non_maximum_suppression(boxes, scores).tolist() == [2, 1]


def test_suppression_drops_only_above_its_overlap() -> None:
    boxes = _boxes((0, 0, 10, 10), (0, 0, 10, 4), (0, 0, 10, 5))  # overlaps 0.4 and 0.5
    scores = np.array([0.9, 0.8, 0.7], np.float32)
    assert non_maximum_suppression(boxes, scores, iou_above=0.4).tolist() == [0, 1]
    assert non_maximum_suppression(boxes, scores, iou_above=0.9).tolist() == [0, 1, 2]


def test_box_that_overlaps_only_a_dropped_one_is_kept() -> None:
    boxes = _boxes((0, 0, 10, 10), (4, 0, 14, 10), (8, 0, 18, 10))
    scores = np.array([0.9, 0.8, 0.7], np.float32)
    assert non_maximum_suppression(boxes, scores).tolist() == [0, 2]


def test_suppression_looks_no_further_than_told() -> None:
    boxes = _boxes(*[(20 * i, 0, 20 * i + 10, 10) for i in range(9)])
    scores = np.linspace(0.1, 0.9, 9).astype(np.float32)
    assert non_maximum_suppression(boxes, scores, most=3).tolist() == [8, 7, 6]


def test_suppression_of_nothing_is_nothing() -> None:
    assert non_maximum_suppression(_boxes(), np.zeros(0, np.float32)).tolist() == []


def test_center_and_size_of_a_face() -> None:
    face = FaceBox(_boxes((10, 20, 50, 30))[0], 0.9, np.zeros((5, 2), np.float32))
    assert face.center == (30, 25)
    assert face.size_px == 20
