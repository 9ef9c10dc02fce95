"""From pictures to labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from edge_runtime.errors import OptionError
from edge_runtime.model.card import RejectOn
from edge_runtime.model.preprocess import Image, preprocess
from edge_runtime.model.session import Session

__all__ = [
    "BUILTIN", "Answerer", "Classifier", "Prediction", "best_or_held", "choose_labels",
    "expect_different_names",
]  # fmt: skip

# What --labels calls the people a face model came with.
BUILTIN = "builtin"

Floats = npt.NDArray[np.float32]

_HELD = 0.1  # probability less than a new answer needs, for one that was given a frame ago
# Of the best one's probability: among 144 people several share it, a little more or less each
# frame, so another name must be twice as likely.
_NAME_HELD = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """What a classifier says of one picture or face.

    Attributes:
        label: The best label, "uncertain" where the card's threshold is not reached, or "unknown"
            for a stranger's face, and from a model made for enrolling people while nobody is
            enrolled.
        score: Probability of the label, 0 to 1; a cosine where people are compared.
        labels: All labels that could have been answered.
        scores: float32, (K,), in the order of `labels`.
        on: What kind of number scores are.
    """

    label: str
    score: float
    labels: tuple[str, ...]
    scores: Floats
    on: RejectOn = "probability"

    def __str__(self) -> str:
        """Return it as it is shown to people: "happy 93%", "Ana 0.71", "unknown"."""
        if self.label == "unknown" and self.on == "probability":
            return self.label  # the number would be that of a name which is not given
        share = f"{self.score:.0%}" if self.on == "probability" else f"{self.score:.2f}"
        return f"{self.label} {share}"

    def top(self, k: int) -> list[tuple[str, float]]:
        """Return the k best labels with their scores, best first, before any rejection."""
        k = min(max(1, k), len(self.scores))
        # All that reach the k-th best, so that of equals the first come first; not all are sorted.
        least = np.partition(self.scores, -k)[-k] if k else 0.0
        likely = np.flatnonzero(self.scores >= least)
        order = likely[np.argsort(-self.scores[likely], kind="stable")][:k]
        return [(self.labels[i], round(float(self.scores[i]), 4)) for i in order]


class Answerer(Protocol):
    """Whatever answers for a picture or a face: a classifier, or an identifier with a gallery.

    Attributes:
        name: Key of its answers.
        session: What runs its model.
    """

    name: str
    session: Session

    @property
    def wants_faces(self) -> bool:
        """Whether it looks at a face rather than at the whole picture."""
        ...

    @property
    def tells_strangers(self) -> bool:
        """Whether it says "unknown" of people it does not know, rather than guess."""
        ...

    def prepare(
        self, image_bgr: Image, box: Floats | None = None, landmarks: Floats | None = None
    ) -> Image:
        """Return the model's input for a picture, or for a face in it."""
        ...

    def outputs(self, inputs: Image) -> Floats:
        """Return a row an input; rows of one face may be averaged."""
        ...

    def decide(self, output: Floats, held: str | None = None) -> Prediction:
        """Turn a row into an answer; `held`, the answer before, is kept while nearly as good."""
        ...


