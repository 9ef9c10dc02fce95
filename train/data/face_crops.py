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
    that a face nobody finds counts against the model. Faces written before are not cut again.

    Args:
        samples: Photos, each of one person.
        detector: Finds the faces.
        spec: The model's input; the crop is the runtime's own.
        folder: Where the crops go.
        step: Called after each photo.

    Returns:
        The samples that are left, and which photos showed no face.
    """
    kept: list[Sample] = []
    problems: list[Problem] = []
    for sample in samples:
        name = hashlib.blake2b(str(sample.path).encode(), digest_size=6).hexdigest()
        target = folder / sample.label / f"{sample.path.stem}-{name}.png"
        missing = target.with_suffix(".noface")
        if not target.exists() and not (sample.split == "train" and missing.exists()):
            target.parent.mkdir(parents=True, exist_ok=True)
            image = read_image(sample.path).image_bgr
            face = portrait_face(detector, image)
            if face is None:
                write_whole(missing, b"")
            if face is not None or sample.split != "train":
                crop = preprocess(image, spec, None if face is None else face.box)
                done, png = cv2.imencode(".png", cv2.cvtColor(crop, cv2.COLOR_RGB2BGR))
                if not done:
                    raise RuntimeError(f"{target}: OpenCV cannot encode a PNG")
                write_whole(target, png.tobytes())
        if missing.exists():
            kept_whole = sample.split != "train"
            detail = "no face found" + (f"; counted in {sample.split} all the same"
                                        if kept_whole else "")  # fmt: skip
            problems.append(Problem(sample.path, "no face", detail, sample.label, kept=kept_whole))
        if target.exists():
            kept.append(replace(sample, path=target))
        step()
    return kept, problems
