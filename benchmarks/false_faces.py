"""How often the detector sees a face where there is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from edge_runtime.apps.pictures import list_pictures
from edge_runtime.faces.closer_look import CloserLook
from edge_runtime.faces.detector import OnnxFaceDetector
from edge_runtime.measure.machine import describe_machine
from edge_runtime.media.image import read_image
from edge_runtime.model.catalog import find_model
from edge_runtime.model.session import SessionOptions, open_session

__all__ = ["measure_false_faces"]


def measure_false_faces(detector: str, pictures: Path) -> dict[str, Any]:
    """Run a detector over pictures without people.

    Returns:
        n, and how many pictures hold a face with at least the score that continues a track, and
        that starts one.
    """
    session = open_session(find_model(detector), SessionOptions("cpu"))
    finder = CloserLook(OnnxFaceDetector(session))
    best = []
    for path in list_pictures([pictures]):
        faces = finder.detect(read_image(path).image_bgr, finder.faint)
        best.append(max((f.score for f in faces), default=0.0))
    scores = np.array(best)
    card = session.card
    return {
        "schema": 1,
        "command": f"python -m benchmarks false-faces --pictures {pictures.name}/",
        "machine": describe_machine(),
        "model": {"name": card.name, "sha256": card.sha256, "precision": card.precision},
        "n": len(scores),
        "pictures_with_a_face_at": {
            f"{score:g}": int((scores >= score).sum()) for score in (finder.faint, finder.sure)
        },
    }
