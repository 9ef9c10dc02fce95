"""Face embeddings trained elsewhere: an ONNX file without a card, and a few lines that say how.

# mobilefacenet.yaml, beside mobilefacenet.onnx
name: mobilefacenet
size: [112, 112]        # height, width
layout: NCHW            # or NHWC
color: RGB              # or BGR
mean: 127.5             # the input is (pixel - mean) / scale; 0 and 1 where the graph scales
scale: 127.5            # itself; one number, or one a channel
alignment: five-point   # faces turned upright as for ArcFace; none: a square around the box
threshold: 0.35         # cosine from which on two faces are one person's
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from edge_runtime.errors import CardError, InstallError
from edge_runtime.model.card import (
    Alignment,
    InputSpec,
    ModelCard,
    Reject,
    is_margin,
    is_number,
    is_side,
)

__all__ = ["ForeignGraph", "describe_foreign", "read_description"]

Layout = Literal["NCHW", "NHWC"]
Color = Literal["RGB", "BGR"]

_NEEDED = ("name", "size", "layout", "color", "mean", "scale", "alignment")
_OPTIONAL = ("threshold", "margin", "license")


@dataclass(frozen=True, slots=True)
class ForeignGraph:
    """How a graph that was not exported here wants its pictures.

    Attributes:
        layout: Order of its input's axes.
        color: Order of its channels.
        mean: Taken from each channel, in gray levels.
        scale: What the rest is divided by, each channel.
    """

    layout: Layout
    color: Color
    mean: tuple[float, float, float]
    scale: tuple[float, float, float]

    def convert(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Return the graph's input, float32, for uint8 (N, H, W, 3) RGB pictures."""
        ordered = images if self.color == "RGB" else images[..., ::-1]
        mean, scale = (np.array(v, np.float32) for v in (self.mean, self.scale))
        scaled = (ordered.astype(np.float32) - mean) / scale
        axes = (0, 3, 1, 2) if self.layout == "NCHW" else (0, 1, 2, 3)
        return np.ascontiguousarray(scaled.transpose(axes), np.float32)


def read_description(path: Path) -> Mapping[str, Any] | None:
    """Return what the YAML file beside an ONNX file says, or None if there is none.

    Raises:
        InstallError: PyYAML is missing.
        CardError: It is not YAML, or no list of names and values.
    """
    beside = path.with_suffix(".yaml")
    if not beside.is_file():
        return None
    try:
        import yaml
    except ImportError:
        raise InstallError(
            f"{beside}: reading it needs PyYAML; pip install pyyaml (or edge-run[yaml])"
        ) from None
    try:
        described = yaml.safe_load(beside.read_text("utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise CardError(f"{beside}: cannot be read ({' '.join(str(error).split())})") from None
    if not isinstance(described, dict):
        raise CardError(f"{beside}: expected lines like 'name: mobilefacenet'")
    return described


def describe_foreign(
    described: Mapping[str, Any], sha256: str, where: str
) -> tuple[ModelCard, ForeignGraph]:
    """Return the card and the conversion that a description stands for.

    Args:
        described: Names and values, see above.
        sha256: Hash of the ONNX file.
        where: What to call the description in messages.

    Raises:
        CardError: A value is missing, unknown or out of range.
    """
    missing = [name for name in _NEEDED if name not in described]
    unknown = [str(name) for name in described if name not in (*_NEEDED, *_OPTIONAL)]
    if missing or unknown:
        what = f"lacks {', '.join(missing)}" if missing else f"has unknown {', '.join(unknown)}"
        raise CardError(
            f"{where}: {what}; it has {', '.join(_NEEDED)}, and may have {', '.join(_OPTIONAL)}"
        )
    for name, choices in (("layout", Layout), ("color", Color), ("alignment", Alignment)):
        if described[name] not in get_args(choices):
            raise CardError(
                f"{where}: {name} is {described[name]!r}; expected {' or '.join(get_args(choices))}"
            )
    size = described["size"]
    if not isinstance(size, list) or len(size) != 2 or not all(map(is_side, size)):
        raise CardError(f"{where}: size is {size!r}; expected height and width, as in [112, 112]")
    graph = ForeignGraph(
        described["layout"],
        described["color"],
        _channels(described["mean"], "mean", where),
        _channels(described["scale"], "scale", where),
    )
    if 0 in graph.scale:
        raise CardError(f"{where}: scale is 0; pixels are divided by it")
    for name in ("name", "license"):
        value = described.get(name, "-")
        if not isinstance(value, str) or not value.strip() or not value.isprintable():
            raise CardError(f"{where}: {name} is {value!r}; expected a few words in one line")
    margin = described.get("margin", 0.0)
    if not is_margin(margin):
        raise CardError(f"{where}: margin is {margin!r}; expected a share of the face, -0.4 to 2")
    threshold = described.get("threshold")
    if threshold is not None and not (is_number(threshold) and -1 <= threshold <= 1):
        raise CardError(f"{where}: threshold is {threshold!r}; expected a cosine, -1 to 1")
    face = InputSpec(
        height_px=size[0],
        width_px=size[1],
        region="face",
        face_margin=margin,
        alignment=described["alignment"],
    )
    card = ModelCard(
        name=described["name"],
        task="identity",
        labels=(),
        input=face,
        reject=None if threshold is None else Reject("cosine", threshold),
        provenance={
            **({"license": described["license"]} if "license" in described else {}),
            # Told to prepare pictures otherwise, it gives embeddings that cannot be compared.
            "weights_sha256": hashlib.sha256(f"{sha256}{graph}{face}".encode()).hexdigest(),
        },
        sha256=sha256,
    )
    return card, graph


def _channels(value: Any, name: str, where: str) -> tuple[float, float, float]:
    values = value if isinstance(value, list) else [value] * 3
    if len(values) != 3 or not all(map(is_number, values)):
        raise CardError(f"{where}: {name} is {value!r}; expected a number, or three in a list")
    return (float(values[0]), float(values[1]), float(values[2]))
