"""Who of the enrolled people is it: embeddings against a gallery, and the threshold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from edge_runtime.errors import OptionError
from edge_runtime.faces.boxes import FaceBox
from edge_runtime.faces.gallery import Gallery
from edge_runtime.measure.impostors import cosine_at
from edge_runtime.model.card import ModelCard
from edge_runtime.model.classifier import Prediction, best_or_held
from edge_runtime.model.preprocess import Image, preprocess
from edge_runtime.model.session import Session

__all__ = [
    "FALSE_ACCEPT", "LIVE_FALSE_ACCEPT", "Identifier", "accept_above", "embed", "embed_face",
    "enrolled_face", "expect_embedding", "middle",
]  # fmt: skip

Floats = npt.NDArray[np.float32]

FALSE_ACCEPT = 0.01  # of strangers' faces taken for somebody, where the user sets no other
# A camera looks at the same stranger hundreds of times, and at all in one light, in which people
# look more alike than in the photos that rates are measured on.
LIVE_FALSE_ACCEPT = 0.001
_SIZES = (0.95, 1.0, 1.05)  # of a face's box, which a detector finds a little too small or large
_HELD = 0.05  # cosine less than a new answer needs, for one that was given a frame ago


class Identifier:
    """An identity model and the people it is to recognize; asked like a `Classifier`.

    Attributes:
        name: The model's name, key of its predictions.
        session: What runs it.
        labels: The people.
        threshold: Cosine from which on a face is taken for somebody.
    """

    wants_faces = True
    tells_strangers = True

    def __init__(
        self,
        session: Session,
        gallery: Gallery,
        threshold: float | None = None,
        where: str = "the gallery",
        live: bool = False,
    ) -> None:
        """Take a session and whom it is to recognize.

        Args:
            session: Of an identity model.
            gallery: Embeddings of that model.
            threshold: Cosine; None takes the one at which 1% of strangers are taken for somebody,
                live 0.1%.
            where: What to call the gallery in messages.
            live: Asked about faces frame after frame; a name once given then stays down to the
                threshold of photos.

        Raises:
            OptionError: The model has no embedding, or states no threshold and none is given.
            GalleryError: The gallery is another model's.
        """
        expect_embedding(session)
        gallery.expect_model(session.card, where)
        self.name = session.card.name
        self.session = session
        self.labels = tuple(gallery.people)
        parts = list(gallery.people.values())
        # Photos, not people: of the others in LFW's seventh fold 1.0% were then taken for one of 15
        # with three photos each, 0.95% for one of 50, 0.4% for one person; by people 2.3, 2.4, 1.3.
        photos = sum(len(part) for part in parts)
        self._held = _HELD
        if threshold is None:
            threshold = accept_above(session.card, photos)
            if live:
                strict = accept_above(session.card, photos, LIVE_FALSE_ACCEPT)
                self._held, threshold = max(_HELD, strict - threshold), strict
        self.threshold = threshold
        self._middles = np.stack([middle(part) for part in parts]) if parts else None

    def prepare(
        self, image_bgr: Image, box: Floats | None = None, landmarks: Floats | None = None
    ) -> Image:
        """Return the model's input for a picture, or for a face in it; see `preprocess`."""
        return preprocess(image_bgr, self.session.card.input, box, landmarks)

    def outputs(self, inputs: Image) -> Floats:
        """Return embeddings of unit length, float32 (N, D), for uint8 (N, H, W, 3) inputs."""
        return embed(self.session, inputs)

    def cosines(self, embedding: Floats) -> Floats:
        """Return how near the middle of each person's photos is, float32 (P,), to one (D,).

        To an average of unit vectors, which is shorter than they are, it is the average of their
        cosines, as thresholds are set for. Brought to unit length averages look more alike: of 461
        frames of strangers in the room somebody was enrolled in, 203 were named then and 55 so.

        The middle tells more than the nearest photo does: of 18 people with three photos each it
        named 70% of 486 others rightly, the nearest 63% (mean of 20 draws).
        """
        if self._middles is None:
            return np.zeros(0, np.float32)
        # Not `@`: BLAS would share so little work among threads and wait for busy cores.
        return np.asarray(np.einsum("nd,d->n", self._middles, embedding), np.float32)

    def decide(self, output: Floats, held: str | None = None) -> Prediction:
        """Name the nearest person, or "unknown" under the threshold.

        Args:
            output: An embedding (D,) of unit length, or an average of such.
            held: The answer to the frame before, which is kept while it is nearly as good.

        Returns:
            `score` is a cosine, as are `scores`.
        """
        cosines = self.cosines(output)
        if not len(cosines):
            return Prediction("unknown", 0.0, (), cosines, "cosine")
        best, below = best_or_held(cosines, self.labels, held, self.threshold, self._held)
        score = float(cosines[best])
        label = self.labels[best] if score >= below else "unknown"
        return Prediction(label, score, self.labels, cosines, "cosine")


