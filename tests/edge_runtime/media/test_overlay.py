import numpy as np
import pytest

from edge_runtime.media.overlay import draw_face, draw_lines, hide_face


def _changed(image: np.ndarray) -> tuple[int, int, int, int]:
    """Return left, top, right, bottom of what is not black any more."""
    rows, columns = np.flatnonzero(image.any((1, 2))), np.flatnonzero(image.any((0, 2)))
    return int(columns[0]), int(rows[0]), int(columns[-1]), int(rows[-1])


def _noise() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (200, 200, 3)).astype(np.uint8)


def _box(*corners: float) -> np.ndarray:
    return np.array(corners, np.float32)


def test_box_is_drawn_at_its_corners(picture) -> None:
    image = picture("black", 200, 300)
    draw_face(image, _box(100, 80, 160, 150), 1, [])
    left, top, right, bottom = _changed(image)
    assert (left, top, right, bottom) == pytest.approx((100, 80, 160, 150), abs=2)
    assert not image[100:130, 120:140].any()


def test_hidden_face_is_left_with_twenty_colors_and_nothing_else_is_touched() -> None:
    before = _noise()
    image = before.copy()
    hide_face(image, _box(60, 60, 120, 120))
    # A third is added to the box: 50 to 130.
    patch = image[50:130, 50:130]
    assert 2 < len(np.unique(patch.reshape(-1, 3), axis=0)) <= 20
    assert patch[:16, :20].mean((0, 1)) == pytest.approx(before[50:66, 50:70].mean((0, 1)), abs=1)
    image[50:130, 50:130] = before[50:130, 50:130]
    assert (image == before).all()


@pytest.mark.parametrize(
    "box", [(-20, -20, 10, 10), (190, 190, 230, 230), (-90, -90, -50, -50)],
    ids=["at the corner", "at the other corner", "outside"],
)  # fmt: skip
def test_face_at_the_edge_is_hidden_as_far_as_it_is_there(box) -> None:
    image = _noise()
    before = image.copy()
    hide_face(image, _box(*box))
    assert image.shape == before.shape
    assert (image != before).any() == (box[0] > -90)


def test_text_stands_above_the_box_without_covering_it(picture) -> None:
    image = picture("black", 200, 300)
    draw_face(image, _box(100, 80, 160, 150), 1, ["happy 93%"])
    assert image[70, 110].any()
    assert not image[100:130, 120:140].any()


def test_text_of_a_face_at_the_top_stays_inside(picture) -> None:
    image = picture("black", 200, 300)
    draw_face(image, _box(100, 0, 160, 70), 1, ["happy 93%"])
    assert image[3, 104].any()
    assert image[60:68, 110:150].sum() == 0


def test_text_of_a_face_at_the_right_edge_stays_inside(picture) -> None:
    middle, edge = picture("black", 200, 300), picture("black", 200, 300)
    draw_face(middle, _box(100, 80, 110, 90), 1, ["surprise 93%"])
    draw_face(edge, _box(289, 80, 299, 90), 1, ["surprise 93%"])
    width = _changed(middle)[2] - _changed(middle)[0]
    left, _, right, _ = _changed(edge)
    assert right == 299
    assert right - left == pytest.approx(width, abs=2)


def test_two_lines_are_above_each_other(picture) -> None:
    one, two = picture("black", 200, 300), picture("black", 200, 300)
    draw_face(one, _box(100, 100, 160, 150), 1, ["anna"])
    draw_face(two, _box(100, 100, 160, 150), 1, ["anna", "happy"])
    assert _changed(two)[1] == 2 * _changed(one)[1] - 100


def test_neighboring_tracks_have_different_colors(picture) -> None:
    colors = set()
    for track in range(1, 6):
        image = picture("black", 100, 100)
        draw_face(image, _box(20, 20, 60, 60), track, [])
        colors.add(tuple(image[40, 20].tolist()))
    assert len(colors) == 5


def test_lines_of_the_whole_frame_begin_at_the_top_left(picture) -> None:
    image = picture("black", 200, 300)
    draw_lines(image, ["colors: red 96%", "pets: cat 51%"])
    left, top, right, bottom = _changed(image)
    assert (left, top) == (0, 0)
    assert right < 299
    assert bottom < 60


def test_nothing_to_say_leaves_the_frame(picture) -> None:
    image = picture("black")
    draw_lines(image, [])
    assert not image.any()


@pytest.mark.parametrize("side", [1, 8, 2000])
def test_frame_of_any_size_can_be_drawn_on(picture, side: int) -> None:
    image = picture("black", side, side)
    draw_face(image, _box(0, 0, side, side), 1, ["happy 100%"] * 3)
    draw_lines(image, ["colors: red 96%"])
    assert image.shape == (side, side, 3)
