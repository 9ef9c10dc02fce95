"""From folders of photos to a run folder: what every classification recipe does."""

from __future__ import annotations

import hashlib
import shlex
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from edge_runtime.apps.progress import progress
from edge_runtime.errors import OptionError
from edge_runtime.faces.detector import OnnxFaceDetector
from edge_runtime.measure.machine import describe_machine
from edge_runtime.measure.scoring import score_report, withhold_below
from edge_runtime.model.card import InputSpec, ModelCard, Reject
from edge_runtime.model.catalog import find_model
from edge_runtime.model.session import SessionOptions, open_session
from train.data.batches import one_hot
from train.data.clean import Dataset, read_dataset
from train.data.face_crops import cut_faces
from train.data.folders import scan
from train.data.inspect import inspect
from train.data.samples import Sample
from train.data.votes import read_votes, voted_targets
from train.errors import DataError, RunError
from train.identity import train_identity
from train.job import Job, Trained
from train.networks.backbones import check_backbone
from train.networks.exported_faces import exported_file
from train.options import TrainOptions
from train.precision import choose_policy, make_deterministic
from train.recipe import SHIPPED, Plan, Recipe
from train.report.make import write_report
from train.run_folder import RunFolder, command_line, git_commit
from train.scoring import answers, cool, truth_of
from train.softmax import train_softmax

__all__ = ["train_classifier"]

_BALANCES = ("none", "sqrt", "full")


def train_classifier(recipe: Recipe, module: ModuleType, options: TrainOptions) -> None:
    """Train, score and write a run folder.

    Args:
        recipe: What to train.
        module: Where the recipe is written; its text is kept with the run.
        options: What the user set.

    Raises:
        OptionError: An option does not fit the recipe.
        DataError: The folders cannot be trained on.
        RunError: The run folder cannot be used, or the run was interrupted.
    """
    architecture, plan = _plan(recipe, options)
    choose_policy(options.precision, bool(plan.backbone))
    _check_files(plan, options)
    run = RunFolder(options.output, _arguments(architecture, plan, options), options.resume)
    keras.utils.set_random_seed(options.seed)
    if options.deterministic:
        make_deterministic()
    dataset = read_dataset(options.data, options.classes, options.seed, recipe.aliases)
    labels = recipe.labels({s.label for s in dataset.samples}, options.classes)
    spec = recipe.input(plan.size_px)
    background = _background(options)
    run.use([*dataset.samples, *background])
    try:
        if recipe.find_faces:
            dataset, background = _faces_of(dataset, background, spec, run)
        _tell(dataset)
        train = dataset.of("train")
        job = Job(
            plan=plan,
            dataset=dataset,
            labels=labels,
            targets=one_hot(train, labels),
            votes=_votes(train, labels, options),
            weights=_weights(train, options.balance),
            spec=spec,
            run=run,
            options=options,
            background=tuple(background),
        )
        trained = train_identity(job) if plan.embedding else train_softmax(job)
    except KeyboardInterrupt:
        raise RunError(
            "interrupted before the first epoch; go on with the same options and --output "
            f"{run.path} --resume"
        ) from None
    except Exception:
        run.abandon()
        raise
    _finish(trained, job, recipe, module, architecture)


def _plan(recipe: Recipe, options: TrainOptions) -> tuple[str, Plan]:
    """Return the architecture's plan with what the user set in place of its own."""
    name = options.architecture or next(iter(recipe.plans))
    if name not in recipe.plans:
        raise OptionError(f"--architecture {name}: expected {' or '.join(recipe.plans)}")
    if options.balance not in _BALANCES:
        raise OptionError(f"--balance {options.balance}: expected {' or '.join(_BALANCES)}")
    labels = recipe.labels(set(), options.classes) if options.classes else ()
    twice = next((label for label, count in Counter(labels).items() if count > 1), None)
    if twice is not None:
        raise OptionError(f"--classes {','.join(options.classes or ())}: {twice} is there twice")
    plan = recipe.plans[name]
    if (options.backbone or options.weights) and not plan.backbone:
        raise OptionError(f"--backbone, --weights: architecture {name} has no backbone")
    if options.background and not (plan.embedding and not plan.frozen):
        raise OptionError("--background teaches an embedding: take --architecture identity")
    if options.balance != "none" and plan.embedding:
        raise OptionError("--balance: people are told apart by directions; none counts more")
    if (options.weights or plan.weights) == SHIPPED and (options.backbone or options.size):
        raise OptionError(
            f"--backbone, --size: architecture {name} takes the shipped face model as it is; name "
            "another with --weights FILE.onnx"
        )
    asked = (options.epochs, options.learning_rate, options.patience)
    if plan.frozen and options.weights == "none":
        raise OptionError(
            f"--weights none: architecture {name} trains only what follows its backbone; take "
            "imagenet or a file"
        )
    if plan.frozen and any(value is not None for value in asked):
        raise OptionError(
            f"--epochs, --learning-rate, --patience: architecture {name} trains its head alone, "
            "in one go"
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
    }
    plan = replace(plan, **{k: v for k, v in changed.items() if v is not None})
    if plan.exported and not plan.embedding:
        raise OptionError(
            f"--weights {plan.weights}: an exported model starts faces alone; take imagenet, none "
            "or a file of Keras weights"
        )
    return name, plan


def _check_files(plan: Plan, options: TrainOptions) -> None:
    """Refuse wrong files and folders before the photos are read, which may take minutes."""
    if plan.exported:
        exported_file(plan.weights)
    elif plan.backbone:
        check_backbone(plan.backbone, plan.weights, plan.size_px)
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


