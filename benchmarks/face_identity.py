"""Who is it: an embedding on people it never saw, ours and its peers', in one run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_runtime.errors import SourceError
from edge_runtime.faces.detector import FaceDetector
from edge_runtime.faces.identifier import embed_face, enrolled_face, middle
from edge_runtime.faces.portrait import portrait_face
from edge_runtime.measure.impostors import RATES
from edge_runtime.measure.intervals import wilson
from edge_runtime.media.image import read_image
from edge_runtime.model.session import Session

__all__ = [
    "CHOOSE", "REPORT", "Embeddings", "Pair", "embed_photos", "identify_people", "name_by_default",
    "name_over_draws", "people_of", "read_pairs", "refuse_strangers", "verify_pairs",
]  # fmt: skip

CHOOSE, REPORT = 6, 7  # folds of LFW's pairs, from 0: the seventh and the eighth

Floats = npt.NDArray[np.float32]
Embeddings = Mapping[Path, Floats]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two photos.

    Attributes:
        one: A photo.
        other: Another.
        same: Whether they show one person.
    """

    one: Path
    other: Path
    same: bool


def read_pairs(table: Path, photos: Path) -> list[list[Pair]]:
    """Read LFW's list of pairs, a list a fold.

    Args:
        table: `pairs.txt`: folds and pairs a fold and kind, then lines of a name and two numbers
            (one person) or of two names with a number each.
        photos: Folder with a folder a person, LFW's names.

    Raises:
        SourceError: It is not such a table.
    """
    try:
        first, *lines = table.read_text("utf-8").split("\n")
        folds, count = (int(v) for v in first.split())
        pairs = [_pair(line.split("\t"), photos) for line in lines if line.strip()]
        if len(pairs) != folds * count * 2:
            raise ValueError(f"{len(pairs)} pairs")
    except (OSError, ValueError) as error:
        raise SourceError(f"{table}: cannot be read as LFW's pairs ({error})") from None
    return [pairs[i : i + 2 * count] for i in range(0, len(pairs), 2 * count)]


def _pair(words: list[str], photos: Path) -> Pair:
    same = len(words) == 3
    one, i, other, j = (words[0], words[1], words[0], words[2]) if same else words
    files = [photos / name / f"{name}_{int(n):04}.jpg" for name, n in ((one, i), (other, j))]
    return Pair(files[0], files[1], same)


def people_of(folder: Path) -> dict[str, list[Path]]:
    """Return the photos of each person of a folder with a folder a person, by name."""
    return {p.name: sorted(p.iterdir()) for p in sorted(folder.iterdir()) if p.is_dir()}


def embed_photos(
    session: Session,
    detector: FaceDetector | None,
    photos: Sequence[Path],
    step: Callable[[], None],
    *,
    enrolled: bool = False,
) -> dict[Path, Floats]:
    """Return the embedding of each photo's face, float32 (D,), as `edge-run identify` makes it.

    Args:
        session: Of an identity model.
        detector: Finds the face; None takes the photo as the crop it is, as is done where no face
            is found.
        photos: Of one person each.
        step: Called after each.
        enrolled: As `edge-run enroll` makes them instead.
    """
    rows = {}
    for path in photos:
        image = read_image(path).image_bgr
        face = None if detector is None else portrait_face(detector, image)
        if face is not None and enrolled:
            rows[path] = enrolled_face(session, image, face)
        else:
            rows[path] = embed_face(session, image, face)
        step()
    return rows


def verify_pairs(
    rows: Embeddings, choose: Sequence[Pair], report: Sequence[Pair]
) -> dict[str, Any]:
    """Return the share of pairs told right, at the threshold that is best on other pairs.

    Args:
        rows: See `embed_photos`.
        choose: Pairs the threshold is taken from.
        report: Pairs it is used on.
    """
    cosines, same = _cosines(rows, choose)
    tried = np.sort(cosines)
    right = [((cosines >= t) == same).mean() for t in tried]
    best = np.flatnonzero(np.array(right) == max(right))
    threshold = float(tried[best].mean())
    cosines, same = _cosines(rows, report)
    hits = int(((cosines >= threshold) == same).sum())
    return {
        "accuracy": round(hits / len(report), 4),
        "interval": [round(v, 4) for v in wilson(hits, len(report))],
        "n": len(report),
        "threshold": round(threshold, 4),
        "chosen_on": len(choose),
    }


def _cosines(rows: Embeddings, pairs: Sequence[Pair]) -> tuple[Floats, npt.NDArray[np.bool_]]:
    cosines = np.array([float(rows[p.one] @ rows[p.other]) for p in pairs], np.float32)
    return cosines, np.array([p.same for p in pairs])


