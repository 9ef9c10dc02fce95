import numpy as np
import pytest

from edge_runtime.errors import ImageError
from edge_runtime.model.card import InputSpec
from edge_runtime.model.preprocess import face_square, letterbox_scale, preprocess

FACE = InputSpec(4, 4, region="face")


@pytest.fixture
def grid() -> np.ndarray:
    """A 10x10 picture whose blue says the column and whose green says the row."""
    image = np.zeros((10, 10, 3), np.uint8)
    image[..., 0] = np.arange(10)
    image[..., 1] = np.arange(10)[:, None]
    return image


def _columns_and_rows(out: np.ndarray) -> tuple[list[int], list[int]]:
    """Return which columns and rows of the grid an input (RGB) shows."""
    assert (out[0, :, 2] == out[-1, :, 2]).all()
    return out[0, :, 2].tolist(), out[:, 0, 1].tolist()


def _box(*corners: float) -> np.ndarray:
    return np.array(corners, np.float32)


def test_blue_green_red_becomes_red_green_blue() -> None:
    image = np.full((4, 4, 3), (10, 20, 30), np.uint8)
    out = preprocess(image, InputSpec(4, 4))
    assert out.dtype == np.uint8
    assert out[2, 3].tolist() == [30, 20, 10]


def test_picture_of_the_inputs_size_keeps_every_pixel(grid) -> None:
    out = preprocess(grid, InputSpec(10, 10))
    assert (out == grid[..., ::-1]).all()
    assert out.flags.c_contiguous


def test_picture_given_is_not_changed(grid) -> None:
    before = grid.copy()
    preprocess(grid, FACE, _box(2, 2, 6, 6))
    preprocess(grid, InputSpec(8, 8, resize="letterbox"))
    assert (grid == before).all()


def test_shrinking_by_area_averages() -> None:
    image = np.zeros((4, 4, 3), np.uint8)
    image[::2] = 200
    assert preprocess(image, InputSpec(2, 2)).tolist() == [[[100] * 3] * 2] * 2


def test_shrinking_by_linear_takes_the_pixels_between() -> None:
    image = np.zeros((1, 8, 3), np.uint8)
    image[0, 1::4] = image[0, 2::4] = 240  # the two in the middle of each four
    spec = InputSpec(1, 2, interpolation="linear")
    assert preprocess(image, spec)[0, :, 0].tolist() == [240, 240]
    assert preprocess(image, InputSpec(1, 2))[0, :, 0].tolist() == [120, 120]


def test_stretch_ignores_the_aspect_ratio() -> None:
    image = np.zeros((2, 8, 3), np.uint8)
    image[:, :4] = 100
    out = preprocess(image, InputSpec(4, 4))
    assert out.shape == (4, 4, 3)
    assert out[0, 0, 0] == 100
    assert out[3, 3, 0] == 0


def test_one_pixel_fills_the_input() -> None:
    image = np.full((1, 1, 3), (1, 2, 3), np.uint8)
    assert (preprocess(image, InputSpec(5, 7)) == (3, 2, 1)).all()


# The face's crop


def test_face_box_is_cut_out_exactly(grid) -> None:
    assert _columns_and_rows(preprocess(grid, FACE, _box(3, 2, 7, 6))) == (
        [3, 4, 5, 6],
        [2, 3, 4, 5],
    )


def test_margin_is_added_on_each_side(grid) -> None:
    spec = InputSpec(6, 6, region="face", face_margin=0.25)
    assert _columns_and_rows(preprocess(grid, spec, _box(3, 2, 7, 6))) == (
        [2, 3, 4, 5, 6, 7],
        [1, 2, 3, 4, 5, 6],
    )


def test_crop_of_a_tall_box_is_a_square_around_its_middle(grid) -> None:
    spec = InputSpec(6, 6, region="face")
    assert _columns_and_rows(preprocess(grid, spec, _box(4, 2, 6, 8))) == (
        [2, 3, 4, 5, 6, 7],
        [2, 3, 4, 5, 6, 7],
    )


@pytest.mark.parametrize(
    ("box", "columns", "rows"),
    [
        pytest.param((-2, -1, 2, 3), [0, 0, 0, 1], [0, 0, 1, 2], id="top left"),
        pytest.param((8, 7, 12, 11), [8, 9, 9, 9], [7, 8, 9, 9], id="bottom right"),
    ],
)
def test_crop_beyond_the_picture_repeats_its_border(grid, box, columns, rows) -> None:
    assert _columns_and_rows(preprocess(grid, FACE, _box(*box))) == (columns, rows)


def test_face_model_without_a_box_takes_the_whole_picture(grid) -> None:
    spec = InputSpec(10, 10, region="face", face_margin=0.3)
    assert (preprocess(grid, spec) == grid[..., ::-1]).all()


