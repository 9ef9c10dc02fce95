"""What a user may set for a classification recipe."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["TrainOptions"]


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """What a user may set; None takes the recipe's own.

    Attributes:
        data: Folder with a folder a class.
        output: The run folder to write.
        name: Of the model.
        classes: Which folders, in output order.
        architecture: Which of the recipe's plans.
        backbone: Another backbone, for plans that have one.
        weights: What the backbone starts from: imagenet, none, a file, and for faces shipped or an
            exported .onnx; None takes the plan's.
        size: Side of the input, px.
        epochs: Passes over the training photos.
        batch: Photos a step.
        learning_rate: Largest of the run.
        schedule: Of the learning rate, see `train.recipe.Plan`.
        ema: Momentum of the average of the weights.
        votes: Table of votes, see `train.data.votes.read_votes`.
        background: Folder with a folder a person who is no answer: they teach an embedding, or
            measure how strangers look to one.
        for_gallery: People are to be enrolled on the device; these are answers only on request.
        balance: How far rare classes count more: none, sqrt, or full.
        patience: Stop early; see `train.fit.fit`.
        precision: See `train.precision.choose_policy`.
        deterministic: The same seed gives the same weights.
        seed: Of the split, the weights, the order and the augmentation.
        resume: Go on with an interrupted run.
        head: Features of the photos, see `train.features`: only the head is trained, on them.
    """

    data: Path
    output: Path
    name: str | None = None
    classes: tuple[str, ...] | None = None
    architecture: str | None = None
    backbone: str | None = None
    weights: str | None = None
    size: int | None = None
    epochs: int | None = None
    batch: int | None = None
    learning_rate: float | None = None
    schedule: str | None = None
    ema: float | None = None
    votes: Path | None = None
    background: Path | None = None
    for_gallery: bool = False
    balance: str = "none"
    patience: int | None = None
    precision: str = "auto"
    deterministic: bool = False
    seed: int = 0
    resume: bool = False
    head: Path | None = None
