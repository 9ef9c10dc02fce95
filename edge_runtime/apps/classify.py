"""Classifying many pictures: a row a picture (or a face), errors as rows of their own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from edge_runtime.apps.ahead import ahead
from edge_runtime.apps.rows import RowWriter
from edge_runtime.errors import ImageError
from edge_runtime.faces.boxes import FaceBox
from edge_runtime.faces.detector import FaceDetector
from edge_runtime.media.image import read_for, read_image
from edge_runtime.model.classifier import Answerer
from edge_runtime.model.preprocess import Image

__all__ = ["classify_pictures", "write_answers"]


@dataclass(frozen=True, slots=True, eq=False)
class _Prepared:
    """A picture read and cut into model inputs; an error has no inputs."""

    path: Path
    width_px: int | None = None
    height_px: int | None = None
    inputs: tuple[Image, ...] = ()
    faces: tuple[FaceBox, ...] = ()
    error: str | None = None


def classify_pictures(
    paths: Sequence[Path],
    answerer: Answerer,
    *,
    detector: FaceDetector | None = None,
    top: int = 3,
    batch: int = 16,
    workers: int = 2,
) -> Iterator[tuple[Path, list[dict[str, Any]]]]:
    """Classify pictures, decoding ahead in threads and running the model on batches.

    Args:
        paths: Picture files.
        answerer: What is asked.
        detector: Finds the faces to ask about; None asks about the whole picture.
        top: How many labels a row's `top` holds.
        batch: Pictures decoded and classified together.
        workers: Threads that decode.

    Yields:
        Each path, in order, with its rows: path, model, label, score, top, width_px, height_px,
        error, and with a detector face_index, box, face_score.
    """
    prepared = ahead(lambda path: _prepare(path, answerer, detector), paths, workers, 2 * batch)
    with closing(prepared):
        while group := list(islice(prepared, batch)):
            yield from _answer(group, answerer, detector is not None, top, batch)


def write_answers(
    rows: Iterable[tuple[Path, list[dict[str, Any]]]], out: RowWriter, step: Callable[[], None]
) -> int:
    """Write what `classify_pictures` yields, and return how many rows are errors.

    Args:
        rows: Paths with their rows.
        out: Where they go.
        step: Called after each picture.
    """
    failed = 0
    for _, those in rows:
        for row in those:
            out.write(row)
            failed += row["error"] is not None
        step()
    return failed


def _prepare(path: Path, answerer: Answerer, detector: FaceDetector | None) -> _Prepared:
    spec = answerer.session.card.input
    try:
        if detector is None:
            picture = read_for(path, spec)
            inputs: tuple[Image, ...] = (answerer.prepare(picture.image_bgr),)
            faces: tuple[FaceBox, ...] = ()
        else:
            picture = read_image(path)
            faces = tuple(detector.detect(picture.image_bgr, detector.sure))
            inputs = tuple(answerer.prepare(picture.image_bgr, f.box, f.landmarks) for f in faces)
    except ImageError as error:
        return _Prepared(path, error=str(error).removeprefix(f"{path}: "))
    missing = None if inputs else "no face found"
    return _Prepared(path, picture.width_px, picture.height_px, inputs, faces, missing)


def _answer(
    group: Sequence[_Prepared], answerer: Answerer, with_faces: bool, top: int, batch: int
) -> Iterator[tuple[Path, list[dict[str, Any]]]]:
    inputs = [image for prepared in group for image in prepared.inputs]
    # In pieces of the batch's size: a crowd in one photo must not make one huge inference.
    pieces = [inputs[i : i + batch] for i in range(0, len(inputs), batch)]
    scores = (row for piece in pieces for row in answerer.outputs(np.stack(piece)))
    for prepared in group:
        row: dict[str, Any] = {
            "path": os.fspath(prepared.path),
            "model": answerer.name,
            "label": None,
            "score": None,
            "top": [],
            "width_px": prepared.width_px,
            "height_px": prepared.height_px,
            "error": prepared.error,
        }
        if with_faces:
            row |= {"face_index": None, "box": None, "face_score": None}
        rows = [] if prepared.inputs else [row]
        for index in range(len(prepared.inputs)):
            answer = answerer.decide(next(scores))
            filled = row | {
                "label": answer.label,
                "score": round(answer.score, 4),
                "top": answer.top(top),
            }
            if with_faces:
                face = prepared.faces[index]
                # A face that fills its picture was found with a border around it.
                edges = np.array([prepared.width_px, prepared.height_px] * 2, np.float32)
                filled |= {
                    "face_index": index,
                    "box": [round(float(v), 1) for v in np.clip(face.box, 0, edges)],
                    "face_score": round(face.score, 4),
                }
            rows.append(filled)
        yield prepared.path, rows
