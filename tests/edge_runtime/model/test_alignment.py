import contextlib
import math

import cv2
import numpy as np
import pytest

from edge_runtime.errors import ImageError
from edge_runtime.model.alignment import LANDMARKS, align_face, similarity
from edge_runtime.model.card import InputSpec
from edge_runtime.model.preprocess import preprocess

SIDE = 112
FIVE_POINT = InputSpec(SIDE, SIDE, region="face", alignment="five-point")


def _turned(degrees: float, scale: float, x: float, y: float) -> np.ndarray:
    """Return landmarks of a face around x, y; at scale 1 it fills 112 px."""
    c, s = scale * math.cos(math.radians(degrees)), scale * math.sin(math.radians(degrees))
    turn = np.array([[c, -s], [s, c]])
    return ((LANDMARKS - 0.5) * SIDE @ turn.T + (x, y)).astype(np.float32)


def _dotted(landmarks: np.ndarray, height: int, width: int, scale: float) -> np.ndarray:
    """Return a black picture with a white blot at each landmark, of the face's scale."""
    image = np.zeros((height, width), np.float32)
    rows, columns = np.arange(height) + 0.5, np.arange(width) + 0.5  # middles of the pixels
    for x, y in landmarks:
        spread = 2 * (2.5 * scale) ** 2
        image += np.outer(
            np.exp(-((rows - y) ** 2) / spread), np.exp(-((columns - x) ** 2) / spread)
        )
    return np.repeat((image.clip(0, 1) * 255).astype(np.uint8)[..., None], 3, axis=2)


def _dots(image: np.ndarray, near: np.ndarray) -> np.ndarray:
    """Return where the blots next to some places are, as their centers of brightness."""
    gray = image[..., 0].astype(float)
    rows, columns = np.indices(gray.shape) + 0.5
    found = []
    for x, y in near:
        weights = gray * (np.hypot(columns - x, rows - y) < 11)
        found.append([(weights * at).sum() / weights.sum() for at in (columns, rows)])
    return np.array(found)


# The turn, scale and shift


def test_quarter_turn_doubled_and_shifted_is_recovered() -> None:
    points = np.array([[0, 0], [1, 0], [0, 1]], np.float32)
    targets = np.array([[5, 7], [5, 9], [3, 7]], np.float32)  # (x, y) -> (5 - 2y, 7 + 2x)
    assert similarity(points, targets) == pytest.approx(np.array([[0, -2, 5], [2, 0, 7]]))


@pytest.mark.parametrize("degrees", [-170, -30, 0, 45, 180])
@pytest.mark.parametrize("scale", [0.01, 1, 40])
def test_any_turn_scale_and_shift_is_recovered(degrees: float, scale: float) -> None:
    points = np.random.default_rng(0).uniform(0, 300, (5, 2))
    c, s = scale * math.cos(math.radians(degrees)), scale * math.sin(math.radians(degrees))
    expected = np.array([[c, -s, -80], [s, c, 13]])
    found = similarity(points, points @ expected[:, :2].T + expected[:, 2])
    assert (found.shape, found.dtype) == ((2, 3), np.float64)
    assert found == pytest.approx(expected, abs=1e-9)


def test_points_that_fit_no_turn_come_as_close_as_can_be() -> None:
    # Three corners of a square stay and one moves off by 4: each way to bring it nearer is worse.
    points = np.array([[0, 0], [10, 0], [0, 10], [10, 10]], float)
    targets = points + [[0, 0], [0, 0], [0, 0], [4, 0]]
    best = similarity(points, targets)

    def error(c: float, s: float, x: float, y: float) -> float:
        moved = points @ np.array([[c, -s], [s, c]]).T + (x, y)
        return float(((moved - targets) ** 2).sum())

    numbers = np.array([best[0, 0], best[1, 0], best[0, 2], best[1, 2]])
    assert error(*numbers) == pytest.approx(8)  # of 16 without any turn
    for i in range(4):
        for step in (-0.01, 0.01):
            assert error(*(numbers + step * np.eye(4)[i])) > error(*numbers)


@pytest.mark.parametrize(
    "points",
    [
        pytest.param(np.full((5, 2), 31.5), id="one point"),
        pytest.param(np.full((5, 2), np.nan), id="no numbers"),
        pytest.param(np.array([[np.inf, 0], *[[0, i] for i in range(4)]]), id="infinite"),
    ],
)
def test_landmarks_without_extent_are_refused(points: np.ndarray) -> None:
    with pytest.raises(ImageError, match="landmarks lie on one point"):
        similarity(points, LANDMARKS)
    with pytest.raises(ImageError, match="landmarks lie on one point"):
        align_face(np.zeros((64, 64, 3), np.uint8), points.astype(np.float32), SIDE, SIDE)


# The aligned face


