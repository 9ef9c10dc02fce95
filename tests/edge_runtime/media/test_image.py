import os
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_runtime.errors import ImageError
from edge_runtime.media.image import decode_image, read_image


@pytest.fixture(scope="module")
def noise() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)


def _encoded(image: np.ndarray, suffix: str, *options: int) -> bytes:
    return cv2.imencode(suffix, image, list(options))[1].tobytes()


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif"])
def test_lossless_picture_keeps_every_pixel(noise, suffix: str) -> None:
    picture = decode_image(_encoded(noise, suffix), "x")
    assert (picture.image_bgr == noise).all()
    assert (picture.width_px, picture.height_px) == (80, 60)


@pytest.mark.parametrize("suffix", [".jpg", ".webp"])
def test_lossy_picture_keeps_its_color(picture, suffix: str) -> None:
    image = decode_image(_encoded(picture("red"), suffix), "x").image_bgr
    assert image.reshape(-1, 3).mean(0) == pytest.approx([0, 0, 255], abs=4)


def test_gray_png_is_three_channels() -> None:
    gray = np.arange(256, dtype=np.uint8).reshape(16, 16)
    image = decode_image(_encoded(gray, ".png"), "x").image_bgr
    assert image.shape == (16, 16, 3)
    assert (image == gray[..., None]).all()


def test_alpha_is_left_out(noise) -> None:
    with_alpha = np.dstack([noise, np.full(noise.shape[:2], 7, np.uint8)])
    assert (decode_image(_encoded(with_alpha, ".png"), "x").image_bgr == noise).all()


def test_16_bit_png_becomes_8_bit() -> None:
    deep = np.full((4, 4, 3), (0, 128 * 257, 255 * 257), np.uint16)
    image = decode_image(_encoded(deep, ".png"), "x").image_bgr
    assert image.dtype == np.uint8
    assert (image == (0, 128, 255)).all()


def test_one_pixel_is_a_picture() -> None:
    image = np.full((1, 1, 3), (1, 2, 3), np.uint8)
    picture = decode_image(_encoded(image, ".png"), "x", at_least_px=128)
    assert picture.image_bgr.tolist() == [[[1, 2, 3]]]
    assert (picture.width_px, picture.height_px) == (1, 1)


# EXIF


def test_exif_rotated_jpeg_is_turned_upright(rotated_jpeg) -> None:
    picture = decode_image(rotated_jpeg((48, 32)), "x")
    assert picture.image_bgr.shape == (48, 32, 3)
    assert (picture.width_px, picture.height_px) == (32, 48)
    assert picture.image_bgr[8, 16] == pytest.approx([0, 0, 255], abs=8)  # red above
    assert picture.image_bgr[40, 16] == pytest.approx([255, 0, 0], abs=8)  # blue below


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_exif_rotated_jpeg_decoded_small_reports_the_full_turned_size(
    rotated_jpeg, factor: int
) -> None:
    picture = decode_image(rotated_jpeg((960, 640)), "x", at_least_px=640 // factor)
    assert picture.image_bgr.shape == (960 // factor, 640 // factor, 3)
    assert (picture.width_px, picture.height_px) == (640, 960)


# Reduced decoding


@pytest.mark.parametrize(
    ("at_least_px", "shape"),
    [
        pytest.param(None, (480, 640), id="in full"),
        pytest.param(481, (480, 640), id="larger than it is"),
        pytest.param(241, (480, 640), id="just over a half"),
        pytest.param(240, (240, 320), id="a half"),
        pytest.param(120, (120, 160), id="a quarter"),
        pytest.param(60, (60, 80), id="an eighth"),
        pytest.param(1, (60, 80), id="no further"),
    ],
)
def test_jpeg_is_decoded_as_small_as_allowed_and_no_smaller(picture, at_least_px, shape) -> None:
    jpeg = _encoded(picture("green", 480, 640), ".jpg")
    decoded = decode_image(jpeg, "x", at_least_px)
    assert decoded.image_bgr.shape[:2] == shape
    assert (decoded.width_px, decoded.height_px) == (640, 480)


def test_odd_sized_jpeg_reports_its_exact_size(picture) -> None:
    decoded = decode_image(_encoded(picture("red", 601, 803), ".jpg"), "x", at_least_px=70)
    assert (decoded.width_px, decoded.height_px) == (803, 601)
    assert decoded.image_bgr.shape[:2] == (76, 101)


def test_jpeg_that_is_almost_square_still_shows_whether_it_was_turned(
    rotated_jpeg, picture
) -> None:
    turned = decode_image(rotated_jpeg((802, 801)), "x", at_least_px=50)
    assert (turned.width_px, turned.height_px) == (801, 802)
    upright = decode_image(_encoded(picture("red", 801, 802), ".jpg"), "x", at_least_px=50)
    assert (upright.width_px, upright.height_px) == (802, 801)


def test_png_is_never_reduced(noise) -> None:
    assert decode_image(_encoded(noise, ".png"), "x", at_least_px=8).image_bgr.shape == (60, 80, 3)


# Damage


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".webp", ".tif"])
@pytest.mark.parametrize("share", [0.05, 0.3, 0.6, 0.9, 0.99])
def test_truncated_picture_is_refused(noise, suffix: str, share: float) -> None:
    data = _encoded(noise, suffix)
    with pytest.raises(ImageError, match=r"^half\.x: "):
        decode_image(data[: int(len(data) * share)], "half.x")