def test_model_of_whole_frames_ignores_a_box(grid) -> None:
    assert (preprocess(grid, InputSpec(10, 10), _box(1, 1, 3, 3)) == grid[..., ::-1]).all()


@pytest.mark.parametrize(
    ("box", "margin", "square"),
    [
        pytest.param((10, 20, 50, 60), 0.0, (10, 20, 40), id="square"),
        pytest.param((10, 20, 50, 60), 0.5, (-10, 0, 80), id="margin"),
        pytest.param((0, 0, 10, 20), 0.1, (-7, -2, 24), id="margin of the longer side"),
        pytest.param((10, 10, 50, 50), -0.25, (20, 20, 20), id="negative margin"),
        pytest.param((3.2, 3.2, 3.4, 3.4), 0.0, (3, 3, 1), id="less than a pixel"),
    ],
)
def test_face_square_is_around_the_boxs_middle(box, margin, square) -> None:
    assert face_square(_box(*box), margin) == square


# Letterbox and center crop


def test_letterbox_keeps_all_at_the_top_left_and_pads_with_114() -> None:
    image = np.full((4, 8, 3), (9, 8, 7), np.uint8)
    spec = InputSpec(16, 16, resize="letterbox")
    out = preprocess(image, spec)
    assert letterbox_scale(4, 8, spec) == 2
    assert (out[:8] == (7, 8, 9)).all()
    assert (out[8:] == 114).all()


def test_letterbox_of_a_tall_picture_pads_on_the_right() -> None:
    out = preprocess(np.full((32, 8, 3), 5, np.uint8), InputSpec(16, 16, resize="letterbox"))
    assert (out[:, :4] == 5).all()
    assert (out[:, 4:] == 114).all()


def test_letterbox_of_the_inputs_size_keeps_every_pixel(grid) -> None:
    assert (preprocess(grid, InputSpec(10, 10, resize="letterbox")) == grid[..., ::-1]).all()


def test_letterbox_of_a_hair_keeps_one_pixel() -> None:
    out = preprocess(np.full((1, 1000, 3), 7, np.uint8), InputSpec(8, 8, resize="letterbox"))
    assert (out[0] == 7).all()
    assert (out[1:] == 114).all()


@pytest.mark.parametrize(
    ("spec", "columns", "rows"),
    [
        pytest.param(InputSpec(10, 4, resize="center-crop"), range(3, 7), range(10), id="tall"),
        pytest.param(InputSpec(4, 10, resize="center-crop"), range(10), range(3, 7), id="wide"),
    ],
)
def test_center_crop_cuts_the_longer_side(grid, spec, columns, rows) -> None:
    assert _columns_and_rows(preprocess(grid, spec)) == (list(columns), list(rows))


def test_center_crop_of_a_wide_picture_is_its_middle_square(grid) -> None:
    out = preprocess(grid[:4], InputSpec(4, 4, resize="center-crop"))
    assert _columns_and_rows(out) == ([3, 4, 5, 6], [0, 1, 2, 3])


# What is refused


@pytest.mark.parametrize(
    ("image", "got"),
    [
        pytest.param(np.zeros((4, 4, 3), np.float64), "float64 (4, 4, 3)", id="float"),
        pytest.param(np.zeros((4, 4, 3), np.uint16), "uint16 (4, 4, 3)", id="16 bits"),
        pytest.param(np.zeros((4, 4), np.uint8), "uint8 (4, 4)", id="gray"),
        pytest.param(np.zeros((4, 4, 4), np.uint8), "uint8 (4, 4, 4)", id="alpha"),
        pytest.param(np.zeros((2, 4, 4, 3), np.uint8), "uint8 (2, 4, 4, 3)", id="batch"),
        pytest.param(np.zeros((0, 4, 3), np.uint8), "uint8 (0, 4, 3)", id="no rows"),
    ],
)
def test_what_is_no_picture_is_refused(image, got: str) -> None:
    with pytest.raises(ImageError) as caught:
        preprocess(image, InputSpec(4, 4))
    assert str(caught.value) == f"expected uint8 (H, W, 3), got {got}"


@pytest.mark.parametrize(
    ("box", "says"),
    [
        pytest.param((4, 4, 4, 8), "is empty", id="no width"),
        pytest.param((8, 4, 4, 8), "is empty", id="turned around"),
        pytest.param((4, 4, 8, np.nan), "is empty", id="not a number"),
        pytest.param((4, 4, np.inf, 8), "is empty", id="infinite"),
        pytest.param((20, 20, 30, 30), "lies outside the 10x10 picture", id="outside"),
        pytest.param((-30, 2, -20, 8), "lies outside the 10x10 picture", id="left of it"),
    ],
)
def test_box_that_is_no_face_is_refused(grid, box, says: str) -> None:
    with pytest.raises(ImageError, match=says):
        preprocess(grid, FACE, _box(*box))