def middle(embeddings: Floats) -> Floats:
    """Return where embeddings (n, D) of one person point on average, float32 (D,), unit length."""
    total = embeddings.sum(axis=0)
    return np.asarray(total / max(float(np.linalg.norm(total)), 1e-9), np.float32)


def embed(session: Session, inputs: Image) -> Floats:
    """Return embeddings of unit length, float32 (N, D), for uint8 (N, H, W, 3) inputs."""
    rows = session.run(inputs)["embedding"]
    # A foreign model's need not be; int8 arithmetic leaves ours a little off.
    lengths = np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    return np.asarray(rows / lengths, np.float32)


def embed_face(session: Session, image_bgr: Image, face: FaceBox | None) -> Floats:
    """Return the embedding of a face in a picture, float32 (D,).

    Args:
        session: Of an identity model.
        image_bgr: uint8, (H, W, 3), BGR.
        face: Where it is; None takes the picture as the crop it is.
    """
    box, landmarks = (None, None) if face is None else (face.box, face.landmarks)
    inputs = preprocess(image_bgr, session.card.input, box, landmarks)[None]
    return np.asarray(embed(session, inputs)[0], np.float32)


def enrolled_face(session: Session, image_bgr: Image, face: FaceBox) -> Floats:
    """Return what to remember of a face, float32 (D,), unit length.

    The middle of three sizes of its box tells more than one: of 18 people with three photos each,
    0.5 points more of 486 others were named rightly (mean of 60 draws). A face that is turned
    upright by its landmarks is scaled by them and has no box.

    Args:
        session: Of an identity model.
        image_bgr: uint8, (H, W, 3), BGR.
        face: Where it is.
    """
    if session.card.input.alignment == "five-point":
        return embed_face(session, image_bgr, face)
    center, half = (face.box[:2] + face.box[2:]) / 2, (face.box[2:] - face.box[:2]) / 2
    boxes = [np.concatenate([center - size * half, center + size * half]) for size in _SIZES]
    return middle(
        np.stack([embed_face(session, image_bgr, replace(face, box=box)) for box in boxes])
    )


def expect_embedding(session: Session) -> None:
    """Refuse a model that cannot compare faces.

    Raises:
        OptionError: It has no output `embedding`.
    """
    if "embedding" not in session.outputs:
        raise OptionError(
            f"--model: {session.card.name} has no embedding to compare faces by; take faces"
        )


def accept_above(card: ModelCard, photos: int, false_accept: float = FALSE_ACCEPT) -> float:
    """Return the cosine from which on a face is taken for somebody of whom there are photos.

    A stranger is compared with people of so many photos, so each may accept only its share. The
    card tells how many comparisons of two people reach which cosine (`metrics.impostors.curve`,
    pairs of rate and cosine, measured on people who taught the model nothing); where it does not,
    its one threshold counts whatever their number.

    Args:
        card: Of an identity model.
        photos: Compared with; 1 to verify two photos.
        false_accept: Share of strangers taken for somebody.

    Raises:
        OptionError: The card has neither.
    """
    impostors = card.metrics.get("impostors")
    curve: Sequence[Sequence[float]] = (impostors or {}).get("curve", ())
    if curve:
        return cosine_at(curve, false_accept / max(photos, 1))
    if card.reject is not None and card.reject.on == "cosine":
        return card.reject.below
    raise OptionError(
        f"model {card.name} states no threshold for saying who somebody is; set one with "
        "--threshold, a cosine of 0 to 1"
    )
