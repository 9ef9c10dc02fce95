import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from train.data.inspect import Print, inspect
from train.data.samples import Problem, Sample


def _look(path: Path | str) -> Print | Problem:
    good, problems = inspect([Sample(Path(path), "cat")], lambda: None)
    assert len(good) + len(problems) == 1
    return good[0][1] if good else problems[0]


def _encoded(image: np.ndarray, suffix: str) -> bytes:
    return cv2.imencode(suffix, image)[1].tobytes()


def _gray(rows: np.ndarray) -> np.ndarray:
    return np.repeat(rows.astype(np.uint8)[..., None], 3, axis=2)


def test_photo_whose_name_is_no_utf_8_is_left_out(photo) -> None:
    path = os.fsdecode(b"caf\xe9.png")
    Path(path).write_bytes(_encoded(photo(1), ".png"))
    found = _look(path)
    assert isinstance(found, Problem)
    assert found.kind == "name not UTF-8"


# What is a photo


@pytest.mark.parametrize(
    ("name", "format"),
    [
        ("a.jpg", ".png"),
        ("a.txt", ".jpg"),
        ("a", ".jpg"),
        ("a.gif", ".bmp"),
        ("a.png", ".webp"),
        ("a.JPEG", ".jpg"),
    ],
    ids=["PNG as jpg", "JPEG as txt", "no suffix", "BMP as gif", "WEBP as png", "upper case"],
)
def test_photo_is_known_by_its_content_not_its_name(photo, name: str, format: str) -> None:
    data = _encoded(photo(1), format)
    Path(name).write_bytes(data)
    found = _look(name)
    assert isinstance(found, Print)
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    thumb = cv2.resize(
        cv2.cvtColor(decoded, cv2.COLOR_BGR2GRAY), (16, 16), interpolation=cv2.INTER_AREA
    )
    assert (found.thumb == thumb).all()


READ = " by content; jpg, jpeg, png, bmp and webp are read"


@pytest.mark.parametrize(
    ("data", "detail"),
    [
        pytest.param(b"", "the file is empty (0 bytes)", id="empty"),
        pytest.param(b"GIF89a\x10\x00\x10\x00\x80\x00\x00", "a GIF" + READ, id="GIF"),
        pytest.param(b"%PDF-1.7\n%\xe2\xe3", "a PDF" + READ, id="PDF"),
        pytest.param(b"II*\x00\x08\x00\x00\x00", "a TIFF" + READ, id="TIFF"),
        pytest.param(b"MM\x00*\x00\x00\x00\x08", "a TIFF" + READ, id="TIFF of a Mac"),
        pytest.param(b"PK\x03\x04\x14\x00", "a ZIP archive" + READ, id="ZIP"),
        pytest.param(
            b"<!DOCTYPE html><title>404</title>",
            "HTML or XML, as a failed download leaves" + READ,
            id="HTML",
        ),
        pytest.param(
            b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00",
            "HEIC or AVIF, as phones write" + READ,
            id="HEIC",
        ),
        pytest.param(
            b"\x00\x00\x00\x1cftypavif\x00\x00\x00\x00",
            "HEIC or AVIF, as phones write" + READ,
            id="AVIF",
        ),
        pytest.param(b"a shopping list", "no picture" + READ, id="text"),
        pytest.param(b"RIFF\x24\x00\x00\x00WAVEfmt ", "no picture" + READ, id="sound"),
    ],
)
def test_what_is_no_photo_is_left_out_though_it_is_called_jpg(data: bytes, detail: str) -> None:
    Path("a.jpg").write_bytes(data)
    assert _look("a.jpg") == Problem(Path("a.jpg"), "not a photo", detail, "cat")


