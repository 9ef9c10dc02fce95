from dataclasses import replace

import cv2
import numpy as np
import pytest

from edge_runtime.faces.boxes import FaceBox
from edge_runtime.faces.quality import enrollable_face, face_problem

# Eyes, nose, mouth corners, as shares of the box.
USUAL = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]])


def _face(x1: float, y1: float, x2: float, y2: float, points: np.ndarray = USUAL) -> FaceBox:
    landmarks = [x1, y1] + points * [x2 - x1, y2 - y1]
    return FaceBox(np.array([x1, y1, x2, y2], np.float32), 0.9, landmarks.astype(np.float32))


FACE = _face(20, 30, 120, 130)


@pytest.fixture
def sharp() -> np.ndarray:
    """A gray picture whose face is lit from the left, 150 to 100, with squares of 5 px, +-40."""
    image = np.full((160, 140, 3), 125, np.uint8)
    squares = np.random.default_rng(0).integers(-40, 41, (20, 20))
    face = np.linspace(150, 100, 100) + np.kron(squares, np.ones((5, 5)))
    image[30:130, 20:120] = face[..., None]
    return image


# One face


def test_sharp_face_is_good(sharp) -> None:
    assert face_problem(sharp, FACE) == ""


@pytest.mark.parametrize(("side", "good"), [(31.9, False), (32, True)])
def test_face_must_be_32_px_wide(sharp, side: float, good: bool) -> None:
    problem = face_problem(sharp, _face(40, 40, 40 + side, 40 + side))
    assert (problem == "") == good
    if not good:
        assert problem.startswith("the face is only 32 px wide; 32 or more are needed, 100 are")


def test_small_face_is_said_in_its_own_pixels(sharp) -> None:
    assert face_problem(sharp, _face(40, 40, 60, 60)) == (
        "the face is only 20 px wide; 32 or more are needed, 100 are good"
    )


