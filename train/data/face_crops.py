"""Faces cut out of whole photos, as the runtime will cut them out of a camera's frames."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import cv2

from edge_runtime.faces.detector import FaceDetector
from edge_runtime.faces.portrait import portrait_face
from edge_runtime.files import write_whole
from edge_runtime.media.image import read_image
from edge_runtime.model.card import InputSpec
from edge_runtime.model.preprocess import preprocess
from train.data.samples import Problem, Sample

__all__ = ["cut_faces"]


def cut_faces(
    samples: Sequence[Sample],
    detector: FaceDetector,
    spec: InputSpec,
    folder: Path,
    step: Callable[[], None],
) -> tuple[list[Sample], list[Problem]]:
    """Write each photo's face as the model's input, and let the samples name those files.

    A training photo without a face is left out; one to choose by or to test on is taken whole, so
    that a face nobody finds counts against the model. A faint face is taken and named: it may be
    none. Faces written before are not cut again, unless the photo or the input has changed.

    Args:
        samples: Photos, each of one person.
        detector: Finds the faces.
        spec: The model's input; the crop is the runtime's own.
        folder: Where the crops go.
        step: Called after each photo.

    Returns:
        The samples that are left, and which photos showed no face or a faint one.
    """
    kept: list[Sample] = []
    problems: list[Problem] = []
    for sample in samples:
        seen = f"{sample.path} {sample.content} {spec}"
        name = hashlib.blake2b(seen.encode(), digest_size=6).hexdigest()
        target = folder / sample.label / f"{sample.path.stem}-{name}.png"
        missing, faint = target.with_suffix(".noface"), target.with_suffix(".faint")
        training = sample.split == "train"
        if not target.exists() and not (training and missing.exists()):
            target.parent.mkdir(parents=True, exist_ok=True)
            image = read_image(sample.path).image_bgr
            face = portrait_face(detector, image)
            if face is None:
                write_whole(missing, b"")
            elif face.score < detector.sure:
                write_whole(faint, f"{face.score:.2f}".encode())
            if face is not None or not training:
                crop = preprocess(image, spec, None if face is None else face.box)
                done, png = cv2.imencode(".png", cv2.cvtColor(crop, cv2.COLOR_RGB2BGR))
                if not done:
                    raise RuntimeError(f"{target}: OpenCV cannot encode a PNG")
                write_whole(target, png.tobytes())
        if missing.exists():
            detail = "no face found" + (
                "" if training else f"; counted in {sample.split} all the same"
            )
            problems.append(
                Problem(sample.path, "no face", detail, sample.label, kept=not training)
            )
        elif faint.exists():
            detail = f"what was taken for the face has a score of {faint.read_text()}"
            problems.append(Problem(sample.path, "faint face", detail, sample.label, kept=True))
        if target.exists():
            kept.append(replace(sample, path=target))
        step()
    return kept, problems
