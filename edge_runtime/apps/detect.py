"""Finding faces in many pictures: a row a picture, with every face's box and landmarks."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2

from edge_runtime.errors import ImageError, OutputError
from edge_runtime.faces.boxes import FaceBox
from edge_runtime.faces.detector import FaceDetector
from edge_runtime.files import write_whole
from edge_runtime.media.image import read_image
from edge_runtime.media.overlay import draw_face
from edge_runtime.model.preprocess import Image

__all__ = ["annotate", "detect_pictures"]

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
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[tuple[Path, Future[Image | str]]] = deque()
        todo = iter(paths)

        def refill() -> None:
            while len(waiting) < _AHEAD + workers and (path := next(todo, None)) is not None:
                waiting.append((path, pool.submit(_read, path)))

        refill()
        try:
            while waiting:
                path, future = waiting.popleft()
                read = future.result()
                refill()
                if isinstance(read, str):
                    yield path, None, [], _row(path, None, [], read)
                    continue
                faces = detector.detect(read, min_score)
                yield path, read, faces, _row(path, read, faces, None)
        finally:
            for _, future in waiting:
                future.cancel()


def annotate(image_bgr: Image, faces: Sequence[FaceBox], target: Path) -> None:
    """Write a picture with its faces drawn in, as a JPEG.

    Args:
        image_bgr: uint8, (H, W, 3), BGR; changed.
        faces: In it.
        target: The file.

    Raises:
        OutputError: It cannot be written.
    """
    for face in faces:
        draw_face(image_bgr, face.box, 0, [f"{face.score:.2f}"])
        radius = max(1, round(face.size_px / 40))
        for x, y in face.landmarks:
            cv2.circle(image_bgr, (round(float(x)), round(float(y))), radius, (255, 255, 255), -1)
    done, data = cv2.imencode(".jpg", image_bgr)
    if not done:
        raise OutputError(f"{target}: OpenCV cannot encode it as JPEG")
    write_whole(target, data.tobytes())


def _read(path: Path) -> Image | str:
    try:
        return read_image(path).image_bgr
    except ImageError as error:
        return str(error).removeprefix(f"{path}: ")


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
