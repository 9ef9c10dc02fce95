"""From the names on a command line to open models, and a word where a provider is not the one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from edge_runtime.errors import CardError, OptionError
from edge_runtime.faces.detector import FaceDetector, OnnxFaceDetector
from edge_runtime.faces.gallery import Gallery, weights_id
from edge_runtime.faces.identifier import Identifier
from edge_runtime.model.catalog import find_model
from edge_runtime.model.classifier import Answerer, Classifier, choose_labels
from edge_runtime.model.session import Session, SessionOptions, open_session

__all__ = ["open_classifiers", "open_detector", "open_model", "with_gallery"]

_YUNET, _HAAR = "yunet", "haar"


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


def open_detector(name: str, options: SessionOptions, say: Callable[[str], None]) -> FaceDetector:
    """Open a face detector.

    Args:
        name: A model file, a shipped model, `yunet` (its file, or the one in the cache) or `haar`.
        options: Provider and threads of our own; OpenCV's run on the CPU.
        say: See `open_model`.

    Raises:
        EdgeError: There is no such detector, or it cannot be run.
    """
    from edge_runtime.faces.opencv_detectors import HaarDetector, YuNetDetector

    if name == _HAAR:
        return HaarDetector()
    path = find_model(name)
    if _YUNET in path.name.lower():
        return YuNetDetector(path)
    try:
        return OnnxFaceDetector(open_model(name, options, say))
    except CardError as error:
        raise CardError(f"{error}; of detectors without a card only YuNet is known, by a file "
                        "whose name has yunet in it") from None  # fmt: skip


def open_classifiers(
    names: Sequence[str],
    labels: str,
    options: SessionOptions,
    say: Callable[[str], None],
    beside_faces: str = "",
) -> list[Classifier]:
    """Open classifiers and narrow their answers.

    Args:
        names: Model files or shipped names.
        labels: What --labels says, comma separated; empty narrows nothing.
        options: Provider and threads.
        say: See `open_model`.
        beside_faces: Model that is run too where the only one named tells who somebody is.

    Raises:
        OptionError: The labels fit no model.
        EdgeError: See `open_model`.
    """
    wanted = [label.strip() for label in labels.split(",") if label.strip()]
    if labels and not wanted:
        raise OptionError(f"--labels {labels}: names no label")
    sessions = [open_model(name, options, say) for name in names]
    if beside_faces and [s.card.task for s in sessions] == ["identity"]:
        sessions.append(open_model(beside_faces, options, say))
    return choose_labels(sessions, wanted)


def with_gallery(
    classifiers: Sequence[Classifier], path: Path, threshold: float | None = None
) -> list[Answerer]:
    """Let the model a gallery was made with name the people in it; the others answer as before.

    Raises:
        OptionError: No model compares faces.
        GalleryError: The file cannot be used, or was made with another model.
    """
    gallery = Gallery.load(path)
    known = [c for c in classifiers if "embedding" in c.session.outputs]
    if not known:
        raise OptionError("--gallery: none of the models compares faces; add --model faces")
    fitting = next((c for c in known if weights_id(c.session.card) == gallery.weights), known[0])
    return [
        Identifier(c.session, gallery, threshold, str(path)) if c is fitting else c
        for c in classifiers
    ]