@pytest.mark.parametrize(
    ("degrees", "scale"),
    [
        pytest.param(0, 1, id="as it should be"),
        pytest.param(0, 0.4, id="small"),
        pytest.param(-35, 1.3, id="tilted"),
        pytest.param(90, 0.8, id="lying"),
        pytest.param(180, 1, id="upside down"),
        pytest.param(20, 2.6, id="large, shrunk by two"),
        pytest.param(-20, 11, id="very large, shrunk by eleven"),
    ],
)
@pytest.mark.parametrize("margin", [0.0, 0.25])
def test_landmarks_come_to_lie_where_models_expect_them(degrees, scale, margin: float) -> None:
    landmarks = _turned(degrees, scale, 90 * scale + 20, 100 * scale + 10)
    image = _dotted(landmarks, math.ceil(220 * scale + 20), math.ceil(190 * scale + 40), scale)
    places = ((LANDMARKS - 0.5) / (1 + 2 * margin) + 0.5) * SIDE
    out = align_face(image, landmarks, SIDE, SIDE, margin)
    assert (out.shape, out.dtype) == ((SIDE, SIDE, 3), np.uint8)
    assert np.hypot(*(_dots(out, places) - places).T).max() < 0.3


@pytest.mark.parametrize("scale", [1, 5], ids=["small", "shrunk"])
@pytest.mark.parametrize(("x", "y"), [(10, 60), (170, 190)], ids=["top left", "bottom right"])
def test_face_cut_by_the_pictures_edge_is_aligned_and_the_border_goes_on(scale, x, y) -> None:
    landmarks = _turned(10, scale, x * scale, y * scale)
    inside = (landmarks > 8 * scale).all(1) & (landmarks < np.array([182, 222]) * scale).all(1)
    assert 2 <= inside.sum() < 5
    image = 255 - _dotted(landmarks[inside], 230 * scale, 190 * scale, scale)
    out = align_face(image, landmarks, SIDE, SIDE)
    places = LANDMARKS[inside] * SIDE
    assert np.hypot(*(_dots(255 - out, places) - places).T).max() < 0.3
    # White goes on beyond the edge: nothing black is there but the blots.
    rows, columns = np.indices((SIDE, SIDE)) + 0.5
    far = np.min([np.hypot(columns - px, rows - py) for px, py in LANDMARKS * SIDE], axis=0) > 11
    assert out[far].min() > 250


def test_pixels_of_a_large_face_are_averaged_not_picked() -> None:
    noise = np.random.default_rng(0).choice([0, 255], (1400, 1400)).astype(np.uint8)
    image = np.repeat(noise[..., None], 3, axis=2)
    out = align_face(image, _turned(15, 8.4, 700, 700), SIDE, SIDE)
    assert out.mean() == pytest.approx(127.5, abs=2)
    assert out.std() < 25  # 128 / 8.4 = 15 for the mean of all pixels, 60 or more for four of them


def test_width_and_height_are_not_mixed_up() -> None:
    assert align_face(
        np.zeros((200, 200, 3), np.uint8), _turned(0, 1, 100, 100), 80, 60
    ).shape == (60, 80, 3)  # fmt: skip


def test_landmarks_that_are_no_faces_give_some_crop_or_are_refused() -> None:
    random = np.random.default_rng(0)
    image = random.integers(0, 256, (90, 120, 3)).astype(np.uint8)
    for _ in range(2000):
        landmarks = random.uniform(0, 90, (5, 2)).astype(np.float32)
        with contextlib.suppress(ImageError):
            assert align_face(image, landmarks, 32, 32).shape == (32, 32, 3)


# As the model's input


@pytest.fixture
def tilted() -> tuple[np.ndarray, np.ndarray]:
    """A picture with blots at a tilted face's landmarks, and the landmarks; blue is 40 darker."""
    landmarks = _turned(25, 1.2, 130, 150)
    image = _dotted(landmarks, 300, 260, 1.2)
    return cv2.subtract(image, (40, 0, 0, 0)), landmarks


def test_five_point_model_sees_the_face_by_its_landmarks_whatever_the_box(tilted) -> None:
    image, landmarks = tilted
    out = preprocess(image, FIVE_POINT, np.array([5, 5, 9, 9], np.float32), landmarks)
    assert np.hypot(*(_dots(out, LANDMARKS * SIDE) - LANDMARKS * SIDE).T).max() < 0.3
    x, y = (LANDMARKS[2] * SIDE).astype(int)
    red, green, blue = out[y, x].astype(int)
    assert (red, green - blue) == (green, 40)
    assert out.flags.c_contiguous


def test_face_margin_shows_more_around_an_aligned_face(tilted) -> None:
    spec = InputSpec(SIDE, SIDE, region="face", alignment="five-point", face_margin=0.25)
    out = preprocess(tilted[0], spec, None, tilted[1])
    places = ((LANDMARKS - 0.5) / 1.5 + 0.5) * SIDE
    assert np.hypot(*(_dots(out, places) - places).T).max() < 0.3


def test_without_landmarks_the_box_is_used(tilted) -> None:
    box = np.array([60, 70, 200, 210], np.float32)
    plain = InputSpec(SIDE, SIDE, region="face")
    assert (preprocess(tilted[0], FIVE_POINT, box) == preprocess(tilted[0], plain, box)).all()


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param(InputSpec(SIDE, SIDE, region="face"), id="faces by their box"),
        pytest.param(InputSpec(SIDE, SIDE, alignment="five-point"), id="whole pictures"),
    ],
)
def test_landmarks_change_nothing_for_other_models(tilted, spec: InputSpec) -> None:
    image, landmarks = tilted
    box = np.array([60, 70, 200, 210], np.float32)
    assert (preprocess(image, spec, box, landmarks) == preprocess(image, spec, box)).all()
