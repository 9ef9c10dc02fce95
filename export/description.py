"""What a model file does not say of itself: labels, and how it wants its pictures.

Given by options, or by a few lines beside the file:

    # fer.yaml, beside fer.hdf5
    labels: [angry, disgust, fear, happy, sad, surprise, neutral]
    color: gray             # rgb, bgr or gray
    mean: 127.5             # the model takes (pixel - mean) / scale, pixels 0 to 255; one number,
    scale: 127.5            # or one a channel in the order of `color`; 0 and 1 where it scales
    resize: stretch         # stretch, center-crop or letterbox
    region: face            # frame: the whole picture; face: a crop around one face
    face_margin: 0.1        # around the box of a face, as a share of its longer side
    size: [64, 64]          # height, width; for models that take any
    softmax: false          # true where the model ends in logits
    name: fer
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args

from edge_runtime.errors import OptionError
from edge_runtime.model.card import Region, Resize, is_margin, is_number
from edge_runtime.model.foreign import read_description

__all__ = ["Color", "Description", "described_by_options", "described_in_yaml"]

Color = Literal["rgb", "bgr", "gray"]


@dataclass(frozen=True, slots=True)
class Description:
    """What is known of a model file; None is not known.

    Attributes:
        labels: Class names in output order; of a single sigmoid, no and yes.
        color: What its channels are.
        mean: Taken from each channel, in gray levels; one number or one a channel.
        scale: What the rest is divided by, likewise.
        resize: How a picture becomes its input.
        region: Whether it looks at a whole picture or at a face.
        face_margin: Around a face, as a share of the box's longer side.
        size: Height and width, where it takes any.
        softmax: Whether a softmax is to be added.
        name: Of the model.
    """

    labels: tuple[str, ...] | None = None
    color: Color | None = None
    mean: tuple[float, ...] | None = None
    scale: tuple[float, ...] | None = None
    resize: Resize | None = None
    region: Region | None = None
    face_margin: float | None = None
    size: tuple[int, int] | None = None
    softmax: bool | None = None
    name: str | None = None

    def or_else(self, other: Description) -> Description:
        """Return this with what only the other knows."""
        lacking = [f.name for f in fields(self) if getattr(self, f.name) is None]
        return replace(self, **{name: getattr(other, name) for name in lacking})


def described_by_options(options: Mapping[str, Any]) -> Description:
    """Read the values of options, by the names above; None and "" are left out.

    Raises:
        OptionError: A value is none of those expected.
    """
    given = {k: v for k, v in options.items() if v not in (None, "")}
    if "labels" in given:
        given["labels"] = _labels_of_option(given["labels"])
    for name in ("mean", "scale", "size"):
        if name in given:
            separator = "x" if name == "size" else ","
            given[name] = [_number(part) for part in str(given[name]).split(separator)]
    return _checked(given, lambda name: f"--{name.replace('_', '-')}")


def described_in_yaml(path: Path) -> Description:
    """Read what NAME.yaml beside a model file says; nothing if there is none.

    Raises:
        CardError, InstallError: It cannot be read.
        OptionError: It has an unknown name, or a value is none of those expected.
    """
    beside = path.with_suffix(".yaml")
    said = read_description(path) or {}
    known = [f.name for f in fields(Description)]
    if unknown := [str(name) for name in said if name not in known]:
        raise OptionError(f"{beside}: unknown {', '.join(unknown)}; it may have {', '.join(known)}")
    return _checked(said, lambda name: f"{beside}: {name}")


def _checked(given: Mapping[str, Any], called: Callable[[str], str]) -> Description:
    """Return values of the right kinds; `called` names one in a message."""
    values = dict(given)

    def refuse(name: str, expected: str) -> OptionError:
        return OptionError(f"{called(name)} {given[name]!r}: expected {expected}")

    for name, choices in (("color", Color), ("resize", Resize), ("region", Region)):
        if name in values and values[name] not in get_args(choices):
            raise refuse(name, " or ".join(get_args(choices)))
    for name in ("mean", "scale"):
        if name not in values:
            continue
        numbers = values[name] if isinstance(values[name], list) else [values[name]]
        if len(numbers) not in (1, 3) or not all(map(is_number, numbers)):
            raise refuse(name, "a number, or one for each of three channels")
        if name == "scale" and 0 in numbers:
            raise refuse(name, "no 0, pixels are divided by it")
        values[name] = tuple(float(v) for v in numbers)
    if "size" in values:
        sides = values["size"] if isinstance(values["size"], list) else [values["size"]]
        sides = sides * 2 if len(sides) == 1 else sides
        if len(sides) != 2 or not all(is_number(v) and v % 1 == 0 and v >= 1 for v in sides):
            raise refuse("size", "one side in pixels, or height and width")
        values["size"] = tuple(int(v) for v in sides)
    if "labels" in values:
        labels = values["labels"]
        if isinstance(labels, list) and any(isinstance(label, bool) for label in labels):
            raise refuse("labels", 'words; YAML takes no and yes for false and true, write "no"')
        texts = [str(label).strip() for label in labels] if isinstance(labels, list | tuple) else []
        if not texts or not all(texts) or len(set(texts)) < len(texts):
            raise refuse("labels", "class names, none empty, none twice")
        values["labels"] = tuple(texts)
    if "face_margin" in values and not is_margin(values["face_margin"]):
        raise refuse("face_margin", "a share of the face, -0.4 to 2")
    if "softmax" in values and not isinstance(values["softmax"], bool):
        raise refuse("softmax", "true or false")
    if "name" in values and not (isinstance(values["name"], str) and values["name"].strip()):
        raise refuse("name", "a word")
    return Description(**values)


def _labels_of_option(text: str) -> list[str]:
    """Return the names in a file, one a line, or in the text itself, between commas."""
    path = Path(text)
    try:
        is_file = path.is_file()
    except OSError:  # too long for a file's name
        is_file = False
    if not is_file:
        if path.suffix.lower() in (".txt", ".csv", ".names") and "," not in text:
            raise OptionError(f"--labels {path}: no such file")
        return text.split(",")
    try:
        # Some editors begin a file with a mark that no label begins with.
        return [line for line in path.read_text("utf-8-sig").splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        raise OptionError(f"--labels {path}: cannot be read ({error})") from None


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text
