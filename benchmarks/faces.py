"""Faces, all of it: finding, following, telling apart; ours and its peers in one run."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.face_clips import follow_faces
from benchmarks.face_detection import find_annotated, find_nothing, frames_of, time_detectors
from benchmarks.face_identity import (
    CHOOSE,
    REPORT,
    embed_photos,
    identify_people,
    name_by_default,
    name_over_draws,
    people_of,
    read_pairs,
    refuse_strangers,
    verify_pairs,
)
from benchmarks.face_tilt import tilt_faces
from benchmarks.peers import SmallYuNet, UltraFace, mobile_face_net
from edge_runtime.apps.pictures import list_pictures
from edge_runtime.apps.progress import progress
from edge_runtime.errors import InstallError
from edge_runtime.faces.closer_look import CloserLook
from edge_runtime.faces.detector import FaceDetector, OnnxFaceDetector
from edge_runtime.faces.identifier import accept_above
from edge_runtime.faces.opencv_detectors import HaarDetector, YuNetDetector
from edge_runtime.measure.impostors import impostor_curve
from edge_runtime.measure.machine import describe_machine
from edge_runtime.model.catalog import find_model
from edge_runtime.model.preprocess import Image
from edge_runtime.model.session import Session, SessionOptions, open_session
from train.data.annotations import read_annotations

__all__ = ["FaceSets", "measure_faces"]

_ENROLLED = 3
_FRAMES = 200
_YUNET_320 = "YuNet, long side 320"


@dataclass(frozen=True, slots=True)
class FaceSets:
    """Where the pictures are.

    Attributes:
        boxes: Annotated photos, see `train.data.annotations.read_annotations`.
        faceless: Photos without people.
        empty_clip: A clip without faces.
        clips: Clips of one person each, 640x480.
        pairs: LFW's pairs.
        lfw: LFW, a folder a person.
        held: People the embedding never saw, a folder each.
        orl: ORL, a folder a person.
    """

    boxes: Path
    faceless: Path
    empty_clip: Path
    clips: Path
    pairs: Path
    lfw: Path
    held: Path
    orl: Path


def measure_faces(
    detector: str, model: str, sets: FaceSets, anchors: Path, seed: int
) -> dict[str, Any]:
    """Measure ours and its peers on the same pictures.

    Args:
        detector: Our detector: a file or a shipped name.
        model: Our embedding, alike.
        sets: The pictures.
        anchors: Folder of the peers' files.
        seed: Of the split of the annotated photos; the 20% for testing are used.
    """
    cv2.setNumThreads(1)
    one = SessionOptions("cpu", 1)
    network = OnnxFaceDetector(open_session(find_model(detector), one))
    ours, patient = CloserLook(network), CloserLook(network, thorough=True)
    sessions = {
        "edge-run": open_session(find_model(model), one),
        "MobileFaceNet": mobile_face_net(anchors / "mobilefacenet_y1_128.onnx"),
    }
    detectors = _detectors(ours, patient, anchors)
    clips = sorted(sets.clips.iterdir())
    return {
        "schema": 1,
        "command": "python -m benchmarks faces --data DIR --pairs FILE --anchors DIR",
        "machine": describe_machine(),
        "models": {
            card.name: {"sha256": card.sha256, "precision": card.precision}
            for card in (network.session.card, sessions["edge-run"].card)
        },
        "detection": _detection(detectors, sets, seed),
        "tilted": _tilted(detectors, sets),
        "latency": time_detectors(detectors, frames_of(clips[0], 20), _YUNET_320),
        "clips": follow_faces({"edge-run": ours}, clips),
        "identity": {
            name: _identity(session, patient if name == "edge-run" else None, sets)
            for name, session in sessions.items()
        },
    }


def _detectors(ours: FaceDetector, patient: FaceDetector, anchors: Path) -> dict[str, FaceDetector]:
    yunet = anchors / "face_detection_yunet_2023mar.onnx"
    found: dict[str, FaceDetector] = {
        "edge-run": ours,
        "edge-run, of photos": patient,
        "YuNet": YuNetDetector(yunet),
        _YUNET_320: SmallYuNet(yunet),
        "UltraFace RFB-320": UltraFace(anchors / "ultraface_rfb_320.onnx"),
    }
    try:
        found["Haar"] = HaarDetector()
    except InstallError as error:
        print(f"without Haar: {error}", file=sys.stderr)
    return found


def _detection(detectors: Mapping[str, FaceDetector], sets: FaceSets, seed: int) -> dict[str, Any]:
    photos = [p for p in read_annotations(sets.boxes, seed) if p.split == "test"]
    pictures: dict[str, Sequence[Path | Image]] = {
        "photos": list_pictures([sets.faceless]), "frames": frames_of(sets.empty_clip, _FRAMES)
    }  # fmt: skip
    total = len(photos) + sum(map(len, pictures.values()))
    with progress("finding faces", total) as step:
        return {
            "annotated": find_annotated(detectors, photos, step),
            "faceless": find_nothing(detectors, pictures, step),
        }


def _tilted(detectors: Mapping[str, FaceDetector], sets: FaceSets) -> dict[str, Any]:
    portraits = [path for those in people_of(sets.held).values() for path in those]
    with progress("tilting heads", len(portraits)) as step:
        return tilt_faces(detectors, portraits, step)


def _identity(session: Session, detector: FaceDetector | None, sets: FaceSets) -> dict[str, Any]:
    folds = read_pairs(sets.pairs, sets.lfw)
    asked = {fold: {p for q in folds[fold] for p in (q.one, q.other)} for fold in (CHOOSE, REPORT)}
    held, orl = people_of(sets.held), people_of(sets.orl)
    lfw = sorted(asked[CHOOSE] | asked[REPORT])
    people = [*held.values(), *orl.values()]
    enrolls = [p for those in people for p in those]
    looks = 1 if detector is None else 2  # who is asked as a crop is enrolled as one too
    with progress(f"asking {session.card.name}", len(lfw) + looks * len(enrolls)) as step:
        asked_of = known = embed_photos(session, detector, [*lfw, *enrolls], step)
        if detector is not None:
            known = embed_photos(session, detector, enrolls, step, enrolled=True)
    rows = {**asked_of, **{p: known[p] for those in people for p in those[:_ENROLLED]}}
    chosen, strangers = sorted(asked[CHOOSE]), sorted(asked[REPORT])
    said: dict[str, Any] = {}
    if detector is not None:  # ours: it states a threshold
        threshold = accept_above(session.card, _ENROLLED * len(held))
        said["default"] = name_by_default(rows, held, strangers, _ENROLLED, threshold)
    return {
        **said,
        "lfw_pairs": verify_pairs(rows, folds[CHOOSE], folds[REPORT]),
        "held": identify_people(rows, held, _ENROLLED),
        "orl": identify_people(rows, orl, _ENROLLED),
        "drawn": {
            name: name_over_draws(asked_of, known, those, _ENROLLED)
            for name, those in (("held", held), ("orl", orl))
        },
        "strangers": refuse_strangers(rows, held, strangers, _ENROLLED),
        "impostors": impostor_curve(
            np.stack([rows[p] for p in chosen]), [p.parent.name for p in chosen]
        ),
    }
