"""Finding faces in many pictures: a row a picture, with every face's box and landmarks."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import chain, count
from pathlib import Path
from typing import Any

import cv2

from edge_runtime.apps.ahead import ahead
from edge_runtime.errors import ImageError, OptionError, OutputError
from edge_runtime.faces.boxes import FaceBox
from edge_runtime.faces.detector import FaceDetector
from edge_runtime.files import write_whole
from edge_runtime.media.image import read_image
from edge_runtime.media.overlay import draw_face
from edge_runtime.model.preprocess import Image

__all__ = ["FaceAlbum", "detect_pictures"]

_AHEAD = 8  # pictures decoded before they are looked at


def detect_pictures(
    paths: Sequence[Path], detector: FaceDetector, min_score: float, workers: int = 2
) -> Iterator[tuple[Path, Image | None, list[FaceBox], dict[str, Any]]]:
    """Find the faces in pictures, decoding ahead in threads.

    Args:
        paths: Picture files.
        detector: Finds faces.
        min_score: Faces with less are left out.
        workers: Threads that decode.

    Yields:
        Each path, in order, with its picture (None where it cannot be read), its faces, and a row:
        path, width_px, height_px, faces (box, score and landmarks of each, in pixels of the
        picture as shown), error.
    """
    read = ahead(_read, paths, workers, _AHEAD)
    with closing(read):
        for path, image, error in read:
            faces = [] if image is None else detector.detect(image, min_score)
            yield path, image, faces, _row(path, image, faces, error)


class FaceAlbum:
    """A folder of pictures with their faces drawn in, each named after its picture."""

    def __init__(self, folder: Path, pictures: Sequence[Path]) -> None:
        """Make the folder.

        Args:
            folder: Pictures of an earlier time are written over.
            pictures: What is looked at.

        Raises:
            OptionError: Some of the pictures lie there.
            OutputError: It cannot be made.
        """
        if any(path.resolve().is_relative_to(folder.resolve()) for path in pictures):
            raise OptionError(f"--annotated {folder}: holds pictures that are read; choose another")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{folder}: cannot be made ({error.strerror})") from None
        self._folder = folder
        self._named: set[str] = set()

    def add(self, path: Path, image_bgr: Image, faces: Sequence[FaceBox]) -> None:
        """Write a picture, uint8 (H, W, 3) BGR, which is changed.

        Raises:
            OutputError: It cannot be written.
        """
        names = chain([path.stem], (f"{path.stem}-{again}" for again in count(2)))
        name = next(name for name in names if name not in self._named)
        self._named.add(name)
        _annotate(image_bgr, faces, self._folder / f"{name}.jpg")


def _annotate(image_bgr: Image, faces: Sequence[FaceBox], target: Path) -> None:
    for face in faces:
        draw_face(image_bgr, face.box, 0, [f"{face.score:.2f}"])
        radius = max(1, round(face.size_px / 40))
        for x, y in face.landmarks:
            cv2.circle(image_bgr, (round(float(x)), round(float(y))), radius, (255, 255, 255), -1)
    done, data = cv2.imencode(".jpg", image_bgr)
    if not done:
        raise OutputError(f"{target}: OpenCV cannot encode it as JPEG")
    write_whole(target, data.tobytes())


def _read(path: Path) -> tuple[Path, Image | None, str | None]:
    try:
        return path, read_image(path).image_bgr, None
    except ImageError as error:
        return path, None, str(error).removeprefix(f"{path}: ")


def _row(
    path: Path, image: Image | None, faces: Sequence[FaceBox], error: str | None
) -> dict[str, Any]:
    return {
        "path": os.fspath(path),
        "width_px": None if image is None else image.shape[1],
        "height_px": None if image is None else image.shape[0],
        "faces": [
            {
                "box": [round(float(v), 1) for v in face.box],
                "score": round(face.score, 4),
                "landmarks": [[round(float(v), 1) for v in point] for point in face.landmarks],
            }
            for face in faces
        ],
        "error": error,
    }
