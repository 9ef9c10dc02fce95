"""What is pasted lies where it is said to, and scores are counted where there is a face."""

import numpy as np
import pytest

from benchmarks.face_scores import paste_portrait, scores_of
from edge_runtime.faces.boxes import FaceBox
from train.data.scene_faces import PORTRAIT_BOX


def _face(box, score: float) -> FaceBox:
    return FaceBox(np.array(box, np.float32), score, np.zeros((5, 2), np.float32))


@pytest.mark.parametrize("height_px", [24.0, 48.0, 200.0])
def test_pasted_face_has_the_height_asked_for_and_lies_in_its_box(height_px: float) -> None:
    portrait = np.zeros((112, 112, 3), np.uint8)
    x1, y1, x2, y2 = PORTRAIT_BOX.astype(int)
    portrait[y1:y2, x1:x2] = 255
    ground = np.zeros((480, 640, 3), np.uint8)
    scene, box = paste_portrait(ground, portrait, height_px, np.random.default_rng(3))
    assert not ground.any()
    assert box[3] - box[1] == pytest.approx(height_px, abs=1)
    rows, columns = (np.flatnonzero(scene[..., 0].max(axis) > 127) for axis in (1, 0))
    seen = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
    # The corners of the box are outside the ellipse; its sides are not.
    assert seen == pytest.approx(box, abs=0.05 * height_px + 1)


def test_score_is_the_best_of_the_boxes_that_overlap_by_half() -> None:
    truth = np.array([[0, 0, 10, 10], [50, 50, 60, 60]], np.float32)
    found = [_face([0, 0, 10, 10], 0.4), _face([1, 0, 11, 10], 0.7), _face([6, 0, 16, 10], 0.9)]
    assert scores_of(found, truth) == [0.7, 0.0]


def test_no_face_and_no_truth_are_no_scores() -> None:
    assert scores_of([], np.zeros((0, 4), np.float32)) == []
    assert scores_of([], np.array([[0, 0, 5, 5]], np.float32)) == [0.0]
