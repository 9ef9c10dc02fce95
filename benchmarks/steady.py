"""Expressions on people: how steady on faces in clips, how right on faces changed as cameras do."""

from __future__ import annotations

import json
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.accuracy import photos_to_score
from edge_runtime.apps.opening import open_detector
from edge_runtime.apps.progress import progress
from edge_runtime.apps.webcam import WebcamOutputs, run_webcam
from edge_runtime.errors import SourceError
from edge_runtime.measure.intervals import wilson
from edge_runtime.measure.machine import describe_machine
from edge_runtime.media.image import read_image
from edge_runtime.media.sinks import EventLines
from edge_runtime.media.sources import open_source
from edge_runtime.model.catalog import find_model
from edge_runtime.model.classifier import Classifier
from edge_runtime.model.preprocess import Image, preprocess
from edge_runtime.model.session import SessionOptions, open_session

__all__ = ["CHANGES", "changes_of_label", "measure_steadiness"]

_BATCH = 64
_CLIPS = (".mkv", ".mp4", ".webm", ".avi")


def _moved(turn: float = 0.0, zoom: float = 1.0, right: float = 0.0) -> Callable[[Image], Image]:
    """Turn by degrees, enlarge, shift by a share of the width; the edge is repeated."""

    def change(image: Image) -> Image:
        height, width = image.shape[:2]
        matrix = cv2.getRotationMatrix2D((width / 2, height / 2), turn, zoom)
        matrix[0, 2] += right * width
        moved = cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(moved, np.uint8)

    return change


def _lit(*gains: float) -> Callable[[Image], Image]:
    """Multiply blue, green and red."""
    factors = np.array(gains, np.float32)
    return lambda image: np.clip(np.rint(image * factors), 0, 255).astype(np.uint8)


# As our detector's crops and a camera's light vary.
CHANGES: dict[str, Callable[[Image], Image]] = {
    "as it is": lambda image: image,
    "turned 15 degrees": _moved(turn=15),
    "turned -15 degrees": _moved(turn=-15),
    "an eighth larger": _moved(zoom=1.125),
    "an eighth smaller": _moved(zoom=0.875),
    "shifted by a twelfth": _moved(right=1 / 12),
    "blurred, sigma 1 px of 48": lambda image: np.asarray(
        cv2.GaussianBlur(image, (0, 0), image.shape[1] / 48), np.uint8
    ),
    "half as bright": _lit(0.5, 0.5, 0.5),
    "half again as bright": _lit(1.5, 1.5, 1.5),
    "lamp light": _lit(0.6, 0.85, 1.1),
}


def measure_steadiness(model: str, run: Path, clips: Path) -> dict[str, Any]:
    """Follow the faces of clips, and score the test photos of a run under changes.

    Args:
        model: Model file or shipped name.
        run: The run folder it came from.
        clips: Folder of clips whose people keep a steady face.

    Returns:
        For each clip and track the frames, the share of frames an expression is said in, and how
        often what is said changes; for each change of the photos accuracy with n and interval.

    Raises:
        SourceError: There are no clips, or no test photos.
    """
    paths = sorted(p for p in clips.iterdir() if p.suffix in _CLIPS) if clips.is_dir() else []
    if not paths:
        raise SourceError(f"{clips}: no clips in this folder")
    rows = photos_to_score(run)
    classifier = Classifier(open_session(find_model(model), SessionOptions("cpu")))
    return {
        "schema": 1,
        "command": f"python -m benchmarks steady --model {classifier.name} --run RUN --clips DIR",
        "machine": describe_machine(),
        "model": {"name": classifier.name, "sha256": classifier.session.card.sha256},
        "clips": {path.name: _follow(path, classifier) for path in paths},
        "photos": _score(rows, classifier),
    }


def changes_of_label(events: Iterable[Mapping[str, Any]], model: str) -> dict[str, dict[str, Any]]:
    """Return of each track its frames, the share with an answer, and how often that changes."""
    said: dict[str, list[str]] = defaultdict(list)
    for event in events:
        for face in event["faces"]:
            said[str(face["track"])].append(face["predictions"][model]["label"])
    return {
        track: {
            "frames": len(labels),
            "said": round(float(np.mean([label != "uncertain" for label in labels])), 3),
            "changes": sum(a != b for a, b in pairwise(labels)),
        }
        for track, labels in said.items()
    }


def _follow(path: Path, classifier: Classifier) -> dict[str, Any]:
    detector = open_detector("detector", SessionOptions("cpu"), thorough=False)
    with tempfile.TemporaryDirectory() as folder:
        events = Path(folder) / "events.jsonl"
        summary = run_webcam(
            open_source(str(path)),
            detector,
            [classifier],
            WebcamOutputs(events=EventLines(events)),
            take_every_frame=True,
        )
        lines = events.read_text("utf-8").splitlines()
    tracks = changes_of_label(map(json.loads, lines), classifier.name)
    return {"frames": summary.frames, "tracks": tracks}


def _score(rows: Sequence[tuple[Path, str]], classifier: Classifier) -> dict[str, Any]:
    spec = classifier.session.card.input
    hits = dict.fromkeys(CHANGES, 0)
    with progress("asking", len(rows)) as step:
        for start in range(0, len(rows), _BATCH):
            part = rows[start : start + _BATCH]
            photos = [read_image(path).image_bgr for path, _ in part]
            truth = np.array([classifier.labels.index(label) for _, label in part])
            for name, change in CHANGES.items():
                inputs = np.stack([preprocess(change(photo), spec) for photo in photos])
                hits[name] += int((classifier.scores(inputs).argmax(1) == truth).sum())
            for _ in part:
                step()
    return {
        name: {
            "accuracy": round(count / len(rows), 4),
            "n": len(rows),
            "interval": [round(x, 4) for x in wilson(count, len(rows))],
        }
        for name, count in hits.items()
    }