class Classifier:
    """A classification model and the labels it may answer.

    Attributes:
        name: The model's name, key of its predictions.
        session: What runs it.
        labels: What it may answer, in output order.
    """

    def __init__(self, session: Session, labels: Sequence[str] | None = None) -> None:
        """Take a session; `labels` restricts the answer to some labels and renormalizes.

        A face model made for enrolling people (see `ModelCard.answers`) knows nobody until
        `labels` names some of those it came with, or all of them as `builtin`.

        Raises:
            OptionError: The model is no classifier, or does not know a label.
        """
        card = session.card
        if card.task == "detection":
            raise OptionError(f"model {card.name} finds faces and names none; choose another")
        if "scores" not in session.outputs:
            raise OptionError(
                f"model {card.name} names nobody by itself, it compares faces: give people to "
                "compare with by --gallery, or take edge-run identify"
            )
        self._knows_nobody = card.answers == "gallery" and not labels
        if _names_builtin(session, labels):
            labels = None
        unknown = [label for label in labels or () if label not in card.labels]
        if unknown:
            raise OptionError(
                f"--labels: model {card.name} does not know {', '.join(unknown)}; it knows "
                f"{', '.join(card.labels)}"
            )
        self.name = card.name
        self.session = session
        on_cosine = card.reject is not None and card.reject.on == "cosine"
        self._compares = on_cosine and "cosines" in session.outputs
        self._columns = [i for i, x in enumerate(card.labels) if not labels or x in labels]
        self.labels = tuple(card.labels[i] for i in self._columns)

    @property
    def wants_faces(self) -> bool:
        """Whether the model looks at a face rather than at the whole picture."""
        return self.session.card.input.region == "face"

    @property
    def tells_strangers(self) -> bool:
        """Whether it says "unknown" of people it does not know, rather than guess."""
        return self._compares

    def prepare(
        self, image_bgr: Image, box: Floats | None = None, landmarks: Floats | None = None
    ) -> Image:
        """Return the model's input for a picture, or for a face in it; see `preprocess`."""
        return preprocess(image_bgr, self.session.card.input, box, landmarks)

    def scores(self, inputs: Image) -> Floats:
        """Return probabilities float32 (N, K) over `labels` for uint8 (N, H, W, 3) inputs."""
        return self.outputs(inputs)[:, : len(self.labels)]

    def outputs(self, inputs: Image) -> Floats:
        """Return rows for `decide`: probabilities over `labels`, and cosines where it needs them.

        Args:
            inputs: uint8 (N, H, W, 3).

        Returns:
            float32 (N, K) or (N, 2 K).
        """
        answer = self.session.run(inputs)
        scores = answer["scores"][:, self._columns]
        if len(self._columns) < len(self.session.card.labels):
            total = np.maximum(scores.sum(1, keepdims=True), 1e-9)
            scores = np.asarray(scores / total, np.float32)
        if not self._compares:
            return scores
        return np.concatenate([scores, answer["cosines"][:, self._columns]], axis=1)

    def decide(self, output: Floats, held: str | None = None) -> Prediction:
        """Turn a row of `outputs` into an answer, applying the card's rejection.

        Args:
            output: The row, or an average of rows.
            held: The answer to the frame before, which is kept while it is nearly as likely.
        """
        output, cosines = output[: len(self.labels)], output[len(self.labels) :]
        reject = self.session.card.reject
        below = reject.below if reject is not None and reject.on == "probability" else 0.0
        slack = max(_HELD, _NAME_HELD * float(output.max())) if self._compares else _HELD
        best, below = best_or_held(output, self.labels, held, below, slack)
        label, score = self.labels[best], float(output[best])
        stranger = self._compares and reject is not None and cosines[best] < reject.below
        if self._knows_nobody or stranger:
            label = "unknown"
        elif score < below:
            label = "uncertain"
        return Prediction(label, score, self.labels, output)

    def classify(self, image_bgr: Image, box: Floats | None = None) -> Prediction:
        """Answer for one picture, or for one face in it.

        Args:
            image_bgr: uint8, (H, W, 3), BGR.
            box: Face in pixels, x1, y1, x2, y2; None takes the whole picture.
        """
        return self.decide(self.outputs(self.prepare(image_bgr, box)[None])[0])


def best_or_held(
    scores: Floats, labels: Sequence[str], held: str | None, below: float, slack: float
) -> tuple[int, float]:
    """Return which label is the answer, and the score it needs.

    Args:
        scores: float32, (K,).
        labels: K of them.
        held: The answer before, which is kept while it is within `slack` of the best.
        below: What a new answer needs.
        slack: How much less the answer before needs.
    """
    best = int(scores.argmax())
    if held in labels:
        before = labels.index(held)
        if scores[before] >= max(float(scores[best]), below) - slack:
            return before, below - slack
    return best, below


def choose_labels(sessions: Sequence[Session], labels: Sequence[str]) -> list[Classifier]:
    """Make classifiers of several models whose answers are restricted to some labels.

    With several models the labels are meant for those that know them; the others keep theirs.

    Raises:
        OptionError: No model knows all the labels.
    """
    knows = [set(labels) <= set(s.card.labels) or _names_builtin(s, labels) for s in sessions]
    return [
        Classifier(s, labels if known or not any(knows) else None)
        for s, known in zip(sessions, knows, strict=True)
    ]


def expect_different_names(sessions: Sequence[Session]) -> None:
    """Refuse models whose answers would have the same key.

    Raises:
        OptionError: Two are named alike.
    """
    names = [s.card.name for s in sessions]
    if len(set(names)) < len(names):
        raise OptionError(
            f"--model: two of the models are named alike ({', '.join(names)}); their answers "
            "could not be told apart"
        )


def _names_builtin(session: Session, labels: Sequence[str] | None) -> bool:
    return session.card.task == "identity" and list(labels or ()) == [BUILTIN]