def identify_people(
    rows: Embeddings, people: Mapping[str, Sequence[Path]], enrolled: int
) -> dict[str, Any]:
    """Enroll the first photos of each person, and name the others among them all.

    Args:
        rows: See `embed_photos`.
        people: Photos by name.
        enrolled: Photos of each person in the gallery.
    """
    known, asked = _gallery(rows, people, enrolled)
    hits = sum(int((known @ row).argmax()) == truth for truth, row in asked)
    n = len(asked)
    return {
        "accuracy": round(hits / n, 4),
        "interval": [round(v, 4) for v in wilson(hits, n)],
        "n": n,
        "people": len(people),
        "enrolled": enrolled,
    }


def name_over_draws(
    asked: Embeddings,
    known: Embeddings,
    people: Mapping[str, Sequence[Path]],
    enrolled: int,
    draws: int = 200,
) -> dict[str, Any]:
    """Enroll photos of each person that are drawn, again and again, and name the others.

    Which photos somebody is enrolled with decides more than who is in the gallery: one draw says
    little.

    Args:
        asked: See `embed_photos`.
        known: The same photos as they are enrolled.
        people: Photos by name.
        enrolled: Photos of each person in the gallery.
        draws: How many; seeded.

    Returns:
        Mean share named rightly, and the range that nine of ten draws are in.
    """
    rng = np.random.default_rng(0)
    shares = []
    for _ in range(draws):
        drawn = {
            n: [photos[i] for i in rng.permutation(len(photos))] for n, photos in people.items()
        }
        rows = {**asked, **{p: known[p] for those in drawn.values() for p in those[:enrolled]}}
        shares.append(identify_people(rows, drawn, enrolled)["accuracy"])
    low, high = np.quantile(shares, (0.05, 0.95))
    return {
        "accuracy": round(float(np.mean(shares)), 4),
        "range": [round(float(low), 4), round(float(high), 4)],
        "draws": draws,
    }


def refuse_strangers(
    rows: Embeddings,
    people: Mapping[str, Sequence[Path]],
    strangers: Sequence[Path],
    enrolled: int,
) -> list[dict[str, Any]]:
    """Return how many known faces are named rightly where few strangers are taken for somebody.

    Args:
        rows: See `embed_photos`.
        people: Photos by name, the first of each in the gallery.
        strangers: Photos of nobody in it.
        enrolled: Photos of each person in the gallery.

    Returns:
        A row a false-accept rate: the cosine, and the share of known faces named with it.
    """
    known, asked = _gallery(rows, people, enrolled)
    nearest = np.array([float((known @ rows[p]).max()) for p in strangers])
    answers = [(truth, known @ row) for truth, row in asked]
    curve = []
    for rate in RATES:
        if rate * len(strangers) < 1:
            break
        threshold = float(np.quantile(nearest, 1 - rate))
        named = sum(int(c.argmax()) == truth and c.max() > threshold for truth, c in answers)
        curve.append(
            {
                "false_accept": rate,
                "cosine": round(threshold, 4),
                "named": round(named / len(answers), 4),
                "known": len(answers),
                "strangers": len(strangers),
            }
        )
    return curve


def name_by_default(
    rows: Embeddings,
    people: Mapping[str, Sequence[Path]],
    strangers: Sequence[Path],
    enrolled: int,
    threshold: float,
) -> dict[str, Any]:
    """Return what is said at one threshold of known faces, and of strangers.

    Args:
        rows: See `embed_photos`.
        people: Photos by name, the first of each in the gallery.
        strangers: Photos of nobody in it.
        enrolled: Photos of each person in the gallery.
        threshold: Cosine from which on a face is named.
    """
    known, asked = _gallery(rows, people, enrolled)
    said = [(truth, known @ row) for truth, row in asked]
    named = [(truth, int(c.argmax())) for truth, c in said if c.max() >= threshold]
    right = sum(truth == name for truth, name in named)
    taken = sum(float((known @ rows[p]).max()) >= threshold for p in strangers)
    return {
        "cosine": round(threshold, 4),
        "known": len(said),
        "named": round(right / len(said), 4),
        "named_wrongly": round((len(named) - right) / len(said), 4),
        "strangers": len(strangers),
        "strangers_named": round(taken / len(strangers), 4),
    }


def _gallery(
    rows: Embeddings, people: Mapping[str, Sequence[Path]], enrolled: int
) -> tuple[Floats, list[tuple[int, Floats]]]:
    """Return the middle of each person's enrolled (P, D), and place and embedding of the others."""
    few = next((n for n, photos in people.items() if len(photos) <= enrolled), None)
    if few is not None:
        raise SourceError(f"{few}: {enrolled} photos to enroll leave none to recognize")
    known = np.stack(
        [middle(np.stack([rows[p] for p in photos[:enrolled]])) for photos in people.values()]
    )
    asked = [(i, rows[p]) for i, photos in enumerate(people.values()) for p in photos[enrolled:]]
    return np.asarray(known, np.float32), asked
