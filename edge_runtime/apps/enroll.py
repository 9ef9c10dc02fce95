"""Making people known: from photos of somebody to their embeddings in a gallery."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge_runtime.errors import GalleryError, ImageError, OptionError
from edge_runtime.faces.detector import FaceDetector
from edge_runtime.faces.gallery import Gallery, change_gallery, check_name
from edge_runtime.faces.identifier import Identifier, accept_above, enrolled_face
from edge_runtime.faces.quality import enrollable_face
from edge_runtime.files import check_writable
from edge_runtime.media.image import read_image
from edge_runtime.model.session import Session

__all__ = ["Doubt", "Enrollment", "enroll_person", "forget_photos"]

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Doubt:
    """A photo that was taken and may show somebody else.

    Attributes:
        photo: The file.
        like: Whom it looks more like; empty where it only looks unlike the person's others.
        cosine: To that person, or to the nearest of the person's others.
        threshold: From which on two faces are taken for one person's.
    """

    photo: Path
    like: str
    cosine: float
    threshold: float


@dataclass(frozen=True, slots=True)
class Enrollment:
    """What came of enrolling somebody.

    Attributes:
        taken: Photos whose face was taken.
        refused: Photos that were not, each with the reason.
        doubts: Those taken that may show somebody else.
        known: How many of them the gallery had already.
        photos: How many faces the gallery has of this person now.
        people: How many people it has.
    """

    taken: list[Path]
    refused: list[tuple[Path, str]]
    doubts: list[Doubt]
    known: int
    photos: int
    people: int


def enroll_person(
    name: str,
    photos: Sequence[Path],
    path: Path,
    session: Session,
    detector: FaceDetector,
    step: Callable[[], None],
) -> Enrollment:
    """Add the faces of some photos to a gallery file under a name.

    Args:
        name: Of the person, new or known.
        photos: Of that person alone.
        path: The gallery; made if it is not there.
        session: Of an identity model.
        detector: Finds the face.
        step: Called after each photo.

    Raises:
        GalleryError: The file is no gallery or another model's, the name cannot be taken, or no
            photo is good enough.
        OutputError: The gallery cannot be written.
    """
    name = check_name(name)
    check_writable(path)
    before = _open(path, session)
    before.name_of(name)  # what is wrong with either is said before the work
    taken: list[Path] = []
    refused: list[tuple[Path, str]] = []
    rows: list[Floats] = []
    for photo in photos:
        try:
            image = read_image(photo).image_bgr
            face, problem = enrollable_face(detector, image)
        except ImageError as error:
            face, problem = None, str(error).removeprefix(f"{photo}: ")
        if face is None:
            refused.append((photo, problem))
        else:
            rows.append(enrolled_face(session, image, face))
            taken.append(photo)
        step()
    if not rows:
        raise GalleryError(
            f"{name}: none of {len(photos)} photo(s) can be used; the first, {refused[0][0]}: "
            f"{refused[0][1]}"
        )
    had = 0

    def enrolled() -> Gallery:
        nonlocal had
        now = _open(path, session)  # read again: another enrollment may have ended meanwhile
        had = len(now.people.get(name, ()))
        return now.enrolled(name, np.stack(rows))

    after = change_gallery(path, enrolled)
    doubts = _doubts(name, taken, np.stack(rows), before, session)
    has = len(after.people[name])
    return Enrollment(taken, refused, doubts, had + len(taken) - has, has, len(after.people))


def forget_photos(
    name: str, photos: Sequence[Path], path: Path, session: Session, detector: FaceDetector
) -> int:
    """Take the faces of some photos out of a gallery file again.

    Args:
        name: Whose they were taken for.
        photos: As they were enrolled; all of them are found, or nothing is changed.
        path: The gallery.
        session: Of the identity model they were enrolled with.
        detector: Finds the face, as it did then.

    Returns:
        How many photos are left of the person; without any they are not in the gallery.

    Raises:
        GalleryError: The file is no gallery or another model's, the name is not in it, or a photo
            is none of theirs.
        ImageError: A photo cannot be read.
        OutputError: The gallery cannot be written.
    """
    Gallery.load(path)  # what is wrong with it is said before the work
    rows: list[Floats] = []
    for photo in photos:
        image = read_image(photo).image_bgr
        face, problem = enrollable_face(detector, image)
        if face is None:
            raise GalleryError(f"{photo}: {problem}, so no photo of the gallery is this one")
        rows.append(enrolled_face(session, image, face))

    def changed() -> Gallery:
        gallery = _open(path, session)
        return gallery.without_photos(name, np.stack(rows), list(map(str, photos)))

    return len(change_gallery(path, changed).people.get(name, ()))


def _open(path: Path, session: Session) -> Gallery:
    if not path.exists():
        return Gallery.empty(session.card)
    gallery = Gallery.load(path)
    gallery.expect_model(session.card, str(path))
    return gallery


def _doubts(
    name: str, taken: list[Path], rows: Floats, before: Gallery, session: Session
) -> list[Doubt]:
    """Return the photos that look like somebody else, or unlike the person's others."""
    doubts = []
    try:
        threshold = accept_above(session.card, 1)
    except OptionError:  # a model that states none says nothing of likeness
        return []
    others = before.without(name) if name in before.people else before
    identifier = Identifier(session, others)
    own = np.concatenate([before.people[name], rows]) if name in before.people else rows
    for photo, row in zip(taken, rows, strict=True):
        nearest = identifier.decide(row)  # among many, somebody always looks a little alike
        alike = np.sort(own @ row)[::-1][1:]  # without itself
        if nearest.label != "unknown" and (not len(alike) or alike[0] < nearest.score):
            doubts.append(Doubt(photo, nearest.label, nearest.score, identifier.threshold))
        elif len(alike) and alike[0] < threshold:
            doubts.append(Doubt(photo, "", float(alike[0]), threshold))
    return doubts