@pytest.mark.parametrize(
    ("suffix", "detail"),
    [
        (".jpg", "the JPEG is cut short or damaged"),
        (".png", "the PNG is cut short or damaged"),
        (".webp", "not a picture OpenCV can decode"),
        (".bmp", "not a picture OpenCV can decode"),
    ],
)
def test_photo_cut_short_is_left_out(photo, suffix: str, detail: str) -> None:
    data = _encoded(photo(1), suffix)
    path = Path("a" + suffix)
    path.write_bytes(data[: len(data) // 2])
    assert _look(path) == Problem(path, "damaged", detail, "cat")


def test_file_that_went_away_is_left_out() -> None:
    found = _look("gone.jpg")
    assert found == Problem(Path("gone.jpg"), "unreadable", "No such file or directory", "cat")


@pytest.mark.parametrize(
    ("width", "height", "detail"),
    [
        pytest.param(15, 40, "15x40 pixels; 16 are needed", id="narrow"),
        pytest.param(40, 15, "40x15 pixels; 16 are needed", id="low"),
        pytest.param(16, 16, None, id="just enough"),
    ],
)
def test_photo_with_a_side_under_16_px_is_left_out(photo, draw, width, height, detail) -> None:
    found = _look(draw("a.png", photo(1)[:height, :width]))
    if detail is None:
        assert isinstance(found, Print)
    else:
        assert found == Problem(Path("a.png"), "tiny", detail, "cat")


@pytest.mark.parametrize(
    ("step", "blank"),
    [
        pytest.param(0, True, id="one gray"),
        pytest.param(3, True, id="what JPEG makes of it"),  # standard deviation 1.5
        pytest.param(5, False, id="faint"),  # standard deviation 2.5
    ],
)
def test_blank_picture_is_left_out(draw, step: int, blank: bool) -> None:
    image = np.full((32, 32), 128)
    image[:, 16:] += step
    found = _look(draw("a.png", _gray(image)))
    if blank:
        assert found == Problem(Path("a.png"), "blank", "one color all over", "cat")
    else:
        assert isinstance(found, Print)


@pytest.mark.parametrize(
    "color", ["red", "green", "blue", "gray", "black", (255, 255, 255)], ids=str
)
def test_picture_of_one_color_is_blank_whatever_the_color(draw, picture, color) -> None:
    found = _look(draw("a.png", picture(color)))
    assert found == Problem(Path("a.png"), "blank", "one color all over", "cat")


def test_picture_whose_colors_differ_at_one_gray_level_is_none_of_those(draw, picture) -> None:
    image = picture((0, 0, 0))
    image[:, :16, 2], image[:, 16:, 1] = 98, 50  # gray 29 both
    gray = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    assert np.ptp(gray) == 0
    assert isinstance(_look(draw("a.png", image)), Print)


def test_photos_and_problems_come_in_the_order_of_the_files_and_each_file_counts(draw) -> None:
    samples = []
    for i in range(40):
        path = Path(f"{i:02}.png")
        if i % 4:
            draw(path, i)
        else:
            path.touch()
        samples.append(Sample(path, "cat"))
    steps: list[int] = []
    good, problems = inspect(samples, lambda: steps.append(1))
    assert [s.path for s, _ in good] == [s.path for i, s in enumerate(samples) if i % 4]
    assert all(s.content == found.exact for s, found in good)
    assert len({s.content for s, _ in good}) == 30
    assert [p.path for p in problems] == [s.path for s in samples[::4]]
    assert len(steps) == 40


# What it looks like


def test_same_pixels_have_the_same_print_in_another_format_and_under_another_name(draw) -> None:
    assert _look(draw("a.png", 1)).exact == _look(draw("copy/b.bmp", 1)).exact


def test_one_changed_pixel_changes_the_exact_print(photo, draw) -> None:
    changed = photo(1)
    changed[20, 20, 0] ^= 1
    assert _look(draw("a.png", 1)).exact != _look(draw("b.png", changed)).exact


def test_same_bytes_in_another_shape_are_other_pixels(draw) -> None:
    values = np.random.default_rng(0).integers(0, 256, (16, 32, 3), np.uint8)
    lying, standing = draw("a.png", values), draw("b.png", values.reshape(32, 16, 3))
    assert _look(lying).exact != _look(standing).exact


@pytest.mark.parametrize(
    ("rising", "code"),
    [
        pytest.param((), 0, id="brightest at the left"),
        pytest.param(range(8), 2**64 - 1, id="brightest at the right"),
        pytest.param((0,), 0xFF << 56, id="top row alone"),
        pytest.param((7,), 0xFF, id="bottom row alone"),
    ],
)
def test_coarse_print_says_where_brightness_rises_to_the_right(draw, rising, code: int) -> None:
    cells = np.tile(np.arange(200, 20, -20), (8, 1))
    cells[list(rising)] = cells[list(rising), ::-1]
    image = np.kron(cells, np.ones((4, 4)))
    assert _look(draw("a.png", _gray(image))).coarse == code


def test_thumb_holds_the_mean_gray_of_each_of_16_by_16_cells(draw) -> None:
    cells = np.arange(256).reshape(16, 16)
    image = np.kron(cells, np.ones((4, 4))) + np.tile([-1, 1], 32) * (np.arange(64) < 32)
    thumb = _look(draw("a.png", _gray(image.clip(0, 255)))).thumb
    assert thumb.dtype == np.uint8
    assert (np.abs(thumb.astype(int) - cells) <= 1).all()
