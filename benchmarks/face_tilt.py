"""Tilted heads: by how many degrees the line through the eyes that detectors give is off."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edge_runtime.faces.boxes import FaceBox
from edge_runtime.faces.detector import FaceDetector
from edge_runtime.media.image import read_image
from edge_runtime.model.preprocess import Image

__all__ = ["TILTS", "tilt_faces"]

TILTS = (-30.0, -15.0, 0.0, 15.0, 30.0)
_FRAME = (320, 240)  # width, height: room for a portrait turned about its middle


def tilt_faces(
    detectors: Mapping[str, FaceDetector], portraits: Sequence[Path], step: Callable[[], None]
) -> dict[str, Any]:
    """Turn aligned portraits by known angles and ask for the eyes.

    Portraits were aligned by five points, so their own eyes are level within some degrees, which
    is in every detector's error alike.

    Args:
        detectors: One that knows no eyes gives level ones, and is as far off as heads are tilted.
        portraits: Of one face each, upright.
        step: Called after each.

    Returns:
        For each detector n, how many were found, and of these the median and the 95th percentile
        of the error in degrees.
    """
    errors: dict[str, list[float]] = {name: [] for name in detectors}
    for path in portraits:
        portrait = read_image(path).image_bgr
        for tilt in TILTS:
            frame = _tilted(portrait, tilt)
            for name, detector in detectors.items():
                faces = detector.detect(frame, detector.faint)
                if faces:
                    errors[name].append(abs(_eyes_deg(faces[0]) - tilt))
        step()
    return {
        name: {
            "n": len(portraits) * len(TILTS),
            "found": len(those),
            "median_deg": round(float(np.median(those)), 1) if those else None,
            "p95_deg": round(float(np.percentile(those, 95)), 1) if those else None,
        }
        for name, those in errors.items()
    }


def _tilted(portrait: Image, tilt: float) -> Image:
    """Turn a portrait counterclockwise in the middle of a frame; its edge is repeated."""
    height, width = portrait.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), tilt, 1.0)
    matrix[:, 2] += (_FRAME[0] - width) / 2, (_FRAME[1] - height) / 2
    turned = cv2.warpAffine(portrait, matrix, _FRAME, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(turned, np.uint8)


def _eyes_deg(face: FaceBox) -> float:
    x, y = face.landmarks[1] - face.landmarks[0]
    return float(np.degrees(np.arctan2(-y, x)))