def _arguments(architecture: str, plan: Plan, options: TrainOptions) -> dict[str, Any]:
    """Return what defines a run, by the names of the options."""
    return {
        "data": str(options.data.resolve()),
        "classes": options.classes and list(options.classes),
        "architecture": architecture,
        "backbone": plan.backbone,
        "weights": plan.weights if plan.backbone else "none",
        "size": plan.size_px,
        "epochs": plan.epochs,
        "batch": plan.batch,
        "learning-rate": plan.learning_rate,
        "votes": options.votes and [str(options.votes.resolve()), _content(options.votes)],
        "background": options.background and str(options.background.resolve()),
        "balance": options.balance,
        "patience": options.patience,
        "precision": options.precision,
        "deterministic": options.deterministic,
        "seed": options.seed,
    }


def _content(path: Path) -> str:
    try:
        return hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None


def _tell(dataset: Dataset) -> None:
    counts = Counter(s.split for s in dataset.samples)
    split = ", ".join(f"{counts[name]} {name}" for name in ("train", "val", "test"))
    _say(f"{len(dataset.samples)} photos: {split} ({dataset.rule})")
    kinds = Counter((p.kind, p.kept) for p in dataset.problems)
    for (kind, kept), count in sorted(kinds.items()):
        example = next(p for p in dataset.problems if (p.kind, p.kept) == (kind, kept))
        what = "worth a look" if kept else "left out"
        more = f", and {count - 1} more" if count > 1 else ""
        _say(f"{what}, {kind}: {example.path}: {example.detail}{more}")


def _votes(
    samples: Sequence[Sample], labels: tuple[str, ...], options: TrainOptions
) -> npt.NDArray[np.float32] | None:
    if options.votes is None:
        return None
    return voted_targets(samples, labels, read_votes(options.votes, labels), options.data)


def _weights(samples: Sequence[Sample], balance: str) -> npt.NDArray[np.float32] | None:
    """Return how much each photo counts: classes alike (full), halfway there (sqrt), or None."""
    if balance == "none":
        return None
    counts = Counter(s.label for s in samples)
    power = 1.0 if balance == "full" else 0.5
    raw = np.array([counts[s.label] ** -power for s in samples])
    return np.asarray(raw / raw.mean(), np.float32)


def _background(options: TrainOptions) -> list[Sample]:
    """Return the photos of people who only teach, all of them for training."""
    if options.background is None:
        return []
    files = scan(options.background)
    with progress("looking at the other people", len(files)) as step:
        found, _ = inspect(files, step)
    return [replace(sample, split="train") for sample, _ in found]


def _faces_of(
    dataset: Dataset, background: list[Sample], spec: InputSpec, run: RunFolder
) -> tuple[Dataset, list[Sample]]:
    """Return both with the photos' faces in place of the photos."""
    detector = OnnxFaceDetector(open_session(find_model("detector"), SessionOptions("cpu")))
    total = len(dataset.samples) + len(background)
    with progress("finding the faces", total) as step:
        samples, problems = cut_faces(dataset.samples, detector, spec, run.path / "faces", step)
        taught, _ = cut_faces(background, detector, spec, run.path / "faces", step)
    for split in ("train", "val"):
        left = {s.label for s in samples if s.split == split}
        lost = sorted({s.label for s in dataset.of(split)} - left)
        if lost:
            raise DataError(
                f"{lost[0]}: no face was found in any of the photos to {split} on; add some with "
                "a face that is larger or more to the front, or leave the person out (--classes)"
            )
    return replace(dataset, samples=samples, problems=[*dataset.problems, *problems]), taught


def _finish(
    trained: Trained, job: Job, recipe: Recipe, module: ModuleType, architecture: str
) -> None:
    """Set the scores right on val, ask test once, and write everything down."""
    model, plan, options = trained.model, job.plan, job.options
    val = job.dataset.of("val")
    truth = truth_of(val, job.labels)
    found = cool(model, answers(model, val, job.spec), truth)
    scores = answers(model, val, job.spec)
    below = None if trained.reject else withhold_below(scores, truth)
    metrics = {"val": score_report(scores, truth, job.labels, below)}
    test = job.dataset.of("test")
    if test:
        tested = answers(model, test, job.spec)
        metrics["test"] = score_report(tested, truth_of(test, job.labels), job.labels, below)
    machine = describe_machine()
    origin = {
        "recipe": f"train/recipes/{recipe.name}.py",
        "architecture": architecture,
        "backbone": plan.backbone or None,
        "weights": Path(plan.weights).name if plan.backbone else None,
        "epochs": None if plan.frozen else plan.epochs,
        "seed": options.seed,
        "temperature": round(found, 4),
        "minutes": round(trained.seconds / 60, 1),
        "machine": f"{machine['cores']} cores, {machine['cpu']}",
        "command": command_line(names_only=True),
        "commit": git_commit(),
        "data": options.data.name,
        "votes": options.votes and options.votes.name,
    }
    card = ModelCard(
        name=options.name or recipe.name,
        task=recipe.task,
        labels=job.labels,
        input=job.spec,
        reject=trained.reject or (None if below is None else Reject("probability", below)),
        provenance={k: v for k, v in origin.items() if v is not None},
    )
    run = job.run
    run.finish(model, card, job.dataset.samples, metrics, module, job.dataset.problems)
    report = write_report(run.path, job.say, model)
    for name, reached in metrics.items():
        job.say(f"{name} accuracy {reached['accuracy']:.4f}, n {reached['n']}")
    job.say(f"wrote {run.path}; look at {report}")
    # Named after the run: a file called faces.onnx would be taken for the shipped one elsewhere.
    words = ["python", "-m", "export", str(run.path), f"{run.path.resolve().name}.onnx"]
    job.say(f"next: {shlex.join(words)}")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
