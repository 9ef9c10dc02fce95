"""Finding faces: our detector and its peers on the same pictures, in one run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.latency import side_by_side
from edge_runtime.errors import SourceError
from edge_runtime.faces.average_precision import FAINTEST, detection_report
from edge_runtime.faces.detector import FaceDetector
from edge_runtime.media.image import read_image
from edge_runtime.model.preprocess import Image
from train.data.annotations import AnnotatedPhoto

__all__ = ["find_annotated", "find_nothing", "frames_of", "time_detectors"]


def find_annotated(
    detectors: Mapping[str, FaceDetector],
    photos: Sequence[AnnotatedPhoto],
    step: Callable[[], None],
) -> dict[str, Any]:
    """Return average precision of each, and the recall of its sure faces at the same overlap."""
    found: dict[str, list[Any]] = {name: [] for name in detectors}
    for photo in photos:
        image = read_image(photo.path).image_bgr
        for name, detector in detectors.items():
            found[name].append(detector.detect(image, FAINTEST))
        step()
    truth = [photo.boxes for photo in photos]
    report = {}
    for name, faces in found.items():
        sure = [[f for f in one if f.score >= detectors[name].sure] for one in faces]
        recall = detection_report(sure, truth)["recall"]
        report[name] = {
            **detection_report(faces, truth), "sure": detectors[name].sure, "recall_sure": recall,
        }  # fmt: skip
    return report


def find_nothing(
    detectors: Mapping[str, FaceDetector],
    pictures: Mapping[str, Sequence[Path | Image]],
    step: Callable[[], None],
) -> dict[str, Any]:
    """Return how many false boxes each is sure of in pictures without faces, by their kind."""
    report: dict[str, Any] = {name: {"sure": d.sure} for name, d in detectors.items()}
    for kind, those in pictures.items():
        for name in detectors:
            report[name][kind] = {"n": len(those), "boxes": 0}
        for picture in those:
            image = read_image(picture).image_bgr if isinstance(picture, Path) else picture
            for name, detector in detectors.items():
                report[name][kind]["boxes"] += len(detector.detect(image, detector.sure))
            step()
    return report


def frames_of(clip: Path, count: int) -> list[Image]:
    """Return frames of the second half of a clip, evenly spread.

    Raises:
        SourceError: It cannot be read.
    """
    capture = cv2.VideoCapture(str(clip))
    frames = []
    while (frame := capture.read()[1]) is not None:
        frames.append(np.asarray(frame, np.uint8))
    capture.release()
    if not frames:
        raise SourceError(f"{clip}: no frame can be read")
    places = np.linspace(len(frames) // 2, len(frames) - 1, count).round().astype(int)
    return [frames[i] for i in sorted(set(places.tolist()))]


def time_detectors(
    detectors: Mapping[str, FaceDetector], frames: Sequence[Image], against: str
) -> dict[str, Any]:
    """Time detectors in turn on frames, what is around the network included.

    Args:
        detectors: Each on one thread.
        frames: Of 640x480 px.
        against: The one the others are put in relation to.

    Returns:
        As `measure_latency`, the ratios to `against`.
    """
    source = {name: cycle(frames) for name in detectors}

    def find(name: str) -> None:
        detectors[name].detect(next(source[name]), detectors[name].sure)

    others = [name for name in detectors if name != against]
    return side_by_side({name: partial(find, name) for name in (*others, against)})
