"""What a way of training is given, and what it gives back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from edge_runtime.model.card import InputSpec, Reject
from train.data.clean import Dataset
from train.data.feature_table import FeatureTable
from train.data.samples import Sample
from train.display import say
from train.options import TrainOptions
from train.recipe import Plan
from train.run_folder import RunFolder

__all__ = ["Job", "Trained"]


@dataclass(frozen=True, slots=True)
class Job:
    """One training.

    Attributes:
        plan: How, with what the user set in place of the recipe's own.
        dataset: The photos.
        labels: In output order.
        targets: float32 (N, K) of the training photos, by their labels.
        votes: float32 (N, K), what people voted on them, or None.
        weights: float32 (N,), how much each counts, or None.
        spec: The model's input.
        run: The run folder, already told its photos.
        options: What the user set.
        features: Of the photos, computed before, or None.
        background: Photos of further people, who are no answers: they teach an embedding, or
            measure how strangers look to one.
    """

    plan: Plan
    dataset: Dataset
    labels: tuple[str, ...]
    targets: npt.NDArray[np.float32]
    votes: npt.NDArray[np.float32] | None
    weights: npt.NDArray[np.float32] | None
    spec: InputSpec
    run: RunFolder
    options: TrainOptions
    features: FeatureTable | None = None
    background: tuple[Sample, ...] = ()

    def say(self, line: str) -> None:
        """Tell the user."""
        say(line)


@dataclass(frozen=True, slots=True)
class Trained:
    """What came out.

    Attributes:
        model: float32; its head is a Dense softmax named `scores`.
        seconds: Time it took, that before a resume included.
        reject: When answers are withheld; None leaves that to be set by the scores on val.
        impostors: How alike two people look to an embedding, see `edge_runtime.measure.impostors`.
    """

    model: keras.Model
    seconds: float
    reject: Reject | None = None
    impostors: dict[str, Any] | None = None
