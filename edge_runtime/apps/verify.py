"""Are two photos of the same person?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_runtime.errors import ImageError
from edge_runtime.faces.detector import FaceDetector
from edge_runtime.faces.identifier import accept_above, embed_face
from edge_runtime.faces.portrait import portrait_faces
from edge_runtime.faces.quality import face_problem
from edge_runtime.media.image import read_image
from edge_runtime.model.session import Session

__all__ = ["Verdict", "verify_photos"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer.

    Attributes:
        same: Whether the cosine reaches the threshold.
        cosine: Of the two faces' embeddings, -1 to 1.
        threshold: Which pairs of two people reach as seldom as was asked for.
        notes: What makes a photo a bad witness, if anything, in words.
    """

    same: bool
    cosine: float
    threshold: float
    notes: Sequence[str] = ()


def verify_photos(
    one: Path,
    other: Path,
    session: Session,
    detector: FaceDetector,
    threshold: float | None = None,
) -> Verdict:
    """Compare the largest face of one photo with that of another.

    Args:
        one: A photo.
        other: Another.
        session: Of an identity model.
        detector: Finds the faces.
        threshold: Cosine; None takes the one at which 1% of pairs of two people pass.

    Raises:
        ImageError: A photo cannot be read, or shows no face.
        OptionError: The model states no threshold.
    """
    if threshold is None:
        threshold = accept_above(session.card, 1)
    rows = []
    notes: list[str] = []
    for path in (one, other):
        image = read_image(path).image_bgr
        face, others = portrait_faces(detector, image)
        if face is None:
            raise ImageError(f"{path}: no face found; take a photo with a larger or clearer one")
        if others:
            notes.append(f"{path}: {1 + len(others)} faces; the largest was compared")
        if problem := face_problem(image, face):
            notes.append(f"{path}: {problem}")
        rows.append(embed_face(session, image, face))
    cosine = float(rows[0] @ rows[1])
    return Verdict(cosine >= threshold, cosine, threshold, notes)
