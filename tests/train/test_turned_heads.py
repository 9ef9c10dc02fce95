"""Heads are turned as heads turn: the nose leads, the far cheek hides, the near one is seen."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from train.data.scene_faces import PORTRAIT_BOX, PORTRAIT_LANDMARKS, aligned_face
from train.data.turned_heads import turn_head

ANGLES = (-80, -50, -25, 25, 50, 80)


@pytest.fixture
def portrait() -> np.ndarray:
    """A gray face with a red cheek in the picture's left, a blue one in its right, black hair."""
    image = np.full((112, 112, 3), 160, np.uint8)
    image[:16] = 0
    cv2.circle(image, (24, 72), 6, (0, 0, 255), -1)
    cv2.circle(image, (72, 72), 6, (255, 0, 0), -1)
    return image


def _turned(portrait: np.ndarray, degrees: float):
    return turn_head(portrait, aligned_face(), degrees, np.random.default_rng(0))


def _pixels(picture: np.ndarray, mask: np.ndarray, channel: int) -> int:
    rest = np.delete(picture, channel, axis=2).max(axis=2).astype(int)
    return int(((picture[..., channel].astype(int) - rest > 60) & (mask > 128)).sum())


def test_head_not_turned_is_the_portrait(portrait) -> None:
    picture, mask, face = _turned(portrait, 0)
    shift = float(face.landmarks[0, 0] - PORTRAIT_LANDMARKS[0, 0])
    moved = cv2.warpAffine(portrait, np.array([[1, 0, shift], [0, 1, 0]]), (112, 112))
    assert np.abs(picture[30:90, 34:80].astype(int) - moved[30:90, 34:80]).max() <= 2
    assert abs(shift - (112 / 2 - 48)) < 1
    assert face.box == pytest.approx(PORTRAIT_BOX + [shift, 0, shift + 2, 0], abs=2.5)
    assert mask[56, 56] == 255
    assert mask[2, 2] == mask[109, 109] == 0


def test_far_cheek_is_hidden_and_the_near_one_seen(portrait) -> None:
    picture, mask, _ = _turned(portrait, 70)
    assert _pixels(picture, mask, 2) > 60
    assert _pixels(picture, mask, 0) == 0
    picture, mask, _ = _turned(portrait, -70)
    assert _pixels(picture, mask, 0) > 60
    assert _pixels(picture, mask, 2) == 0


def test_hair_is_behind_the_ears_and_a_nose_before_the_face(portrait) -> None:
    picture, mask, _ = _turned(portrait, 80)
    seen = np.flatnonzero(mask[60] > 128)
    assert picture[60, seen[6]].max() < 40
    outline = np.array([np.flatnonzero(row > 128).max() for row in mask[50:84]])
    assert 20 <= outline.argmax() <= 28  # the nose's tip, at row 74
    assert outline.max() - outline[0] > 8
    assert outline.max() - outline[-1] > 8


@pytest.mark.parametrize("degrees", ANGLES)
def test_nose_leads_to_where_the_head_looks(portrait, degrees) -> None:
    _, mask, face = _turned(portrait, degrees)
    left_eye, right_eye, nose, left_mouth, right_mouth = face.landmarks
    aside = (nose - (left_eye + right_eye) / 2)[0]
    assert np.sign(aside) == np.sign(degrees)
    assert left_eye[0] < right_eye[0]
    assert left_mouth[0] < right_mouth[0]
    x1, y1, x2, y2 = face.box.round().astype(int)
    assert (mask[y1 + 8 : y2 - 8, max(x1, 0) + 12 : x2 - 12] > 128).mean() > 0.88
    outside = mask.copy()
    outside[:, max(x1, 0) - 3 : x2 + 3] = 0
    # Only the back of the head: on the other side of where it looks.
    assert not outside[:, x2:].any() if degrees > 0 else not outside[:, :x1].any()


@pytest.mark.parametrize("degrees", [25, 50, 80])
def test_to_the_left_is_to_the_right_mirrored(portrait, degrees) -> None:
    mirrored = cv2.warpAffine(
        portrait, np.array([[-1.0, 0, 96], [0, 1, 0]]), (112, 112), borderMode=cv2.BORDER_REPLICATE
    )
    picture, mask, face = _turned(portrait, degrees)
    there, outline, other = _turned(mirrored, -degrees)
    both = (mask > 250) & (outline[:, ::-1] > 250)
    assert both.sum() > 4000
    np.testing.assert_array_equal(outline[:, ::-1], mask)
    assert np.abs(there[:, ::-1][both].astype(int) - picture[both]).mean() < 4
    assert other.box[[0, 2]] == pytest.approx(112 - face.box[[2, 0]], abs=0.1)
    x = 112 - face.landmarks[[1, 0, 2, 4, 3], 0]
    assert other.landmarks[:, 0] == pytest.approx(x, abs=1.5)


@pytest.mark.parametrize("degrees", ANGLES)
def test_landmarks_are_where_the_picture_has_them(degrees) -> None:
    nearer = 0 if degrees > 0 else 1
    image = np.full((112, 112, 3), 160, np.uint8)
    eye = PORTRAIT_LANDMARKS[nearer]
    cv2.circle(image, eye.astype(int).tolist(), 2, (0, 255, 0), -1)
    picture, _, face = _turned(image, degrees)
    y, x = np.nonzero((picture[..., 1] > 200) & (picture[..., 0] < 120))
    assert [x.mean(), y.mean()] == pytest.approx(face.landmarks[nearer], abs=2.5)
    low, high = face.box[:2] - 3, face.box[2:] + 3
    assert ((face.landmarks >= low) & (face.landmarks <= high)).all()


def test_further_turned_faces_are_narrower(portrait) -> None:
    widths = [np.ptp(_turned(portrait, d)[2].box[[0, 2]]) for d in (25, 50, 80)]
    assert widths[0] > widths[1] > widths[2] > 30


def test_face_without_landmarks_and_one_not_learned_stay_so(portrait) -> None:
    unknown = type(aligned_face())(PORTRAIT_BOX, None, learned=False)
    _, _, face = turn_head(portrait, unknown, 40, np.random.default_rng(0))
    assert face.landmarks is None
    assert not face.learned
