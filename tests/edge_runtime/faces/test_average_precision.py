import numpy as np
import pytest

from edge_runtime.faces.average_precision import (
    average_precision,
    faces_in_common,
    score_differences,
)
from edge_runtime.faces.boxes import FaceBox

A, B, C = (0, 0, 40, 40), (100, 0, 140, 40), (200, 0, 240, 40)
FAR, SMALL = (400, 400, 440, 440), (300, 0, 310, 10)


def _found(*boxes_with_scores) -> tuple[np.ndarray, np.ndarray]:
    boxes = np.array([b for b, _ in boxes_with_scores], np.float32).reshape(-1, 4)
    return boxes, np.array([s for _, s in boxes_with_scores], np.float32)


def _truth(*boxes) -> np.ndarray:
    return np.array(boxes, np.float32).reshape(-1, 4)


def _figures(found, truth, min_size_px=20.0, **options):
    return average_precision([_found(*found)], [_truth(*truth)], min_size_px, **options)


@pytest.mark.parametrize(
    ("found", "truth", "ap", "recall"),
    [
        pytest.param([(A, 0.9), (B, 0.8)], [A, B], 1.0, 1.0, id="all right"),
        pytest.param([], [A, B], 0.0, 0.0, id="nothing found"),
        pytest.param([(FAR, 0.9)], [A], 0.0, 0.0, id="only false"),
        pytest.param([(A, 0.9)], [A, B], 0.5, 0.5, id="one missed"),
        # right, false, right: precision 1 to recall 1/2, then 2/3.
        pytest.param(
            [(A, 0.9), (FAR, 0.8), (B, 0.7)], [A, B], 0.5 + 0.5 * 2 / 3, 1.0, id="false between"
        ),
        pytest.param([(A, 0.9), (B, 0.8), (FAR, 0.7)], [A, B], 1.0, 1.0, id="false at the end"),
        # false first: the envelope lifts 1/2 to the 2/3 that comes after it.
        pytest.param([(FAR, 0.9), (A, 0.8), (B, 0.7)], [A, B], 2 / 3, 1.0, id="false first"),
        pytest.param(
            [(A, 0.9), ((2, 0, 42, 40), 0.8), (B, 0.7)],
            [A, B],
            0.5 + 0.5 * 2 / 3,
            1.0,
            id="a double is false",
        ),
        # four found of which one false, three true faces of four: 1/4 + 1/4 + 1/4 * 3/4.
        pytest.param(
            [(C, 0.6), (A, 0.9), (FAR, 0.7), (B, 0.8)],
            [A, B, C, (0, 200, 40, 240)],
            0.5 + 0.25 * 0.75,
            0.75,
            id="unsorted",
        ),
    ],
)
def test_average_precision_is_that_computed_by_hand(found, truth, ap, recall) -> None:
    figures = _figures(found, truth)
    assert figures.average_precision == pytest.approx(ap)
    assert figures.recall == pytest.approx(recall)
    assert (figures.faces, figures.pictures) == (len(truth), 1)


@pytest.mark.parametrize(
    ("found", "truth"),
    [
        pytest.param([(A, 0.9)], [A, SMALL], id="missed small face does not count"),
        pytest.param([(SMALL, 0.95), (A, 0.9)], [A, SMALL], id="found small face is not false"),
        pytest.param([(SMALL, 0.95), (A, 0.9)], [A], id="small false box is not false"),
    ],
)
def test_small_faces_are_ignored(found, truth) -> None:
    figures = _figures(found, truth)
    assert (figures.average_precision, figures.recall, figures.faces) == (1.0, 1.0, 1)


def test_size_is_that_of_the_shorter_side() -> None:
    assert _figures([(A, 0.9)], [A, (0, 100, 19, 300)]).faces == 1
    assert _figures([(A, 0.9)], [A, (0, 100, 20, 300)]).faces == 2


def test_large_box_on_an_ignored_face_is_not_false() -> None:
    ignored, larger = (300, 0, 319, 30), (300, 0, 320, 30)
    assert _figures([(larger, 0.95), (A, 0.9)], [A, ignored]).average_precision == 1.0


