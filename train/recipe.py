"""What a recipe file declares: the task, and for each architecture how it is trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import keras

from edge_runtime.model.card import InputSpec, Region, Resize, Task
from train.data.augment import photo
from train.data.batches import Augment

__all__ = ["SHIPPED", "Plan", "Recipe", "Schedule", "notebook_plan", "transfer_plan"]

Schedule: TypeAlias = Literal["one-cycle", "cosine", "constant"]

SHIPPED = "shipped"  # as weights: the model for faces, or the detector, that came with edge-run


@dataclass(frozen=True, slots=True)
class Plan:
    """How one architecture is trained.

    Attributes:
        network: From input and number of classes to a model whose last layer is a Dense softmax
            named `scores`; None stands for a backbone with a new head.
        backbone: Which backbone, where `network` is None; see `train.networks.backbones`.
        weights: What the backbone starts from: imagenet, none, a file, or `SHIPPED`.
        size_px: Side of the input.
        enlarged_px: Side to which a backbone's graph enlarges the input, where pictures are smaller
            than what it has learned to see; 0 leaves them.
        hidden: Units of a dense layer between a backbone and the last; 0 for none.
        views: Of how many views a backbone, once trained, averages what it sees; see
            `train.networks.views`.
        settled: Whether a backbone's batch statistics stay as they came: a few hundred photos would
            have them follow the batches rather than the world.
        epochs: Passes over the training photos.
        batch: Photos a step.
        optimizer: adamw, adam, sgd (Nesterov, momentum 0.85), or muon (see `train.muon`).
        learning_rate: Largest of the run.
        schedule: one-cycle rises and falls, cosine only falls, constant does neither.
        weight_decay: Decoupled, times the learning rate.
        label_smoothing: Share of the target spread over all classes.
        augment: Varies each training photo; None feeds them as they are.
        mixup: Alpha, see `train.data.mix.mixup`; 0 mixes none.
        cutmix: Probability, see `train.data.mix.cutmix`; 0 pastes none.
        ema: Momentum of the average of the weights that is kept in the end; 0 keeps the last.
        frozen: Only the new head of a backbone is trained.
        embedding: People are told apart by the angles of an embedding; see `train.identity`.
        deployed: The same function of the same weights in the layout that exports best; None
            where the trained one does.
    """

    network: Callable[[InputSpec, int], keras.Model] | None
    size_px: int
    epochs: int
    batch: int = 128
    backbone: str = ""
    enlarged_px: int = 0
    hidden: int = 0
    views: int = 1
    settled: bool = True
    weights: str = "imagenet"
    optimizer: Literal["adamw", "adam", "sgd", "muon"] = "adamw"
    learning_rate: float = 1e-3
    schedule: Schedule = "one-cycle"
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    augment: Augment | None = None
    mixup: float = 0.0
    cutmix: float = 0.0
    ema: float = 0.0
    frozen: bool = False
    embedding: bool = False
    deployed: Callable[[InputSpec, int], keras.Model] | None = None

    @property
    def depthwise(self) -> bool:
        """Whether the network has depthwise convolutions: all backbones but VGG16."""
        return self.backbone not in ("", "vgg16")

    @property
    def exported(self) -> bool:
        """Whether the weights are those of an exported model, whose embedding is taken as it is."""
        return self.weights == SHIPPED or self.weights.endswith(".onnx")


def transfer_plan(size_px: int, epochs: int, enlarged_px: int = 0) -> Plan:
    """Return how a backbone with ImageNet weights learns from one or two thousand photos."""
    return Plan(
        None,
        backbone="mobilenet-0.75",
        size_px=size_px,
        enlarged_px=enlarged_px,
        epochs=epochs,
        batch=32,
        learning_rate=1e-4,
        weight_decay=1e-2,
        label_smoothing=0.1,
        augment=photo,
    )


def notebook_plan(
    network: Callable[[InputSpec, int], keras.Model], size_px: int, epochs: int, batch: int
) -> Plan:
    """Return how the teaching notebooks train: Adam at one rate, photos as they are."""
    return Plan(
        network,
        size_px=size_px,
        epochs=epochs,
        batch=batch,
        optimizer="adam",
        learning_rate=1e-3,
        schedule="constant",
    )


@dataclass(frozen=True, slots=True)
class Recipe:
    """One task.

    Attributes:
        name: Of the command and, unless the user says otherwise, of the model.
        task: Of the card.
        plans: A plan an architecture; the first is the default, `seed` the notebook's own.
        region: Whether the model looks at a whole picture or at a face.
        resize: How a picture becomes the input.
        label_order: Order of the outputs where the folders are exactly these; else sorted.
        aliases: What folders are called besides the label they stand for.
        find_faces: Whether photos are whole pictures in which the face is to be found.
    """

    name: str
    plans: Mapping[str, Plan]
    task: Task = "classification"
    region: Region = "frame"
    resize: Resize = "stretch"
    face_margin: float = 0.0
    label_order: tuple[str, ...] = field(default=())
    aliases: Mapping[str, str] = field(default_factory=dict)
    find_faces: bool = False

    def labels(self, found: set[str], wanted: tuple[str, ...] | None) -> tuple[str, ...]:
        """Return class names in output order."""
        if wanted is not None:
            return tuple(self.aliases.get(name, name) for name in wanted)
        return self.label_order if found == set(self.label_order) else tuple(sorted(found))

    def input(self, size_px: int) -> InputSpec:
        """Return what goes into a model of this task."""
        return InputSpec(
            size_px,
            size_px,
            region=self.region,
            face_margin=self.face_margin,
            resize=self.resize,
        )
