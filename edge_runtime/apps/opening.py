"""From the names on a command line to open models, and a word where a provider is not the one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from edge_runtime.errors import OptionError
from edge_runtime.model.catalog import find_model
from edge_runtime.model.classifier import Classifier, choose_labels
from edge_runtime.model.session import Session, SessionOptions, open_session

__all__ = ["open_classifiers", "open_model"]


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
