"""Reading pictures from disk: EXIF applied, damage noticed, big JPEGs decoded small."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from edge_runtime.errors import ImageError
from edge_runtime.model.card import InputSpec
from edge_runtime.model.preprocess import Image

__all__ = ["IMAGE_SUFFIXES", "Picture", "decode_image", "read_for", "read_image"]

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})

_REDUCED = {
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}
_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture.

    Attributes:
        image_bgr: uint8, (H, W, 3), BGR; may be a reduced decode.
        width_px: Width of the file's picture as shown (EXIF applied).
        height_px: Height of the same.
    """

    image_bgr: Image
    width_px: int
    height_px: int


def read_image(path: Path, at_least_px: int | None = None) -> Picture:
    """Read one picture file.

    Args:
        path: The file.
        at_least_px: Both sides of the result may be reduced as far as the shorter one stays at
            or above this; None decodes in full. Only JPEG is reduced.

    A JPEG whose pixels are damaged but whose end is there still decodes, with a stripe of
    nonsense in it: no decoder OpenCV has tells.

    Raises:
        ImageError: The file cannot be read, is empty, cut short or no picture.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ImageError(f"{path}: {error.strerror or error}") from None
    return decode_image(data, str(path), at_least_px)


def read_for(path: Path, spec: InputSpec) -> Picture:
    """Read one picture for a model that looks at all of it; see `read_image`.

    Training, calibration and `classify` decode through this, so that all see the same pixels.
    A reduced decode stays half as large again as the input: resizing averages the rest.
    """
    return read_image(path, at_least_px=max(spec.height_px, spec.width_px) * 3 // 2)


def decode_image(data: bytes, where: str, at_least_px: int | None = None) -> Picture:
    """Decode the bytes of one picture file; see `read_image`."""
    if not data:
        raise ImageError(f"{where}: the file is empty (0 bytes)")
    reduce = 1
    size: tuple[int, int] | None = None
    if data[:2] == b"\xff\xd8":
        size = _jpeg_size(data, where)
        if at_least_px is not None:
            reduce = _reduction(size, at_least_px)
    elif data[:8] == b"\x89PNG\r\n\x1a\n":
        _check_png(data, where)
    flags = _REDUCED.get(reduce, cv2.IMREAD_COLOR)
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise ImageError(f"{where}: cannot be decoded ({error.err})") from None
    if image is None:
        raise ImageError(f"{where}: not a picture OpenCV can decode")
    height, width = image.shape[:2]
    if reduce > 1 and size is not None:
        shown = size if (size[0] > size[1]) == (width > height) else size[::-1]
        return Picture(image, *shown)
    return Picture(image, width, height)


def _reduction(size: tuple[int, int], at_least_px: int) -> int:
    """Return the largest decoder reduction that keeps the shorter side at or above a size."""
    for factor in (8, 4, 2):
        reduced = [-(-side // factor) for side in size]
        # Equal reduced sides would hide whether EXIF turned a picture that is not square.
        turned_visible = reduced[0] != reduced[1] or size[0] == size[1]
        if min(reduced) >= at_least_px and turned_visible:
            return factor
    return 1


def _check_png(data: bytes, where: str) -> None:
    """Walk a PNG's chunks; refuse a cut or damaged file before libpng prints of it."""
    position = 8
    while position + 12 <= len(data):
        length = int.from_bytes(data[position : position + 4], "big")
        end = position + 8 + length
        checksum = int.from_bytes(data[end : end + 4], "big")
        if end + 4 > len(data) or zlib.crc32(data[position + 4 : end]) != checksum:
            break
        if data[position + 4 : position + 8] == b"IEND":
            return
        position = end + 4
    raise ImageError(f"{where}: the PNG is cut short or damaged")


def _jpeg_size(data: bytes, where: str) -> tuple[int, int]:
    """Walk a JPEG's segments; return (width, height) as stored and refuse a cut file.

    OpenCV decodes a truncated JPEG to a half-gray picture without an error, which a model would
    then classify.
    """
    position, size = 2, None
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF:  # fill byte
            position += 1
            continue
        length = int.from_bytes(data[position + 2 : position + 4], "big")
        if marker in _FRAME_MARKERS and position + 9 <= len(data):
            height = int.from_bytes(data[position + 5 : position + 7], "big")
            width = int.from_bytes(data[position + 7 : position + 9], "big")
            size = (width, height)
        position += 2 + length
        if marker == 0xDA:  # start of scan: an end marker must follow the pixels
            if size is None or data.find(b"\xff\xd9", position) < 0:
                break
            return size
    raise ImageError(f"{where}: the JPEG is cut short or damaged")
