"""A look into every file: is it a photo, is it worth learning from, what does it look like?"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from edge_runtime.errors import ImageError
from edge_runtime.media.image import decode_image
from train.data.samples import Problem, Sample

__all__ = ["Print", "inspect", "look"]

_BLANK_STD = 2.0  # gray levels; FER2013's blank frames are 0, its flattest faces above 6
_MIN_SIDE_PX = 16
_THUMB_PX = 16

# First bytes of what is read; anything else is no photo, whatever its name says.
_PHOTOS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM", b"RIFF")
_OTHERS = (
    (b"GIF8", "a GIF"),
    (b"%PDF", "a PDF"),
    (b"II*\x00", "a TIFF"),
    (b"MM\x00*", "a TIFF"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"<", "HTML or XML, as a failed download leaves"),
)


@dataclass(frozen=True, slots=True)
class Print:
    """What a photo looks like, for finding it again.

    Attributes:
        exact: Hash of the decoded pixels, hexadecimal.
        coarse: 64 bits: is each cell of an 8x8 grid darker than its right neighbor (dHash).
        thumb: uint8, (16, 16), gray.
    """

    exact: str
    coarse: int
    thumb: npt.NDArray[np.uint8]


def inspect(
    samples: Sequence[Sample], step: Callable[[], None], workers: int = 4
) -> tuple[list[tuple[Sample, Print]], list[Problem]]:
    """Decode every file once.

    Args:
        samples: Files as `scan` lists them.
        step: Called after each file.
        workers: Threads; decoding leaves Python's lock.

    Returns:
        The photos that can be learned from, with their prints, and what is wrong with the others.
    """
    good: list[tuple[Sample, Print]] = []
    problems: list[Problem] = []
    with ThreadPoolExecutor(workers) as pool:
        for sample, found in zip(samples, pool.map(look, samples, chunksize=16), strict=True):
            if isinstance(found, Print):
                good.append((replace(sample, content=found.exact), found))
            else:
                problems.append(found)
            step()
    return good, problems


def look(sample: Sample) -> Print | Problem:
    """Decode one file; return its print, or what is wrong with it."""

    def problem(kind: str, detail: str) -> Problem:
        return Problem(sample.path, kind, detail, sample.label)

    if not _is_utf8(str(sample.path)):
        return problem("name not UTF-8", "rename it: tables of the run could not tell of it")
    try:
        data = sample.path.read_bytes()
    except OSError as error:
        return problem("unreadable", error.strerror or str(error))
    if not _is_photo(data):
        return problem("not a photo", _what(data))
    try:
        image = decode_image(data, sample.path.name).image_bgr
    except ImageError as error:
        return problem("damaged", str(error).split(": ", 1)[-1])
    height, width = image.shape[:2]
    if min(height, width) < _MIN_SIDE_PX:
        return problem("tiny", f"{width}x{height} pixels; {_MIN_SIDE_PX} are needed")
    if float(np.std(image, axis=(0, 1)).max()) < _BLANK_STD:
        return problem("blank", "one color all over")
    gray = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    cells = cv2.resize(gray, (9, 8), interpolation=cv2.INTER_AREA)
    bits = np.packbits(cells[:, 1:] > cells[:, :-1]).tobytes()
    return Print(
        # The shape too: a picture and its transpose may hold the same bytes.
        hashlib.blake2b(
            image.tobytes() + bytes(str(image.shape), "ascii"), digest_size=16
        ).hexdigest(),
        int.from_bytes(bits, "big"),
        np.asarray(cv2.resize(gray, (_THUMB_PX, _THUMB_PX), interpolation=cv2.INTER_AREA)),
    )


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:  # of bytes that are none, which Python keeps as surrogates
        return False
    return True


def _is_photo(data: bytes) -> bool:
    if data.startswith(b"RIFF"):
        return data[8:12] == b"WEBP"
    return data.startswith(_PHOTOS)


def _what(data: bytes) -> str:
    if not data:
        return "the file is empty (0 bytes)"
    kind = next((name for head, name in _OTHERS if data.startswith(head)), None)
    if data[4:12] in (b"ftypheic", b"ftypheix", b"ftypmif1", b"ftypavif"):
        kind = "HEIC or AVIF, as phones write"
    if kind is None:
        return "no picture by content; jpg, jpeg, png, bmp and webp are read"
    return f"{kind} by content; jpg, jpeg, png, bmp and webp are read"
