"""`python -m train`: one command a recipe."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from collections.abc import Callable
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

# Help must not load Keras, so the recipes' architectures are repeated here.
_NO_BACKBONE = frozenset({"backbone", "weights", "head"})
_NO_FACES = frozenset({"background", "for_gallery"})
_NO_VOTES = frozenset({"votes"})
CLASSIFIERS = {
    "objects": (
        "Objects in small pictures, from a folder a class. The last three are the steps to seed.",
        "--data cifar10/",
        ("transfer", "residual", "seed", "dense", "convolutions", "pooling"),
        _NO_FACES | _NO_VOTES,
    ),
    "pets": (
        "Cat or dog, or any few kinds of photos, from a folder a class, by transfer.",
        "--data cats_dogs/",
        ("transfer", "seed"),
        _NO_FACES | _NO_VOTES,
    ),
    "expression": (
        "Facial expressions, from a folder a class of face crops.",
        "--data fer2013/ --votes votes.csv",
        ("residual", "seed"),
        _NO_BACKBONE | _NO_FACES,
    ),
    "digits": (
        "Handwritten digits, or other signs, from a folder a class.",
        "--data mnist/",
        ("residual", "seed"),
        _NO_BACKBONE | _NO_FACES | _NO_VOTES,
    ),
    "imagenette": (
        "Kinds of photos, from a folder a class: by transfer, or from nothing.",
        "--data imagenette/",
        ("transfer", "basic", "seed"),
        _NO_FACES | _NO_VOTES,
    ),
    "dogs": (
        "Dog or none, or other kinds of small photos, from a backbone's features.",
        "--data dogs/",
        ("features", "transfer", "seed"),
        _NO_FACES | _NO_VOTES,
    ),
    "faces": (
        "Who is it: people, from a folder a person; the photos may be whole.",
        "--data people/",
        ("head", "identity", "seed"),
        _NO_VOTES | {"head"},
    ),
}


@app.callback()
def _train() -> None:
    """Train the models; each command writes a run folder for `python -m export`.

    Example: python -m train pets --data photos/ --output runs/pets
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