def test_face_that_counts_is_matched_before_an_ignored_one() -> None:
    # The box overlaps both by more than a half; the ignored one even more.
    face, ignored, box = (0, 0, 20, 40), (0, 0, 19, 36), (0, 0, 19, 37)
    figures = _figures([(box, 0.9)], [face, ignored])
    assert (figures.average_precision, figures.faces) == (1.0, 1)


@pytest.mark.parametrize(("at_least", "ap"), [(0.5, 1.0), (0.6, 0.0)])
def test_overlap_decides_what_is_a_match(at_least: float, ap: float) -> None:
    figures = _figures([((0, 0, 40, 22), 0.9)], [A], iou_at_least=at_least)  # 22 / 40 = 0.55
    assert figures.average_precision == ap


def test_better_box_gets_the_face() -> None:
    # Both overlap A by more than a half; the surer one is right and the other false.
    figures = _figures([((0, 0, 40, 30), 0.9), (A, 0.8)], [A])
    assert (figures.average_precision, figures.recall) == (1.0, 1.0)


def test_scores_are_ranked_over_all_pictures() -> None:
    found = [_found((A, 0.9), (FAR, 0.5)), _found((B, 0.8))]
    figures = average_precision(found, [_truth(A), _truth(B)], 20.0)
    # right, right, false; picture by picture the false one would stand before B.
    assert figures.average_precision == 1.0
    assert (figures.faces, figures.pictures) == (2, 2)


def test_picture_without_faces_makes_every_box_in_it_false() -> None:
    found = [_found((A, 0.9)), _found((B, 0.8))]
    figures = average_precision(found, [_truth(), _truth(B)], 20.0)
    assert figures.average_precision == pytest.approx(0.5)


def test_no_face_that_counts_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no annotated box has a side of 20\.0 px or more"):
        _figures([(A, 0.9)], [SMALL])


def test_pictures_that_do_not_pair_are_refused() -> None:
    with pytest.raises(ValueError, match="1 pictures with detections, 2 annotated"):
        average_precision([_found((A, 0.9))], [_truth(A), _truth(B)], 20.0)


def _faces(*boxes_with_scores) -> list[FaceBox]:
    landmarks = np.zeros((5, 2), np.float32)
    return [FaceBox(np.array(b, np.float32), s, landmarks) for b, s in boxes_with_scores]


@pytest.mark.parametrize(
    ("one", "other", "share"),
    [
        pytest.param([(A, 0.9)], [(A, 0.8)], 1.0, id="the same"),
        pytest.param([(A, 0.9)], [(A, 0.4)], 1.0, id="less sure"),
        pytest.param([(A, 0.9)], [(A, 0.2)], 0.0, id="hardly seen"),
        pytest.param([(A, 0.9), (B, 0.8)], [(A, 0.9)], 2 / 3, id="one of three sure faces alone"),
        pytest.param([(A, 0.9)], [((20, 0, 60, 40), 0.9)], 0.0, id="elsewhere"),
        pytest.param([(A, 0.4)], [], 1.0, id="nothing sure"),
    ],
)
def test_faces_in_common_are_those_either_is_sure_of(one, other, share) -> None:
    pair = [_faces(*one)], [_faces(*other)]
    assert faces_in_common(*pair) == faces_in_common(*pair[::-1]) == pytest.approx(share)


@pytest.mark.parametrize(
    ("one", "other", "apart"),
    [
        pytest.param([(A, 0.9), (B, 0.4)], [(A, 0.8), (B, 0.45)], [0.1, 0.05] * 2, id="same faces"),
        pytest.param([(A, 0.9)], [(A, 0.2)], [0.7], id="the fainter one is looked up, not counted"),
        pytest.param([(A, 0.9)], [(FAR, 0.8)], [0.9, 0.8], id="another face"),
        pytest.param([(A, 0.6)], [((20, 0, 60, 40), 0.6)], [0.6, 0.6], id="beside it"),
        pytest.param([(A, 0.2)], [], [], id="too faint"),
    ],
)
def test_score_differences_are_of_the_same_faces(one, other, apart) -> None:
    got = score_differences([_faces(*one)], [_faces(*other)])
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, apart, atol=1e-6)