@pytest.mark.parametrize("options", [(), (cv2.IMWRITE_JPEG_PROGRESSIVE, 1)], ids=["plain", "prog."])
@pytest.mark.parametrize("lost", [1, 2, 3, 50])
def test_jpeg_that_lost_its_end_is_refused(noise, options, lost: int) -> None:
    data = _encoded(noise, ".jpg", *options)
    with pytest.raises(ImageError, match="the JPEG is cut short or damaged"):
        decode_image(data[:-lost], "x.jpg")


@pytest.mark.parametrize("lost", [1, 4, 12, 40])
def test_png_that_lost_its_end_is_refused(noise, lost: int) -> None:
    with pytest.raises(ImageError, match=r"^x\.png: the PNG is cut short or damaged$"):
        decode_image(_encoded(noise, ".png")[:-lost], "x.png")


def test_truncated_jpeg_with_a_whole_thumbnail_is_refused(noise, rotated_jpeg) -> None:
    data = _encoded(noise, ".jpg")
    thumbnail = rotated_jpeg((16, 8))
    segment = b"\xff\xe2" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail
    whole = data[:2] + segment + data[2:]
    assert decode_image(whole, "x.jpg").width_px == 80
    with pytest.raises(ImageError, match="cut short"):
        decode_image(whole[: len(whole) // 2], "x.jpg")


def test_png_with_bytes_after_its_end_is_read(noise) -> None:
    assert (decode_image(_encoded(noise, ".png") + bytes(500), "x").image_bgr == noise).all()


def test_jpeg_with_bytes_after_its_end_is_read(picture) -> None:
    assert decode_image(_encoded(picture("red"), ".jpg") + bytes(500), "x").width_px == 32


def test_corrupt_png_is_refused(noise) -> None:
    data = bytearray(_encoded(noise, ".png"))
    data[len(data) // 2] ^= 0xFF
    with pytest.raises(ImageError, match=r"^x\.png: the PNG is cut short or damaged$"):
        decode_image(bytes(data), "x.png")


@pytest.mark.parametrize("place", [8, 12, 16, 29, -12, -8, -1])
def test_one_wrong_byte_of_any_part_of_a_png_is_noticed_without_a_word_on_stderr(
    noise, capfd, place: int
) -> None:
    data = bytearray(_encoded(noise, ".png"))
    data[place] ^= 0x41
    with pytest.raises(ImageError, match=r"^x\.png: the PNG is cut short or damaged$"):
        decode_image(bytes(data), "x.png")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("data", "says"),
    [
        pytest.param(b"", "the file is empty (0 bytes)", id="empty"),
        pytest.param(b"I am no picture\n", "not a picture OpenCV can decode", id="text"),
        pytest.param(b"\xff\xd8", "the JPEG is cut short or damaged", id="start of a jpeg"),
        pytest.param(b"\xff\xd8\xff\xd9", "the JPEG is cut short or damaged", id="empty jpeg"),
        pytest.param(b"\xff\xd8" + b"\xff" * 99, "the JPEG is cut short or damaged", id="filling"),
        pytest.param(b"\x89PNG\r\n\x1a\n", "the PNG is cut short or damaged", id="start of a png"),
    ],
)
def test_what_is_no_picture_is_refused(data: bytes, says: str) -> None:
    with pytest.raises(ImageError) as caught:
        decode_image(data, "x.jpg")
    assert str(caught.value) == f"x.jpg: {says}"


def test_jpeg_that_claims_an_enormous_size_is_refused(picture) -> None:
    data = bytearray(_encoded(picture("red"), ".jpg"))
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = b"\xff\xff\xff\xff"
    with pytest.raises(ImageError):
        decode_image(bytes(data), "x.jpg")


# Files


@pytest.mark.parametrize("name", ["tiny.png", "übung 東京.png", "with space.PNG", "no_suffix"])
def test_file_of_any_name_is_read(picture, name: str) -> None:
    Path(name).write_bytes(_encoded(picture("blue", 3, 2), ".png"))
    assert (read_image(Path(name)).image_bgr == (255, 0, 0)).all()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_file_whose_name_is_not_utf8_is_read(picture) -> None:
    path = Path(os.fsdecode(b"caf\xe9.png"))
    path.write_bytes(_encoded(picture("blue", 3, 2), ".png"))
    assert read_image(path).width_px == 2


def test_jpeg_named_png_is_read_by_what_it_is(picture) -> None:
    Path("x.png").write_bytes(_encoded(picture("red", 480, 640), ".jpg"))
    assert read_image(Path("x.png"), at_least_px=60).image_bgr.shape[:2] == (60, 80)


@pytest.mark.parametrize(
    ("name", "says"), [("gone.jpg", "No such file or directory"), (".", "Is a directory")]
)
def test_what_cannot_be_opened_is_said(name: str, says: str) -> None:
    with pytest.raises(ImageError) as caught:
        read_image(Path(name))
    assert str(caught.value) == f"{name}: {says}"