@pytest.mark.parametrize(
    ("darken", "problem"),
    [
        pytest.param(lambda i: np.maximum(i, 115) - 115, "too dark or too pale", id="dark"),
        pytest.param(lambda i: i // 10 + 115, "too dark or too pale", id="pale"),
        pytest.param(lambda i: i // 2, "", id="in the shade"),
        pytest.param(lambda i: i // 2 + 120, "", id="bright"),
    ],
)
def test_face_that_is_too_dark_or_too_pale_is_said(sharp, darken, problem: str) -> None:
    says = face_problem(darken(sharp).astype(np.uint8), FACE)
    assert problem in says
    assert bool(problem) == bool(says)


@pytest.mark.parametrize("scale", [0.5, 1, 3], ids=["small", "as it is", "large"])
def test_blurred_face_is_said_at_any_size(sharp, scale: float) -> None:
    image = cv2.resize(sharp, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    face = _face(*(FACE.box * scale))
    assert face_problem(image, face) == ""
    blurred = np.asarray(cv2.GaussianBlur(image, (0, 0), 4 * scale), np.uint8)
    assert face_problem(blurred, face) == "the face is blurred; take a sharper photo"


def test_only_the_face_itself_is_judged(sharp) -> None:
    around = np.random.default_rng(1).integers(0, 256, sharp.shape).astype(np.uint8)
    around[30:130, 20:120] = cv2.GaussianBlur(sharp[30:130, 20:120], (0, 0), 3)
    assert face_problem(around, FACE) != ""
    around[30:130, 20:120] = sharp[30:130, 20:120]
    around[:28] = around[132:] = 0
    assert face_problem(around, FACE) == ""


def test_face_that_leaves_the_picture_is_judged_by_what_is_there(sharp) -> None:
    image = np.full((85, 75, 3), 125, np.uint8)
    assert "too pale" in face_problem(image, _face(-15, -15, 85, 85))
    image[:] = sharp[45:130, 35:110]
    assert face_problem(image, _face(-15, -15, 85, 85)) == ""


@pytest.mark.parametrize(("left", "good"), [(-21, True), (-23, False)])
def test_face_of_which_an_eye_is_outside_is_no_good(sharp, left: float, good: bool) -> None:
    """Of a face of 100 px the left eye is at 30, and 8 px from the edge is near enough."""
    problem = face_problem(sharp, _face(left, 30, left + 100, 130))
    assert problem == ("" if good else "part of the face is outside the photo; take one that "
                       "shows it all")  # fmt: skip


@pytest.mark.parametrize("way", [-1, 1])
@pytest.mark.parametrize(("degrees", "good"), [(29, True), (31, False)])
def test_tilted_head_is_said(sharp, degrees: float, way: int, good: bool) -> None:
    turn = np.radians(way * degrees)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    tilted = 0.5 + (USUAL - 0.5) @ matrix.T
    problem = face_problem(sharp, _face(20, 30, 120, 130, tilted))
    said = "the head is tilted by 31 degrees; turn the photo, or take another"
    assert problem == ("" if good else said)


def test_large_face_may_be_soft_in_its_own_pixels(sharp) -> None:
    large = np.asarray(cv2.resize(sharp, None, fx=8, fy=8, interpolation=cv2.INTER_CUBIC), np.uint8)
    assert face_problem(large, _face(*(FACE.box * 8))) == ""


# The face of a photo


def test_photo_of_one_sharp_face_gives_that_face(detector, portrait) -> None:
    face, problem = enrollable_face(detector, portrait("red"))
    assert problem == ""
    assert face is not None
    assert face.box.tolist() == [96, 96, 160, 160]


def test_photo_without_a_face_is_said(detector, picture) -> None:
    assert enrollable_face(detector, picture("blue", 128, 128)) == (None, "no face found")


def test_photo_of_two_faces_is_not_guessed_at(detector, scene) -> None:
    assert enrollable_face(detector, scene((0, 0), (64, 64, (0, 255, 0)))) == (
        None,
        "2 faces, the largest of the others 32 px wide at (80, 80); cut the photo so that only "
        "one is left",
    )  # fmt: skip


def test_photo_of_a_bad_face_is_said(detector, scene) -> None:
    face, problem = enrollable_face(detector, scene((32, 32)))
    assert face is None
    assert problem.startswith("the face is too dark or too pale to see")


class Finds:
    """A detector that finds faces of some sizes, whatever the picture."""

    sure, faint = 0.5, 0.3

    def __init__(self, *sides_and_scores: tuple[float, float]) -> None:
        self._faces = sides_and_scores

    def detect(self, image_bgr: np.ndarray, min_score: float) -> list[FaceBox]:
        return [
            replace(_face(x, 30, x + side, 30 + side), score=score)
            for x, (side, score) in zip(range(20, 2000, 200), self._faces, strict=False)
            if score >= min_score
        ]


@pytest.mark.parametrize(
    ("others", "problem"),
    [
        pytest.param([(49, 0.9)], "", id="somebody small in the background"),
        pytest.param([(50, 0.9)], "2 faces", id="somebody half as large"),
        pytest.param([(100, 0.5)], "2 faces", id="somebody less clear"),
        pytest.param([(100, 0.49)], "", id="something faint"),
        pytest.param([(60, 0.9), (70, 0.5)], "3 faces", id="two more"),
    ],
)
def test_only_other_faces_that_are_rather_clear_and_large_spoil_a_photo(
    sharp, others, problem
) -> None:
    face, says = enrollable_face(Finds((100, 0.6), *others), sharp)
    assert says.startswith(problem)
    assert (face is None) == bool(problem)
    assert bool(says) == bool(problem)


@pytest.mark.parametrize(("score", "good"), [(0.49, False), (0.5, True)])
def test_face_must_be_clear(sharp, score: float, good: bool) -> None:
    face, problem = enrollable_face(Finds((100, score)), sharp)
    assert (face is not None) == good
    assert problem.startswith("" if good else "no clear face found")


@pytest.mark.parametrize(("cut_px", "good"), [(0, True), (10, True), (40, False)])
@pytest.mark.parametrize("vertical", [False, True], ids=["beside", "below"])
def test_box_of_another_shape_at_the_edge_is_of_a_part(
    sharp, cut_px: int, vertical: bool, good: bool
) -> None:
    box = np.array([20, 30, 110, 140], np.float32)
    x2, y2 = (110, 140 - cut_px) if vertical else (110 - cut_px, 140)
    points = _face(*box).landmarks
    points = points.clip(0, [x2 - 20, y2 - 20])  # where a detector sees them all the same
    image = np.ascontiguousarray(cv2.resize(sharp, (140, 160))[:y2, :x2])
    face = FaceBox(np.array([20, 30, x2, y2], np.float32), 0.9, points.astype(np.float32))
    assert (face_problem(image, face) == "") == good


class Upright:
    """A detector that finds one face in the middle, more surely the darker it is below."""

    sure, faint = 0.5, 0.1

    def detect(self, image_bgr: np.ndarray, min_score: float) -> list[FaceBox]:
        height, width = image_bgr.shape[:2]
        x, y, half = width / 2, height / 2, 30
        rows = image_bgr[int(y - half) : int(y + half), int(x - half) : int(x + half)]
        below = float(rows[:half].mean() - rows[half:].mean()) / 255
        face = _face(x - half, y - half, x + half, y + half)
        return [replace(face, score=0.6 + 0.4 * below)]


@pytest.mark.parametrize(
    ("degrees", "turn"),
    [
        pytest.param(0, "", id="upright"),
        pytest.param(90, "about 90 degrees counterclockwise", id="lying on the right"),
        pytest.param(-90, "about 90 degrees clockwise", id="lying on the left"),
        pytest.param(180, "about 180 degrees", id="upside down"),
        pytest.param(45, "about 45 degrees counterclockwise", id="half way to the right"),
    ],
)
def test_photo_that_is_turned_is_said_to_be(degrees: int, turn: str) -> None:
    """Turned clockwise by `degrees`, it has to go back."""
    image = np.full((300, 300, 3), 200, np.uint8)
    image[150:] = 60
    image[:, ::6] //= 2  # or it were blurred
    matrix = cv2.getRotationMatrix2D((150, 150), -degrees, 1.0)
    photo = cv2.warpAffine(image, matrix, (300, 300), borderMode=cv2.BORDER_REPLICATE)
    face, problem = enrollable_face(Upright(), np.asarray(photo, np.uint8))
    assert (face is None) == bool(turn)
    said = f"the face is not upright; turn the photo by {turn}, or take another"
    assert problem == (said if turn else "")


class FindsUprightAlone:
    """A detector that finds a face in a picture that is dark below, and nothing otherwise."""

    sure, faint = 0.5, 0.1

    def detect(self, image_bgr: np.ndarray, min_score: float) -> list[FaceBox]:
        half = len(image_bgr) // 2
        below = float(image_bgr[:half].mean() - image_bgr[half:].mean()) > 50
        return [_face(100, 100, 160, 160)] if below else []


@pytest.mark.parametrize(
    ("way", "turn"),
    [
        (cv2.ROTATE_90_CLOCKWISE, "90 degrees counterclockwise"),
        (cv2.ROTATE_90_COUNTERCLOCKWISE, "90 degrees clockwise"),
        (cv2.ROTATE_180, "180 degrees"),
    ],
)
def test_photo_in_which_a_face_is_found_once_it_is_turned_is_said_to_be(way, turn) -> None:
    image = np.full((300, 260, 3), 200, np.uint8)
    image[150:] = 60
    face, problem = enrollable_face(
        FindsUprightAlone(), np.asarray(cv2.rotate(image, way), np.uint8)
    )
    assert face is None
    assert f"turn the photo by about {turn}," in problem
