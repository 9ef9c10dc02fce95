"""`python -m train`: one command a recipe."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from edge_runtime.cli_errors import EdgeGroup, native_noise_silenced

app = typer.Typer(
    cls=EdgeGroup,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@app.callback()
def _train() -> None:
    """Train the models; each command writes a run folder for `python -m export`."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


Data = Annotated[Path, typer.Option(help="Folder with the training photos.")]
Output = Annotated[Path, typer.Option(help="Run folder to write.")]
Epochs = Annotated[int, typer.Option(min=1, help="Passes over the training photos.")]
Seed = Annotated[int, typer.Option(help="Of split, weights, order and augmentation.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with an interrupted run.")]


@app.command()
def expression(
    data: Data,
    output: Output,
    name: Annotated[str, typer.Option(help="Name of the model.")] = "expression",
    classes: Annotated[
        str, typer.Option(help="Class folders to use, in order, comma separated. Default: all.")
    ] = "",
    architecture: Annotated[
        str, typer.Option(help="residual, or seed: the notebook's 3 convolutions.")
    ] = "residual",
    size: Annotated[int, typer.Option(min=32, max=256, help="Side of the input, px.")] = 48,
    epochs: Epochs = 26,
    seed: Seed = 0,
    resume: Resume = False,
) -> None:
    """Facial expressions from a folder a class.

    Example: python -m train expression --data fer2013/ --output runs/expression
    """
    with native_noise_silenced():
        from train.recipes.expression import train_expression

    train_expression(
        data, output, name=name, classes=_names(classes),
        architecture=architecture, size_px=size, epochs=epochs, seed=seed, resume=resume,
    )  # fmt: skip


@app.command()
def detector(
    boxes: Annotated[Path, typer.Option(help="Folder with annotations.json and images/.")],
    portraits: Annotated[Path, typer.Option(help="Folder of aligned 112 px portraits.")],
    faceless: Annotated[list[Path], typer.Option(help="Folder of pictures without people.")],
    output: Output,
    people: Annotated[
        Path | None, typer.Option(help="Annotated photos whose faces are only ignored.")
    ] = None,
    epochs: Annotated[int, typer.Option(min=1, help="Of 100 batches of 32 scenes.")] = 46,
    seed: Seed = 0,
    resume: Resume = False,
) -> None:
    """The face detector, from annotated photos and portraits.

    Example: python -m train detector --boxes face_boxes/ --portraits lfw/ --faceless
    cats_dogs/train/ --output runs/detector
    """
    with native_noise_silenced():
        from train.recipes.detector import train_detector

    train_detector(
        boxes, portraits, faceless, output, people=people, epochs=epochs, seed=seed, resume=resume
    )


def _names(text: str) -> tuple[str, ...] | None:
    return tuple(name.strip() for name in text.split(",") if name.strip()) or None
