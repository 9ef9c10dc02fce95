"""Faces here are white on black, so that a scene shows where its faces really are."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_runtime.errors import ImageError
from train.data.annotations import AnnotatedPhoto
from train.data.drawn_hands import draw_hand
from train.data.face_scenes import SceneMaker
from train.data.scene_faces import PORTRAIT_BOX, PORTRAIT_LANDMARKS, Face
from train.data.shuffled_portraits import shuffle_portrait
from train.errors import DataError

HEIGHT, WIDTH = 96, 128
SEEDS = range(60)


def _white_on_black(height: int, width: int, *boxes) -> np.ndarray:
    image = np.zeros((height, width, 3), np.uint8)
    for x1, y1, x2, y2 in np.round(boxes).astype(int):
        image[y1:y2, x1:x2] = 255
    return image


@pytest.fixture(scope="module")
def maker(tmp_path_factory) -> SceneMaker:
    folder = tmp_path_factory.mktemp("scenes")
    boxes = np.array([[60, 40, 100, 90], [200, 120, 230, 160]], np.float32)
    cv2.imwrite(str(folder / "photo.png"), _white_on_black(240, 320, *boxes))
    cv2.imwrite(str(folder / "nobody.png"), _white_on_black(200, 200))
    cv2.imwrite(str(folder / "portrait.png"), _white_on_black(112, 112, PORTRAIT_BOX))
    photos = [
        AnnotatedPhoto(folder / "photo.png", boxes, "train"),
        AnnotatedPhoto(folder / "nobody.png", np.zeros((0, 4), np.float32), "train"),
    ]
    people = [AnnotatedPhoto(folder / "photo.png", boxes[:0], "train", ignored=boxes)]
    return SceneMaker(
        photos, people, [folder / "portrait.png"], [folder / "nobody.png"], HEIGHT, WIDTH
    )


@pytest.fixture(scope="module")
def scenes(maker) -> list:
    return [maker.scene(np.random.default_rng(seed)) for seed in SEEDS]


def _inside(faces, margin_px: float = 0) -> np.ndarray:
    """Return which pixels of a scene lie in one of the faces' boxes."""
    mask = np.zeros((HEIGHT, WIDTH), bool)
    for face in faces:
        x1, y1 = np.floor(face.box[:2] - margin_px).astype(int)
        x2, y2 = np.ceil(face.box[2:] + margin_px).astype(int)
        mask[max(y1, 0) : max(y2, 0), max(x1, 0) : max(x2, 0)] = True
    return mask


def test_scene_is_a_picture_of_its_size(scenes) -> None:
    for image, _ in scenes:
        assert (image.shape, image.dtype) == ((HEIGHT, WIDTH, 3), np.uint8)


def test_scene_is_decided_by_its_seed(maker, scenes) -> None:
    for seed in (0, 1, 2):
        image, faces = maker.scene(np.random.default_rng(seed))
        assert (image == scenes[seed][0]).all()
        assert [f.box.tolist() for f in faces] == [f.box.tolist() for f in scenes[seed][1]]


def test_scenes_differ(scenes) -> None:
    assert len({image.tobytes() for image, _ in scenes}) > 50  # some are all black


def test_boxes_lie_in_the_scene_and_are_not_empty(scenes) -> None:
    boxes = np.array([face.box for _, faces in scenes for face in faces])
    assert len(boxes) > 50
    assert (boxes >= 0).all()
    assert (boxes <= (WIDTH, HEIGHT, WIDTH, HEIGHT)).all()
    assert (boxes[:, :2] < boxes[:, 2:]).all()


def test_learned_faces_are_where_the_boxes_say(scenes) -> None:
    looked_at = 0
    for image, faces in scenes:
        outside = image.mean(2)[~_inside(faces, 8)]
        ground = float(np.median(outside)) if len(outside) > 300 else 0.0
        for face in faces:
            if not face.learned or min(face.box[2:] - face.box[:2]) < 14:
                continue
            x1, y1, x2, y2 = face.box.round().astype(int)
            assert image[y1:y2, x1:x2].mean() > ground + 10
            looked_at += 1
    assert looked_at > 30


def test_there_are_no_faces_outside_the_boxes(maker, monkeypatch) -> None:
    # What is pasted to be told from a face would be white here, as shuffled portraits are.
    nothing = (np.zeros((112, 112, 3), np.uint8), np.zeros((112, 112), np.uint8))
    monkeypatch.setattr(SceneMaker, "_decoy", lambda *_: nothing)
    monkeypatch.setattr(SceneMaker, "_add_hand", lambda *_: None)
    for seed in SEEDS:
        image, faces = maker.scene(np.random.default_rng(seed))
        gray = cv2.medianBlur(image, 5).mean(2)
        ground = float(gray.min())  # black, but in pale light
        bright = gray > ground + 0.6 * max(float(gray.max()) - ground, 60.0)
        if not _inside(faces).any():
            continue
        assert bright[~_inside(faces, 8)].mean() < 0.05  # a portrait's edge, repeated, may be white


def test_learned_face_is_large_enough(scenes) -> None:
    learned = [f.box for _, faces in scenes for f in faces if f.learned]
    assert min(min(box[2:] - box[:2]) for box in learned) >= 9


