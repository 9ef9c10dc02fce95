"""Who is who from frame to frame: ids that stay with a face."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_runtime.faces.boxes import FaceBox, iou

__all__ = ["TrackedFace", "Tracker", "doubles", "overlap"]

_FORGET_AFTER_S = 1.5
_FAINT_S = 2.0  # since it was last clear: what stays faint for longer may never have been a face
_MISSED_S = 0.3  # a face missed for longer is known again only by a clear one
_AHEAD_S = 0.6  # a constant speed is no guess for longer
_MIN_IOU = 0.2
_MAX_CENTER_SHIFT = 0.8  # of the face's size, between two sightings
_MAX_SIZE_RATIO = 1.8
_SAME_FACE_IOU = 0.3  # an unmatched box overlapping a matched one by this much is its double


@dataclass(frozen=True, slots=True, eq=False)
class TrackedFace:
    """A face seen in this frame.

    Attributes:
        track: Id, from 1, never used again for another face.
        face: Where it is.
    """

    track: int
    face: FaceBox


@dataclass(slots=True)
class _Track:
    id: int
    face: FaceBox
    seen_s: float
    clear_s: float  # when its score last was enough for a new face
    velocity: tuple[float, float] | None = None  # pixels per second, once it was seen twice

    def expected_shift(self, now_s: float) -> npt.NDArray[np.float32]:
        ahead = min(now_s - self.seen_s, _AHEAD_S)
        return np.asarray(self.velocity or (0.0, 0.0), np.float32) * ahead

    def expected(self, now_s: float) -> FaceBox:
        shift = self.expected_shift(now_s)
        box, landmarks = self.face.box + np.tile(shift, 2), self.face.landmarks + shift
        return FaceBox(box, self.face.score, landmarks)


class Tracker:
    """Gives each face an id; the only state is the faces seen lately.

    A new face must be clear, a known one may be faint for a while (ByteTrack's two thresholds): a
    hand before the mouth does not end a track, and a pattern on a shirt does not start one, nor go
    on as one for more than two seconds.
    """

    def __init__(self, sure: float) -> None:
        """Start without any face; `sure` is the score a new one needs."""
        self._sure = sure
        self._tracks: list[_Track] = []
        self._next_id = 1
        self._updated_s = 0.0

    def update(self, faces: Sequence[FaceBox], now_s: float) -> list[TrackedFace]:
        """Match this frame's faces to those known.

        Args:
            faces: Down to faint ones, which only continue a track.
            now_s: Time of the frame in seconds, growing.

        Returns:
            The faces that belong to a track, a new one from its first frame, in order of id.
        """
        self._tracks = [t for t in self._tracks if now_s - t.seen_s <= _FORGET_AFTER_S]
        pairs = sorted(
            (-likeness, ti, fi)
            for ti, track in enumerate(self._tracks)
            for fi, face in enumerate(faces)
            if (face.score >= self._sure or self._may_be_faint(track, now_s))
            and (likeness := _likeness(track, face, now_s)) > 0
        )
        self._updated_s = now_s
        taken_tracks: set[int] = set()
        taken_faces: set[int] = set()
        seen: list[TrackedFace] = []
        for _, ti, fi in pairs:
            if ti in taken_tracks or fi in taken_faces:
                continue
            taken_tracks.add(ti)
            taken_faces.add(fi)
            _follow(self._tracks[ti], faces[fi], now_s)
            if faces[fi].score >= self._sure:
                self._tracks[ti].clear_s = now_s
            seen.append(TrackedFace(self._tracks[ti].id, faces[fi]))
        for fi, face in enumerate(faces):
            if fi in taken_faces or face.score < self._sure:
                continue
            if any(doubles(face, s.face) for s in seen):
                continue
            self._tracks.append(_Track(self._next_id, face, now_s, now_s))
            seen.append(TrackedFace(self._next_id, face))
            self._next_id += 1
        return sorted(seen, key=lambda s: s.track)

    def _may_be_faint(self, track: _Track, now_s: float) -> bool:
        """Return whether a faint face is enough to continue a track."""
        missed = track.seen_s < self._updated_s and now_s - track.seen_s > _MISSED_S
        return not missed and now_s - track.clear_s <= _FAINT_S

    def cut(self) -> None:
        """Begin a new scene: whoever comes next is somebody new; ids are not used again."""
        self._tracks = []

    def coast(self, now_s: float) -> list[TrackedFace]:
        """Return where the faces of the last update should be now, in order of id.

        For a frame nobody looked for faces in; nothing is learned from it.
        """
        seen = [t for t in self._tracks if t.seen_s == self._updated_s]
        return [TrackedFace(t.id, t.expected(now_s)) for t in sorted(seen, key=lambda t: t.id)]

    def lately(self, now_s: float, within_s: float = 0.5) -> list[TrackedFace]:
        """Return where all faces seen a moment ago should be now, also those lost since."""
        recent = [t for t in self._tracks if now_s - t.seen_s <= within_s]
        return [TrackedFace(t.id, t.expected(now_s)) for t in recent]

    @property
    def known(self) -> set[int]:
        """Ids that may still be seen again."""
        return {t.id for t in self._tracks}


def _likeness(track: _Track, face: FaceBox, now_s: float) -> float:
    """Return how well a face continues a track; 0 or less if it cannot."""
    size = max(track.face.size_px, 1e-6)
    ratio = max(face.size_px, 1e-6) / size
    if not 1 / _MAX_SIZE_RATIO <= ratio <= _MAX_SIZE_RATIO:
        return 0.0
    moved = track.expected_shift(now_s)
    x, y = track.face.center + moved
    shift = float(np.hypot(face.center[0] - x, face.center[1] - y)) / size
    expected = track.face.box + np.tile(moved, 2)
    overlap = float(iou(expected[None], face.box[None])[0, 0])
    if overlap < _MIN_IOU and shift > _MAX_CENTER_SHIFT:
        return 0.0
    return 1.0 + overlap - shift / 10


def _follow(track: _Track, face: FaceBox, now_s: float) -> None:
    elapsed = now_s - track.seen_s
    if elapsed > 0:
        moved = [(b - a) / elapsed for a, b in zip(track.face.center, face.center, strict=True)]
        old = track.velocity or (moved[0], moved[1])
        track.velocity = (0.6 * old[0] + 0.4 * moved[0], 0.6 * old[1] + 0.4 * moved[1])
    track.face, track.seen_s = face, now_s


def overlap(a: FaceBox, b: FaceBox) -> bool:
    """Return whether two boxes are of about the same place."""
    return float(iou(a.box[None], b.box[None])[0, 0]) >= _SAME_FACE_IOU


def doubles(a: FaceBox, b: FaceBox) -> bool:
    """Return whether two boxes are most likely of one face."""
    if overlap(a, b):
        return True
    x, y = a.center
    return bool(b.box[0] <= x <= b.box[2] and b.box[1] <= y <= b.box[3])
