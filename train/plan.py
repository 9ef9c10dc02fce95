"""What the user asked for: a recipe's plan with their options in it, or why that cannot be."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

from edge_runtime.errors import OptionError
from train.data.feature_table import FeatureKey, making
from train.data.samples import file_content
from train.errors import DataError
from train.networks.backbones import check_backbone
from train.networks.exported import exported_file
from train.options import TrainOptions
from train.recipe import SHIPPED, Plan, Recipe, Schedule

__all__ = ["check_files", "plan_for", "run_arguments"]

_BALANCES = ("none", "sqrt", "full")


def plan_for(
    recipe: Recipe, options: TrainOptions, features: FeatureKey | None = None
) -> tuple[str, Plan]:
    """Return the architecture's plan with what the user set in place of its own.

    Args:
        recipe: The task.
        options: What the user set.
        features: Of the photos, where they were computed before: what the head is trained on.
    """
    name = options.architecture or next(iter(recipe.plans))
    if name not in recipe.plans:
        raise OptionError(f"--architecture {name}: expected {' or '.join(recipe.plans)}")
    if options.balance not in _BALANCES:
        raise OptionError(f"--balance {options.balance}: expected {' or '.join(_BALANCES)}")
    if options.schedule not in (None, *get_args(Schedule)):
        raise OptionError(
            f"--schedule {options.schedule}: expected {' or '.join(get_args(Schedule))}"
        )
    labels = recipe.labels(set(), options.classes) if options.classes else ()
    twice = next((label for label, count in Counter(labels).items() if count > 1), None)
    if twice is not None:
        raise OptionError(f"--classes {','.join(options.classes or ())}: {twice} is there twice")
    plan = recipe.plans[name]
    if (options.backbone or options.weights) and not plan.backbone:
        raise OptionError(f"--backbone, --weights: architecture {name} has no backbone")
    if features is not None:
        plan = _on_features(plan, name, recipe, options, features)
    if (options.background or options.for_gallery) and not plan.embedding:
        raise OptionError(
            f"--background, --for-gallery: architecture {name} compares no faces; take head or "
            "identity"
        )
    if options.balance != "none" and plan.embedding:
        raise OptionError("--balance: people are told apart by directions; none counts more")
    if (options.weights or plan.weights) == SHIPPED and (options.backbone or options.size):
        raise OptionError(
            f"--backbone, --size: architecture {name} takes the shipped face model as it is; name "
            "another with --weights FILE.onnx"
        )
    asked = (
        options.epochs, options.learning_rate, options.patience, options.schedule, options.ema
    )  # fmt: skip
    if plan.frozen and plan.weights != "none" and options.weights == "none":
        raise OptionError(
            f"--weights none: architecture {name} trains only what follows its backbone; take "
            "imagenet or a file"
        )
    if plan.frozen and any(value is not None for value in asked):
        raise OptionError(
            f"--epochs, --learning-rate, --patience, --schedule, --ema: architecture {name} trains "
            "its head alone, in one go"
        )
    if options.votes and options.patience is not None:
        raise OptionError(
            "--patience: votes give way to the labels over all epochs; take a smaller --epochs"
        )
    changed: dict[str, Any] = {
        "backbone": options.backbone,
        "weights": options.weights,
        "size_px": options.size,
        "epochs": options.epochs,
        "batch": options.batch,
        "learning_rate": options.learning_rate,
        "schedule": options.schedule,
        "ema": options.ema,
    }
    plan = replace(plan, **{k: v for k, v in changed.items() if v is not None})
    if plan.exported and not plan.embedding:
        raise OptionError(
            f"--weights {plan.weights}: an exported model starts faces alone; take imagenet, none "
            "or a file of Keras weights"
        )
    return name, plan


def _on_features(
    plan: Plan, name: str, recipe: Recipe, options: TrainOptions, features: FeatureKey
) -> Plan:
    if not plan.backbone:
        raise OptionError(
            f"--head: architecture {name} of {recipe.name} has no backbone that looks at whole "
            "photos"
        )
    asked = options.backbone or features.backbone, options.size or features.size_px
    if asked != (features.backbone, features.size_px):
        other = replace(
            features,
            backbone=asked[0],
            size_px=asked[1],
            given=options.weights or ("none" if features.given == "none" else plan.weights),
        )
        raise OptionError(
            f"--backbone, --size: {options.head} was made with {features.backbone} at "
            f"{features.size_px} px; leave them away, or make others: "
            f"{making(other, options.data, Path('NEW.npz'))}"
        )
    # A file may lie elsewhere by now, and is then named by --weights.
    known = features.given in ("none", "imagenet") or Path(features.given).is_file()
    return replace(
        plan,
        weights=features.given if known else plan.weights,
        backbone=features.backbone,
        size_px=features.size_px,
        enlarged_px=features.enlarged_px,
        views=1,  # as many as the features are of
        frozen=True,
    )


def check_files(plan: Plan, options: TrainOptions) -> None:
    """Refuse wrong files and folders before the photos are read, which may take minutes."""
    if plan.exported:
        exported_file(plan.weights)
    elif plan.backbone:
        check_backbone(plan.backbone, plan.weights, plan.enlarged_px or plan.size_px)
    for name, folder in (("--data", options.data), ("--background", options.background)):
        if folder is None:
            continue
        if not folder.is_dir():
            raise DataError(f"{name} {folder}: no such folder; it wants one with a folder a class")
        if options.output.resolve().is_relative_to(folder.resolve()):
            raise OptionError(
                f"--output {options.output}: lies in {name} {folder}, whose folders are classes; "
                "choose a place beside it"
            )


def run_arguments(architecture: str, plan: Plan, options: TrainOptions) -> dict[str, Any]:
    """Return what defines a run, by the names of the options."""
    return {
        "data": str(options.data.resolve()),
        "classes": options.classes and list(options.classes),
        "architecture": architecture,
        "backbone": plan.backbone,
        "weights": _weights(plan),
        "size": plan.size_px,
        "epochs": plan.epochs,
        "batch": plan.batch,
        "learning-rate": plan.learning_rate,
        "schedule": plan.schedule,
        "ema": plan.ema,
        "votes": options.votes and [str(options.votes.resolve()), file_content(options.votes)],
        "background": options.background and str(options.background.resolve()),
        "for-gallery": options.for_gallery,
        "head": options.head and [str(options.head.resolve()), file_content(options.head)],
        "balance": options.balance,
        "patience": options.patience,
        "precision": options.precision,
        "deterministic": options.deterministic,
        "seed": options.seed,
    }


def _weights(plan: Plan) -> str | list[str]:
    """Return what names a start: a word, or a file by its place and content."""
    path = exported_file(plan.weights) if plan.exported else Path(plan.weights)
    if not plan.backbone or not path.is_file():
        return plan.weights if plan.backbone else "none"
    return [str(path.resolve()), file_content(path)]