Data = Annotated[Path, typer.Option(help="Folder with a folder a class.")]
Output = Annotated[Path, typer.Option(help="Run folder to write.")]
Seed = Annotated[
    int, typer.Option(min=0, max=40_000, help="Of split, weights, order and augmentation.")
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with an interrupted run.")]


def _classifier(recipe: str, lacks: frozenset[str]) -> Callable[..., None]:
    """Return the command of a classification recipe: all options but those it lacks."""

    def command(
        data: Data,
        output: Output,
        name: Annotated[str | None, typer.Option(help="Name of the model.")] = None,
        classes: Annotated[
            str, typer.Option(help="Class folders to use, in order, comma separated. Default: all.")
        ] = "",
        architecture: Annotated[str | None, typer.Option(help="One of those named above.")] = None,
        backbone: Annotated[
            str | None,
            typer.Option(
                help="mobilenet-A, mobilenetv2-A (A: width), mobilenetv3-small, "
                "mobilenetv3-large, vgg16."
            ),
        ] = None,
        weights: Annotated[
            str | None,
            typer.Option(
                help="What a backbone starts from: imagenet, none, a file, shipped (faces)."
            ),
        ] = None,
        size: Annotated[
            int | None, typer.Option(min=16, max=512, help="Side of the input, px.")
        ] = None,
        epochs: Annotated[
            int | None, typer.Option(min=1, help="Passes over the training photos.")
        ] = None,
        batch: Annotated[int | None, typer.Option(min=2, help="Photos a step.")] = None,
        learning_rate: Annotated[
            float | None, typer.Option(min=1e-7, help="Largest of the run.")
        ] = None,
        schedule: Annotated[
            str | None, typer.Option(help="Of the learning rate: one-cycle, cosine or constant.")
        ] = None,
        ema: Annotated[
            float | None,
            typer.Option(min=0, max=0.99999, help="Keep an average of the weights, as 0.999."),
        ] = None,
        votes: Annotated[
            Path | None, typer.Option(help="CSV of votes: file, and a column a label.")
        ] = None,
        background: Annotated[
            Path | None,
            typer.Option(
                help="Folder of further people, who are no answers: they teach an embedding "
                "(identity), or measure how strangers look to it (head)."
            ),
        ] = None,
        for_gallery: Annotated[
            bool,
            typer.Option(
                "--for-gallery",
                help="People are to be enrolled on the device; those here are answers only with "
                "--labels.",
            ),
        ] = False,
        head: Annotated[
            Path | None,
            typer.Option(
                help="Features of the photos, by python -m train features: only what follows them "
                "is trained, in seconds."
            ),
        ] = None,
        balance: Annotated[
            str, typer.Option(help="Let rare classes count more: none, sqrt or full.")
        ] = "none",
        patience: Annotated[
            int | None,
            typer.Option(min=1, help="Stop after so many epochs without a better val accuracy."),
        ] = None,
        precision: Annotated[
            str, typer.Option(help="auto, float32, bfloat16 or float16 (mixed).")
        ] = "auto",
        deterministic: Annotated[
            bool, typer.Option("--deterministic", help="Same seed, same weights; slower.")
        ] = False,
        seed: Seed = 0,
        resume: Resume = False,
    ) -> None:
        with native_noise_silenced():
            from train.classifier import train_classifier
            from train.options import TrainOptions

            module = importlib.import_module(f"train.recipes.{recipe}")
        options = TrainOptions(
            data, output, name, _names(classes), architecture, backbone, weights, size, epochs,
            batch, learning_rate, schedule, ema, votes, background, for_gallery, balance, patience,
            precision, deterministic, seed, resume, head,
        )  # fmt: skip
        train_classifier(module.RECIPE, module, options)

    signature = inspect.signature(command, eval_str=True)
    kept = [p for name, p in signature.parameters.items() if name not in lacks]
    command.__signature__ = signature.replace(parameters=kept)  # type: ignore[attr-defined]
    return command


for _name, (_line, _example, _architectures, _lacks) in CLASSIFIERS.items():
    app.command(
        _name,
        help=f"{_line}\n\nArchitectures: {', '.join(_architectures)}; the first is the default, "
        "seed is the teaching notebook's own.\n\n"
        f"Example: python -m train {_name} {_example} --output runs/{_name}",
    )(_classifier(_name, _lacks))


@app.command()
def report(
    run: Annotated[Path, typer.Argument(help="A finished run folder.")],
    unseen: Annotated[
        Path | None, typer.Option(help="Folder of photos without labels to show answers for.")
    ] = None,
) -> None:
    """Write report.html of a run again, also with photos of your own.

    Example: python -m train report runs/pets --unseen holiday/
    """
    with native_noise_silenced():
        from train.report.make import write_report

    print(write_report(run, lambda line: print(line, file=sys.stderr), unseen=unseen))


@app.command()
def features(
    data: Data,
    output: Annotated[Path, typer.Option(help="File to write, FEATURES.npz.")],
    backbone: Annotated[
        str, typer.Option(help="As of the recipes: mobilenet-A, mobilenetv2-A, ..., vgg16.")
    ] = "mobilenet-0.75",
    weights: Annotated[
        str, typer.Option(help="What the backbone starts from: imagenet, none or a file.")
    ] = "imagenet",
    size: Annotated[int, typer.Option(min=16, max=512, help="Side of the input, px.")] = 192,
    enlarge: Annotated[
        int | None,
        typer.Option(min=16, max=512, help="Side to which the graph enlarges small photos, px."),
    ] = None,
    resume: Resume = False,
) -> None:
    """Compute once what a backbone sees in photos, to train heads on with --head.

    Example: python -m train features --data cats_dogs/ --output features.npz
    """
    with native_noise_silenced():
        from train.features import extract_features

    extract_features(
        data, output, backbone=backbone, weights=weights, size_px=size, enlarged_px=enlarge or 0,
        resume=resume,
    )  # fmt: skip


@app.command()
def detector(
    boxes: Annotated[Path, typer.Option(help="Folder with annotations.json and images/.")],
    portraits: Annotated[Path, typer.Option(help="Folder of aligned 112 px portraits.")],
    faceless: Annotated[list[Path], typer.Option(help="Folder of pictures without people.")],
    output: Output,
    people: Annotated[
        Path | None, typer.Option(help="Photos of people, faces marked by scripts/mark_faces.py.")
    ] = None,
    landmarks: Annotated[
        Path | None, typer.Option(help="Eyes, nose and mouth, by scripts/mark_landmarks.py.")
    ] = None,
    weights: Annotated[
        str, typer.Option(help="What to go on from: none, shipped, or an exported .onnx.")
    ] = "none",
    epochs: Annotated[
        int | None,
        typer.Option(min=1, help="Of 100 batches of 32 scenes. Default: 80; 40 to go on."),
    ] = None,
    seed: Seed = 0,
    resume: Resume = False,
) -> None:
    """The face detector, from annotated photos and portraits.

    Example: python -m train detector --boxes boxes/ --portraits lfw/ --faceless
    cats_dogs/train/ --output runs/detector
    """
    with native_noise_silenced():
        from train.recipes.detector import train_detector

    train_detector(
        boxes, portraits, faceless, output, people=people, landmarks=landmarks, weights=weights,
        epochs=epochs, seed=seed, resume=resume,
    )  # fmt: skip


def _names(text: str) -> tuple[str, ...] | None:
    return tuple(name.strip() for name in text.split(",") if name.strip()) or None
