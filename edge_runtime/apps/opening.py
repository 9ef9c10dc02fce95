"""From the names on a command line to open models, and a word where a provider is not the one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from edge_runtime.errors import CardError, ModelError, OptionError
from edge_runtime.faces.closer_look import CloserLook
from edge_runtime.faces.detector import FaceDetector, OnnxFaceDetector
from edge_runtime.faces.gallery import Gallery, weights_id
from edge_runtime.faces.identifier import Identifier
from edge_runtime.model.catalog import find_model
from edge_runtime.model.classifier import (
    BUILTIN,
    Answerer,
    choose_labels,
    expect_different_names,
)
from edge_runtime.model.session import Session, SessionOptions, open_session

__all__ = ["open_answerers", "open_detector", "open_model"]

_HAAR = "haar"


def open_model(name: str, options: SessionOptions, say: Callable[[str], None]) -> Session:
    """Open a model file or shipped model.

    Args:
        name: Path, or name of a shipped model.
        options: Provider and threads.
        say: Called with which provider runs, where that is not what was asked.

    Raises:
        EdgeError: There is no such model, or it cannot be run.
    """
    session = open_session(find_model(name), options)
    if session.provider_used != session.provider_asked:
        say(f"provider: {session.explanation}")
    return session


def open_detector(
    name: str,
    options: SessionOptions,
    say: Callable[[str], None] = lambda line: None,
    *,
    thorough: bool = True,
) -> FaceDetector:
    """Open a face detector.

    Args:
        name: A model file, a shipped model, `yunet` (its file, or the one in the cache) or `haar`.
        options: Provider and threads of our own; OpenCV's run on the CPU.
        say: See `open_model`.
        thorough: See `CloserLook`; for photos.

    Raises:
        EdgeError: There is no such detector, or it cannot be run.
    """
    from edge_runtime.faces.opencv_detectors import HaarDetector, YuNetDetector

    if name == _HAAR:
        return HaarDetector()
    path = find_model(name)
    try:
        found = OnnxFaceDetector(open_model(str(path), options, say))
    except CardError as error:
        try:
            return YuNetDetector(path)
        except ModelError:
            raise CardError(f"{error}; of detectors without a card only YuNet is known") from None
    return CloserLook(found, thorough=thorough)


def open_answerers(
    names: Sequence[str],
    labels: str,
    options: SessionOptions,
    say: Callable[[str], None],
    *,
    beside_faces: str = "",
    gallery: Path | None = None,
    threshold: float | None = None,
    live: bool = False,
) -> list[Answerer]:
    """Open models, narrow their answers, and let one of them name the people of a gallery.

    Args:
        names: Model files or shipped names.
        labels: What --labels says, comma separated; empty narrows nothing.
        options: Provider and threads.
        say: See `open_model`.
        beside_faces: Model that is run too where the only one named tells who somebody is.
        gallery: File of enrolled people.
        threshold: See `Identifier`, as `live`.
        live: The faces are those of a camera or clip.

    Raises:
        OptionError: The labels fit no model, no model compares faces, or two are named alike.
        EdgeError: See `open_model`.
    """
    wanted = [label.strip() for label in labels.split(",") if label.strip()]
    if labels and not wanted:
        raise OptionError(f"--labels {labels}: names no label")
    known = Gallery.load(gallery) if gallery else None
    sessions = [open_model(name, options, say) for name in names]
    if beside_faces and [s.card.task for s in sessions] == ["identity"]:
        sessions.append(open_model(beside_faces, options, say))
    expect_different_names(sessions)
    if known is None:
        return list(choose_labels(sessions, wanted))
    own = next((label for label in wanted if label in (BUILTIN, *known.people)), None)
    if own is not None:
        raise OptionError(
            f"--labels {own}: with --gallery faces are named from it; --labels narrows what other "
            "models say"
        )
    comparing = [s for s in sessions if "embedding" in s.outputs]
    if not comparing:
        raise OptionError("--gallery: none of the models compares faces; add --model faces")
    made_by = [s for s in comparing if weights_id(s.card) == known.weights]
    naming = (made_by or comparing)[0]
    identifier = Identifier(naming, known, threshold, str(gallery), live)
    others = [s for s in sessions if s is not naming]
    answers = iter(choose_labels(others, wanted))
    return [identifier if s is naming else next(answers) for s in sessions]