def test_landmarks_keep_the_pictures_left_and_right(scenes) -> None:
    known = [f.landmarks for _, faces in scenes for f in faces if f.landmarks is not None]
    assert len(known) > 20
    for left_eye, right_eye, nose, left_mouth, right_mouth in known:
        assert left_eye[0] < right_eye[0]
        assert left_mouth[0] < right_mouth[0]
        assert (left_eye + right_eye)[1] / 2 < nose[1] < (left_mouth + right_mouth)[1] / 2


def test_landmarks_lie_in_the_box_as_in_the_portrait() -> None:
    assert (PORTRAIT_BOX[:2] < PORTRAIT_LANDMARKS).all()
    assert (PORTRAIT_BOX[2:] > PORTRAIT_LANDMARKS).all()


def test_annotated_photos_have_no_landmarks_and_portraits_do(scenes) -> None:
    kinds = {f.landmarks is None for _, faces in scenes for f in faces}
    assert kinds == {True, False}


def test_what_may_be_a_face_is_ignored_and_not_learned() -> None:
    boxes = np.array([[60, 40, 100, 90]], np.float32)
    cv2.imwrite("photo.png", _white_on_black(240, 320, *boxes))
    photo = AnnotatedPhoto(Path("photo.png"), boxes[:0], "train", ignored=boxes)
    cv2.imwrite("portrait.png", _white_on_black(112, 112, PORTRAIT_BOX))
    maker = SceneMaker([], [photo], [Path("portrait.png")], [], HEIGHT, WIDTH)
    rng = np.random.default_rng(0)
    found = [maker._from_photo(maker._people, rng, HEIGHT, WIDTH) for _ in range(20)]
    faces = [face for _, faces in found for face in faces]
    assert len(faces) > 5
    assert not any(face.learned for face in faces)


def test_photos_of_people_whose_face_is_known_come_up_more_often_than_their_share() -> None:
    boxes = np.array([[60, 40, 100, 90]], np.float32)
    cv2.imwrite("face.png", _white_on_black(240, 320, *boxes))
    cv2.imwrite("hands.png", np.full((240, 320, 3), 128, np.uint8))
    cv2.imwrite("portrait.png", _white_on_black(112, 112, PORTRAIT_BOX))
    nobody = AnnotatedPhoto(Path("hands.png"), boxes[:0], "train")
    people = [AnnotatedPhoto(Path("face.png"), boxes, "train"), *[nobody] * 9]
    maker = SceneMaker([nobody], people, [Path("portrait.png")], [Path("hands.png")], HEIGHT, WIDTH)
    chosen: list[bool] = []

    def from_photo(photos, rng, height: int, width: int):
        chosen.append(photos is maker._faces_of_people)
        return np.zeros((height, width, 3), np.uint8), []

    maker._from_photo = from_photo  # type: ignore[method-assign]
    rng = np.random.default_rng(0)
    for _ in range(1000):
        maker._tile(rng, HEIGHT, WIDTH)
    assert [p.path.name for _, p in maker._faces_of_people] == ["face.png"]
    assert 70 < sum(chosen) < 130
    assert 450 < len(chosen) - sum(chosen) < 550


def test_shuffled_portrait_has_its_colors_and_not_its_shape() -> None:
    columns = np.tile(np.arange(112, dtype=np.uint8) * 2, (112, 1))
    portrait = np.dstack([columns, columns.T, np.full((112, 112), 99, np.uint8)])
    for seed in range(20):
        shuffled = shuffle_portrait(portrait, np.random.default_rng(seed))
        assert shuffled.shape == (112, 112, 3)
        assert shuffled[..., 2].mean() == pytest.approx(99, abs=1)
        assert (shuffled == portrait).all(2).mean() < 0.1


def test_hand_has_the_portraits_skin_and_stays_inside_its_picture() -> None:
    portrait = np.full((112, 112, 3), (40, 90, 180), np.uint8)
    for seed in range(20):
        hand, mask = draw_hand(portrait, np.random.default_rng(seed))
        assert 0.08 < (mask > 127).mean() < 0.6
        skin = hand[mask > 127].mean(0)
        assert skin[1] / skin[2] == pytest.approx(0.5, abs=0.03)
        assert 80 < skin[2] < 220


def test_hand_is_pasted_beside_a_face_and_never_over_it(maker) -> None:
    pasted = 0
    for seed in range(60):
        image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        face = Face(np.array([20, 20, 60, 70], np.float32), None, True)
        maker._add_hand(image, [face], np.random.default_rng(seed))
        assert image[30:60, 30:50].max() == 0
        pasted += bool(image.any())
    assert pasted > 15


def test_photo_that_cannot_be_read_is_said(maker) -> None:
    photo = AnnotatedPhoto(Path("gone.jpg"), np.zeros((0, 4), np.float32), "train")
    with pytest.raises(ImageError, match=r"^gone\.jpg: "):
        SceneMaker([photo], [], [], [], HEIGHT, WIDTH)


def test_portrait_or_picture_that_is_none_is_said_before_any_scene(tmp_path) -> None:
    cut, small = tmp_path / "cut.png", tmp_path / "small.png"
    cut.write_bytes(cv2.imencode(".png", _white_on_black(112, 112))[1].tobytes()[:60])
    cv2.imwrite(str(small), _white_on_black(100, 112))
    for portraits, faceless in (([cut], []), ([], [cut])):
        with pytest.raises(ImageError, match=r"cut\.png: "):
            SceneMaker([], [], portraits, faceless, HEIGHT, WIDTH)
    with pytest.raises(DataError, match=r"small\.png: has 112x100 px; .* aligned at 112x112$"):
        SceneMaker([], [], [small], [], HEIGHT, WIDTH)
