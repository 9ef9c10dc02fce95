"""Reading a finished run folder and writing its page."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from edge_runtime.apps.opening import open_detector
from edge_runtime.errors import ImageError
from edge_runtime.files import write_whole
from edge_runtime.media.image import IMAGE_SUFFIXES, read_for
from edge_runtime.model.card import ModelCard
from edge_runtime.model.session import SessionOptions
from train.data.face_crops import cut_faces
from train.data.samples import Problem, Sample, file_content
from train.errors import DataError, RunError
from train.report.page import Answered, RunFacts, page
from train.scoring import answers

__all__ = ["write_report"]

_MOST_TRAINED = 10_000


def write_report(
    run: Path,
    say: Callable[[str], None],
    model: keras.Model | None = None,
    unseen: Path | None = None,
) -> Path:
    """Write report.html into a finished run folder.

    Args:
        run: The run folder.
        say: Told what takes time.
        model: Its model, where the caller has it at hand.
        unseen: Folder of photos without labels to show answers for; None draws from the test.

    Returns:
        The page.

    Raises:
        RunError: The run is not finished, is a detector's, or a file of it is damaged.
        DataError: `unseen` holds no photo.
    """
    card, metrics, samples = _read(run)
    pictures = _pictures(unseen, card, run) if unseen else None
    if model is None:
        model = _load(run / "model.keras")
    asked_name = "test" if any(s.split == "test" for s in samples) else "val"
    asked = [s for s in samples if s.split == asked_name]
    trained = [s for s in samples if s.split == "train"]
    if len(trained) > _MOST_TRAINED:
        chosen = np.random.default_rng(0).permutation(len(trained))[:_MOST_TRAINED]
        trained = [trained[int(i)] for i in np.sort(chosen)]
    say(f"asking the model about {len(asked) + len(trained)} photos for the report")

    def ask(photos: Sequence[Sample]) -> Answered:
        return Answered(photos, answers(model, photos, card.input))

    facts = RunFacts(
        card=card,
        command=(run / "command.txt").read_text("utf-8").strip(),
        metrics=metrics,
        history=_history(run / "history.csv"),
        counts=dict(Counter((s.label, s.split) for s in samples)),
        problems=_problems(run / "problems.csv"),
        asked=ask(asked),
        asked_name=asked_name,
        trained=ask(trained),
        unseen=ask(pictures) if pictures else None,
    )
    target = run / "report.html"
    write_whole(target, page(facts).encode(errors="backslashreplace"))
    return target


def _read(run: Path) -> tuple[ModelCard, dict[str, Any], list[Sample]]:
    for name in ("model.keras", "card.json", "metrics.json", "split.csv", "command.txt"):
        if not (run / name).is_file():
            raise RunError(f"{run}: no {name}; a report is made from a finished run folder")
    card = ModelCard.from_json((run / "card.json").read_text("utf-8"), str(run / "card.json"))
    if card.task == "detection":
        raise RunError(f"{run}: a detector's run; reports are made for classifiers")
    try:
        metrics = json.loads((run / "metrics.json").read_text("utf-8"))
    except ValueError as error:
        raise RunError(f"{run}: metrics.json is damaged ({error})") from None
    with (run / "split.csv").open(newline="", encoding="utf-8") as file:
        samples = [Sample(run / r["path"], r["label"], r["split"]) for r in csv.DictReader(file)]
    gone = next((s.path for s in samples if not s.path.is_file()), None)
    if gone is not None:
        raise RunError(f"{gone}: in split.csv but not there; put the training data back")
    return card, metrics, samples


def _history(path: Path) -> dict[str, list[float]]:
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {name: [float(row[name]) for row in rows] for name in rows[0]} if rows else {}


def _problems(path: Path) -> list[Problem]:
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [
            Problem(
                Path(row["path"]),
                row["kind"],
                row["detail"],
                row["label"],
                Path(row["other"]) if row["other"] else None,
                row["kept"] == "yes",
            )
            for row in csv.DictReader(file)
        ]


def _load(path: Path) -> keras.Model:
    try:
        return keras.saving.load_model(path, compile=False)
    except (ValueError, TypeError, OSError) as error:
        raise RunError(f"{path}: Keras cannot load it ({str(error).splitlines()[0]})") from None


def _pictures(folder: Path, card: ModelCard, run: Path) -> list[Sample]:
    """Return photos as samples; of photos for a face model, their faces."""
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder")
    found = []
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in IMAGE_SUFFIXES:
            try:
                read_for(path, card.input)
            except ImageError:
                continue
            found.append(Sample(path, "unseen", "test", content=file_content(path)))
    if not found:
        raise DataError(f"{folder}: no pictures to show answers for")
    if card.input.region == "face":
        detector = open_detector("detector", SessionOptions("cpu"))
        found, _ = cut_faces(found, detector, card.input, run / "faces", lambda: None)
    return found
