"""Which scores the detector gives to faces and to what is none.

What its thresholds and its second look rest on; chosen on these pictures, never on test.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edge_runtime.apps.pictures import list_pictures
from edge_runtime.apps.progress import progress
from edge_runtime.faces.average_precision import COUNTED_FROM_PX, FAINTEST, detection_report
from edge_runtime.faces.boxes import FaceBox, iou
from edge_runtime.faces.closer_look import CloserLook
from edge_runtime.faces.detector import FaceDetector, OnnxFaceDetector
from edge_runtime.faces.opencv_detectors import YuNetDetector
from edge_runtime.measure.machine import describe_machine
from edge_runtime.media.image import read_image
from edge_runtime.model.catalog import find_model
from edge_runtime.model.preprocess import Image
from edge_runtime.model.session import SessionOptions, open_session
from train.data.annotations import AnnotatedPhoto, read_annotations
from train.data.scene_faces import PORTRAIT_BOX

__all__ = ["measure_face_scores", "paste_portrait", "scores_of"]

_SCORES = (0.3, 0.35, 0.4, 0.5, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9)
_FRAME = (640, 480)  # width, height
_FAR_PX, _NEAR_PX = (20.0, 42.0), (82.0, 300.0)  # heights of pasted faces
_PASTED = 400  # of each kind
_SAME = 0.5  # overlap
_CROWD = 10  # to a row and a column
_CROWD_PX = (128, 96)  # of each place: width, height


def measure_face_scores(
    detector: str, boxes: Path, faceless: Sequence[Path], portraits: Path, yunet: Path, seed: int
) -> dict[str, Any]:
    """Run a detector over faces of val, over pictures without any, and over pasted portraits.

    Args:
        detector: Model file or shipped name.
        boxes: Annotated photos, see `train.data.annotations.read_annotations`.
        faceless: Pictures without people, or folders of them.
        portraits: Folder of aligned 112 px portraits, at any depth.
        yunet: YuNet's model file: what is as often mistaken is told beside.
        seed: Of the split of the annotated photos, and of what is pasted where.

    Returns:
        On val average precision and the share of faces with a score or more; in how many faceless
        pictures a face has it, at one look and with a closer one; pasted far, near and a hundred
        portraits, the share the detector is sure of.
    """
    session = open_session(find_model(detector), SessionOptions("cpu"))
    once = OnnxFaceDetector(session)
    looks: dict[str, FaceDetector] = {"once": once, "closer": CloserLook(once)}
    photos = [p for p in read_annotations(boxes, seed) if p.split == "val"]
    nobody, of_people = list_pictures(list(faceless)), list_pictures([portraits])
    rng = np.random.default_rng(seed)
    with progress("finding faces", len(photos) + len(nobody) + 2 * _PASTED) as step:
        val = _annotated(once, photos, step)
        mistaken = _mistaken({**looks, "yunet": YuNetDetector(yunet)}, nobody, step)
        pasted = {
            kind: _pasted(looks, nobody, of_people, heights, rng, step)
            for kind, heights in (("far", _FAR_PX), ("near", _NEAR_PX))
        }
    crowd, places = _crowd(of_people, rng)
    looks["thorough"] = CloserLook(once, thorough=True)
    card = session.card
    return {
        "schema": 1,
        "command": "python -m benchmarks face-scores --boxes DIR --faceless DIR --portraits DIR "
        "--yunet FILE",
        "machine": describe_machine(),
        "model": {"name": card.name, "sha256": card.sha256, "precision": card.precision},
        "sure": once.sure,
        "faint": once.faint,
        "val": val,
        "faceless": mistaken,
        "pasted": pasted,
        "hundred": {
            name: round(100 * _share(scores_of(finder.detect(crowd, FAINTEST), places), once.sure))
            for name, finder in looks.items()
        },
    }


def _annotated(
    detector: FaceDetector, photos: Sequence[AnnotatedPhoto], step: Callable[[], None]
) -> dict[str, Any]:
    """Return average precision, and the share of faces that have a score or more."""
    found, scores = [], []
    for photo in photos:
        faces = detector.detect(read_image(photo.path).image_bgr, FAINTEST)
        sides = (photo.boxes[:, 2:] - photo.boxes[:, :2]).min(1)
        scores += scores_of(faces, photo.boxes[sides >= COUNTED_FROM_PX])
        found.append(faces)
        step()
    return {
        **detection_report(found, [photo.boxes for photo in photos]),
        "share_at": _shares(scores),
        "sure": _share(scores, detector.sure),
        "faint": _share(scores, detector.faint),
    }


def _mistaken(
    detectors: Mapping[str, FaceDetector], pictures: Sequence[Path], step: Callable[[], None]
) -> dict[str, Any]:
    """Return in how many pictures without people a face has a score or more."""
    best: dict[str, list[float]] = {name: [] for name in detectors}
    for path in pictures:
        image = read_image(path).image_bgr
        for name, detector in detectors.items():
            faces = detector.detect(image, FAINTEST)
            best[name].append(max((face.score for face in faces), default=0.0))
        step()
    return {
        name: {
            "n": len(pictures),
            "pictures_at": {f"{at:g}": sum(one >= at for one in best[name]) for at in _SCORES},
            "sure": sum(one >= detector.sure for one in best[name]),
            "faint": sum(one >= detector.faint for one in best[name]),
            "highest": [round(one, 3) for one in sorted(best[name], reverse=True)[:10]],
        }
        for name, detector in detectors.items()
    }


def _pasted(
    detectors: Mapping[str, FaceDetector],
    grounds: Sequence[Path],
    portraits: Sequence[Path],
    heights_px: tuple[float, float],
    rng: np.random.Generator,
    step: Callable[[], None],
) -> dict[str, Any]:
    """Return the share of portraits, one pasted into each picture, with a score or more."""
    scores: dict[str, list[float]] = {name: [] for name in detectors}
    for k in range(_PASTED):
        ground = cv2.resize(read_image(grounds[k % len(grounds)]).image_bgr, _FRAME)
        portrait = read_image(portraits[int(rng.integers(len(portraits)))]).image_bgr
        height_px = float(rng.uniform(*heights_px))
        scene, box = paste_portrait(np.asarray(ground, np.uint8), portrait, height_px, rng)
        for name, detector in detectors.items():
            scores[name] += scores_of(detector.detect(scene, FAINTEST), box[None])
        step()
    return {
        "n": _PASTED,
        "height_px": heights_px,
        **{
            name: {"share_at": _shares(scores[name]), "sure": _share(scores[name], detector.sure)}
            for name, detector in detectors.items()
        },
    }


def scores_of(found: Sequence[FaceBox], truth: npt.NDArray[np.float32]) -> list[float]:
    """Return the best score at each true box (N, 4), overlap 0.5 or more, or 0."""
    return [
        max((f.score for f in found if iou(f.box[None], box[None])[0, 0] >= _SAME), default=0.0)
        for box in truth
    ]


def paste_portrait(
    ground: Image, portrait: Image, height_px: float, rng: np.random.Generator
) -> tuple[Image, npt.NDArray[np.float32]]:
    """Blend an aligned portrait's head into a picture, upright, anywhere.

    Args:
        ground: uint8, (H, W, 3); stays as it is.
        portrait: uint8, (112, 112, 3).
        height_px: Of the face there.
        rng: Of the place.

    Returns:
        The picture and the face's box: float32, (4,).
    """
    scale = height_px / float(PORTRAIT_BOX[3] - PORTRAIT_BOX[1])
    side = round(portrait.shape[0] * scale)
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    head = cv2.resize(portrait, (side, side), interpolation=way).astype(np.float32)
    mask = np.zeros(portrait.shape[:2], np.float32)
    cv2.ellipse(mask, (48, 57), (44, 53), 0, 0, 360, 1.0, -1)
    share = cv2.resize(cv2.GaussianBlur(mask, (9, 9), 0), (side, side))[..., None]
    x = int(rng.integers(0, ground.shape[1] - side + 1))
    y = int(rng.integers(0, ground.shape[0] - side + 1))
    out = ground.copy()
    area = out[y : y + side, x : x + side]
    area[:] = np.rint(area * (1 - share) + head * share).astype(np.uint8)
    corner = np.array([x, y, x, y], np.float32)
    return out, np.asarray(PORTRAIT_BOX * (side / portrait.shape[0]) + corner, np.float32)


def _crowd(
    portraits: Sequence[Path], rng: np.random.Generator
) -> tuple[Image, npt.NDArray[np.float32]]:
    """Return a hundred portraits side by side, and the boxes of their faces (100, 4)."""
    width, height = _CROWD_PX
    picture = np.zeros((_CROWD * height, _CROWD * width, 3), np.uint8)
    places = []
    for k, chosen in enumerate(rng.choice(len(portraits), _CROWD**2, replace=False)):
        x, y = k % _CROWD * width, k // _CROWD * height
        portrait = read_image(portraits[chosen]).image_bgr
        small = cv2.resize(portrait, (height, height), interpolation=cv2.INTER_AREA)
        picture[y : y + height, x : x + height] = small
        places.append(PORTRAIT_BOX * (height / portrait.shape[0]) + (x, y, x, y))
    return picture, np.array(places, np.float32)


def _share(scores: Sequence[float], at: float) -> float:
    return round(sum(score >= at for score in scores) / len(scores), 4)


def _shares(scores: Sequence[float]) -> dict[str, float]:
    return {f"{at:g}": _share(scores, at) for at in _SCORES}
