"""From folders of photos to a run folder: what every classification recipe does."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import keras
import numpy as np
import numpy.typing as npt

from edge_runtime.apps.opening import open_detector
from edge_runtime.apps.progress import progress
from edge_runtime.errors import OutputError
from edge_runtime.measure.machine import describe_machine
from edge_runtime.measure.scoring import score_report, withhold_below
from edge_runtime.model.card import InputSpec, ModelCard, Reject
from edge_runtime.model.session import SessionOptions
from train.data.batches import one_hot
from train.data.clean import Dataset, read_background, read_dataset
from train.data.face_crops import cut_faces
from train.data.feature_table import FeatureTable
from train.data.samples import Sample, truth_of
from train.data.votes import read_votes, voted_targets
from train.display import say
from train.errors import DataError, RunError
from train.identity import train_identity
from train.job import Job, Trained
from train.networks.exported import exported_card
from train.options import TrainOptions
from train.plan import check_files, plan_for, run_arguments
from train.precision import choose_policy, make_deterministic
from train.recipe import Plan, Recipe
from train.report.make import write_report
from train.run_folder import RunFolder, command_line
from train.scoring import answers, cool
from train.softmax import train_softmax

__all__ = ["train_classifier"]


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
    features = FeatureTable.read(options.head) if options.head else None
    architecture, plan = plan_for(recipe, options, features.key if features else None)
    choose_policy(options.precision, plan.depthwise)
    check_files(plan, options)
    run = RunFolder(options.output, run_arguments(architecture, plan, options), options.resume)
    keras.utils.set_random_seed(options.seed)
    if options.deterministic:
        make_deterministic()
    dataset = read_dataset(options.data, options.classes, options.seed, recipe.aliases)
    labels = recipe.labels({s.label for s in dataset.samples}, options.classes)
    spec = _input(recipe, plan)
    background: list[Sample] = []
    if options.background is not None:
        others = read_background(options.background, dataset.samples)
        background = others.samples
        dataset = replace(dataset, problems=[*dataset.problems, *others.problems])
    run.use([*dataset.samples, *background])
    with run.at_work():
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
            features=features,
            background=tuple(background),
        )
        trained = train_identity(job) if plan.embedding else train_softmax(job)
        _finish(trained, job, recipe, module, architecture)


def _input(recipe: Recipe, plan: Plan) -> InputSpec:
    """Return the recipe's input; an exported embedding is shown faces as it has learned to."""
    spec = recipe.input(plan.size_px)
    if not plan.exported:
        return spec
    learned = exported_card(plan.weights).input
    return replace(spec, face_margin=learned.face_margin, alignment=learned.alignment)


def _tell(dataset: Dataset) -> None:
    counts = Counter(s.split for s in dataset.samples)
    split = ", ".join(f"{counts[name]} {name}" for name in ("train", "val", "test"))
    say(f"{len(dataset.samples)} photos: {split} ({dataset.rule})")
    kinds = Counter((p.kind, p.kept) for p in dataset.problems)
    for (kind, kept), count in sorted(kinds.items()):
        example = next(p for p in dataset.problems if (p.kind, p.kept) == (kind, kept))
        what = "worth a look" if kept else "left out"
        more = f", and {count - 1} more" if count > 1 else ""
        say(f"{what}, {kind}: {example.path}: {example.detail}{more}")


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


def _faces_of(
    dataset: Dataset, background: list[Sample], spec: InputSpec, run: RunFolder
) -> tuple[Dataset, list[Sample]]:
    """Return both with the photos' faces in place of the photos."""
    detector = open_detector("detector", SessionOptions("cpu"), thorough=False)
    total = len(dataset.samples) + len(background)
    with progress("finding the faces", total) as step:
        samples, problems = cut_faces(dataset.samples, detector, spec, run.path / "faces", step)
        taught, more = cut_faces(background, detector, spec, run.path / "faces", step)
    for split in ("train", "val"):
        left = {s.label for s in samples if s.split == split}
        lost = sorted({s.label for s in dataset.of(split)} - left)
        if lost:
            raise DataError(
                f"{lost[0]}: no face was found in any of the photos to {split} on; add some with "
                "a face that is larger or more to the front, or leave the person out (--classes)"
            )
    return replace(dataset, samples=samples, problems=[*dataset.problems, *problems, *more]), taught


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
        "weights_provenance": exported_card(plan.weights).provenance if plan.exported else None,
        "epochs": None if plan.frozen else plan.epochs,
        "seed": options.seed,
        "temperature": round(found, 4),
        "minutes": round(trained.seconds / 60, 1),
        "machine": f"{machine['cores']} cores, {machine['cpu']}",
        "command": command_line(names_only=True),
        "commit": " ".join(job.run.commits),
        "data": options.data.name,
        "votes": options.votes and options.votes.name,
    }
    card = ModelCard(
        name=options.name or recipe.name,
        task=recipe.task,
        labels=job.labels,
        input=job.spec,
        reject=trained.reject or (None if below is None else Reject("probability", below)),
        answers="gallery" if options.for_gallery else "labels",
        metrics={} if trained.impostors is None else {"impostors": trained.impostors},
        provenance={k: v for k, v in origin.items() if v is not None},
    )
    run = job.run
    run.finish(model, card, job.dataset.samples, metrics, module, job.dataset.problems)
    try:
        report = write_report(run.path, job.say, model)
    except OutputError as error:
        raise RunError(
            f"{error}; the model is whole: make room, then python -m train report {run.path}"
        ) from None
    for name, reached in metrics.items():
        job.say(f"{name} accuracy {reached['accuracy']:.4f}, n {reached['n']}")
    job.say(f"wrote {run.path}; look at {report}")
    # Named after the run: a file called faces.onnx would be taken for the shipped one elsewhere.
    words = ["python", "-m", "export", str(run.path), f"{run.path.resolve().name}.onnx"]
    job.say(f"next: {shlex.join(words)}")
