"""Writing a run folder as `python -m train` does."""

import csv
from pathlib import Path
from typing import Any

from edge_runtime.model.card import ModelCard


def write_run(folder: Path, model: Any, card: ModelCard, samples: list[tuple[Path, str]]) -> Path:
    """Write a Keras model, its card and photos: of each four two train, one val, one test."""
    folder.mkdir(exist_ok=True)
    model.save(folder / "model.keras")
    (folder / "card.json").write_text(card.to_json())
    with (folder / "split.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("path", "label", "split"))
        splits = ("train", "train", "val", "test")
        rows.writerows((p, label, splits[i % 4]) for i, (p, label) in enumerate(samples))
    return folder
