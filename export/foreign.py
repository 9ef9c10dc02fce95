"""Any Keras image classifier, behind the input every model file has: uint8 RGB pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from edge_runtime.errors import OptionError
from edge_runtime.libraries import in_one_line
from edge_runtime.model.card import InputSpec, ModelCard
from export.description import Description
from export.errors import KerasError
from export.families import family_inside, family_of

__all__ = ["described_model"]

_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, what OpenCV and PIL take for gray
_TRIED = 8  # pictures of noise that show what kind of answers come out


def described_model(
    model: keras.Model, path: Path, given: Description, say: Callable[[str], None]
) -> tuple[keras.Model, ModelCard]:
    """Put color handling and scaling into a model, and write its card.

    Args:
        model: As it was saved.
        path: Where; for messages and its name.
        given: What the user says of it.
        say: Told what was assumed of a known family of networks.

    Returns:
        A model with input `image`, uint8 (N, H, W, 3) RGB, and output `scores`, float32 (N, K)
        probabilities; and its card.

    Raises:
        KerasError: It has not one image input and one row of scores as output.
        OptionError: Something it needs is not said, or does not fit it.
    """
    height, width, channels = _input_shape(model, path, given)
    if channels == 1:
        given = given.or_else(Description(color="gray"))
    given = _with_family(model, channels, given, say)
    _expect_all_said(model, path, given)
    color, mean, scale = given.color, given.mean, given.scale
    if (color == "gray") != (channels == 1):
        raise OptionError(f"--color {color}: {path} takes {channels} channel(s)")
    for name, values in (("mean", mean), ("scale", scale)):
        if len(values or ()) not in (1, channels):
            raise OptionError(f"--{name}: {len(values or ())} numbers for {channels} channel(s)")
    whole = not keras.backend.is_float_dtype(model.inputs[0].dtype)
    if whole and (mean, scale) != ((0.0,), (1.0,)):
        raise OptionError(
            f"--mean, --scale: {path} takes whole numbers ({model.inputs[0].dtype}), so it scales "
            "itself: --mean 0 --scale 1"
        )

    image = keras.Input((height, width, 3), dtype="uint8", name="image")
    x = ops.cast(image, "float32")
    if color == "gray":
        x = ops.sum(x * np.array(_LUMA, np.float32), -1, keepdims=True)
    elif color == "bgr":
        x = ops.flip(x, -1)
    if mean != (0.0,):
        x = x - np.array(mean, np.float32)
    if scale != (1.0,):
        x = x / np.array(scale, np.float32)
    x = ops.cast(x, model.inputs[0].dtype)
    # Old files hold their one input in a list, and answer with one.
    plain = isinstance(model, keras.Sequential)
    asked = x if plain else keras.tree.map_structure(lambda _: x, model.input)
    try:
        (answer,) = keras.tree.flatten(model(asked, training=False))
    except ValueError as error:
        if given.size is None:
            raise
        raise OptionError(
            f"--size {height}x{width}: {path} cannot look at pictures of it ({in_one_line(error)})"
        ) from None
    scores = _probabilities(keras.Model(image, answer), answer, path, given)
    labels = given.labels or ()
    if len(labels) != scores.shape[-1]:
        raise OptionError(
            f"--labels: {len(labels)} names, from {labels[0]} to {labels[-1]}, and {path} has "
            f"{scores.shape[-1]} outputs; names go in their order"
        )
    if given.face_margin is not None and given.region != "face":
        raise OptionError("--face-margin: goes around a face; add --region face")
    spec = InputSpec(
        height, width, region=given.region or "frame", face_margin=given.face_margin or 0.0,
        resize=given.resize or "stretch",
    )  # fmt: skip
    card = ModelCard(
        given.name or path.stem,
        "classification",
        labels,
        spec,
        provenance={
            "source": path.name,
            "input": {"color": color, "mean": list(mean or ()), "scale": list(scale or ())},
        },
    )
    return keras.Model(image, scores), card


def _input_shape(model: keras.Model, path: Path, given: Description) -> tuple[int, int, int]:
    """Return height, width and channels of the one image a model takes."""
    if not _inputs(model):
        raise KerasError(
            f"{path}: was saved before it knew its input; call it on a picture once, and save it "
            "again"
        )
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise KerasError(
            f"{path}: has {len(model.inputs)} inputs and {len(model.outputs)} outputs; a "
            "classifier of pictures has one of each"
        )
    shape, out = tuple(model.inputs[0].shape), tuple(model.outputs[0].shape)
    if len(shape) != 4 or shape[3] not in (1, 3):
        raise KerasError(f"{path}: takes {shape}; expected (N, height, width, 1 or 3)")
    if len(out) != 2 or out[1] is None:
        raise KerasError(f"{path}: gives {out}; expected (N, classes)")
    size = shape[1:3]
    if given.size is not None:
        if any(own not in (None, wanted) for own, wanted in zip(size, given.size, strict=True)):
            own = "x".join("any" if side is None else str(side) for side in size)
            raise OptionError(f"--size: {path} takes {own}, height by width, and no other")
        size = given.size
    if None in size:
        raise OptionError(f"--size: {path} takes pictures of any size; say which, as in --size 224")
    return int(size[0]), int(size[1]), int(shape[3])


def _inputs(model: keras.Model) -> Any:
    try:
        return model.inputs
    except AttributeError:  # of a Sequential that was never built
        return None


def _with_family(
    model: keras.Model, channels: int, given: Description, say: Callable[[str], None]
) -> Description:
    """Add what is known of a network of `keras.applications`, and say so."""
    family = family_of(model)
    if family is None or channels != 3:
        return given
    known = family.described(model).or_else(Description(resize="stretch"))
    told = given.or_else(known)
    assumed = [
        f"--{name} {_text(getattr(told, name))}"
        for name in ("color", "mean", "scale", "resize")
        if getattr(given, name) is None
    ]
    if assumed:
        say(f"{model.name} is a {family.title}; assumed {' '.join(assumed)}")
    return told


def _expect_all_said(model: keras.Model, path: Path, given: Description) -> None:
    needed = ("labels", "color", "mean", "scale", "resize")
    missing = [f"--{name}" for name in needed if getattr(given, name) is None]
    if not missing:
        return
    inner = family_inside(model)
    hint = ""
    if inner is not None and "--mean" in missing:
        told = inner.described(model)
        hint = (
            f"; its backbone is a {inner.title}, which takes --color {told.color} --mean "
            f"{_text(told.mean)} --scale {_text(told.scale)}, unless layers before it scale"
        )
    raise OptionError(
        f"{', '.join(missing)}: {path} does not say; add them, or write them in "
        f"{path.with_suffix('.yaml').name} beside it (docs/exporting.md){hint}"
    )


def _probabilities(model: keras.Model, answer: Any, path: Path, given: Description) -> Any:
    """Return a row of probabilities for what a model answers, by what it says of noise."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (_TRIED, *model.input_shape[1:]), np.uint8)
    said = np.asarray(model(noise, training=False), np.float64)
    if not np.isfinite(said).all():
        raise KerasError(f"{path}: answers with what is no number; its weights are damaged")
    shares = bool((said > -1e-6).all() and (said < 1 + 1e-6).all())
    whole = shares and np.allclose(said.sum(1), 1, atol=1e-3)
    last = _last_activation(model)
    between = f"{said.min():.3g} to {said.max():.3g}"
    answer = ops.cast(answer, "float32")
    if said.shape[1] == 1:
        if given.softmax or not shares:
            raise KerasError(
                f"{path}: has one output ({between}), which must be a probability; end it in a "
                "sigmoid"
            )
        return ops.concatenate([1 - answer, answer], -1)
    if given.softmax:
        if whole and last != "linear":
            raise OptionError(f"--softmax: {path} ends in one already")
        return ops.softmax(answer)
    if last == "sigmoid" or (shares and not whole and last != "linear"):
        raise KerasError(
            f"{path}: its outputs are between 0 and 1 and do not add up to 1: several labels may "
            "be true at once, and edge-run gives a picture one label"
        )
    if not whole:
        raise OptionError(
            f"--softmax: {path} gives {between}, no probabilities; add --softmax if these are "
            "logits"
        )
    return answer


def _last_activation(layer: Any) -> str:
    """Return the name of what a model ends in; "" where that is not known."""
    while inner := getattr(layer, "layers", None):
        layer = inner[-1]
    return getattr(getattr(layer, "activation", None), "__name__", "")


def _text(value: Any) -> str:
    return ",".join(f"{v:g}" for v in value) if isinstance(value, tuple) else str(value)
