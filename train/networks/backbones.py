"""Networks trained by others on ImageNet, to be given a new head.

Each is called with the photo as it is, uint8 RGB: the scaling it was trained with becomes part of
the graph.
"""

from __future__ import annotations

import contextlib
import re
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
from keras import layers

from edge_runtime.cli_errors import native_noise_silenced
from edge_runtime.errors import EdgeError, OptionError

__all__ = ["BACKBONES", "backbone_features", "check_backbone"]

# What --backbone understands; A stands for the width multiplier.
BACKBONES = "mobilenet-A, mobilenetv2-A, mobilenetv3-small, mobilenetv3-large, vgg16"

_ALPHAS = {
    "mobilenet": (0.25, 0.5, 0.75, 1.0),
    "mobilenetv2": (0.35, 0.5, 0.75, 1.0, 1.3, 1.4),
}


@dataclass(frozen=True, slots=True)
class _Kind:
    """How one family is built, what scaling it expects, and its layer of a 16th of the side."""

    build: Callable[..., keras.Model]
    scale: Callable[[Any], Any]
    middle: str
    least_px: int = 32


def _minus_one_to_one(image: Any) -> Any:
    return layers.Rescaling(1 / 127.5, -1.0)(image)


def _own_scaling(image: Any) -> Any:
    return layers.Rescaling(1.0)(image)  # MobileNetV3 scales itself; this makes floats of uint8


def _caffe(image: Any) -> Any:
    """BGR less ImageNet's mean, as VGG was trained (Simonyan and Zisserman 2014)."""
    bgr = layers.Rescaling(1.0)(image)[..., ::-1]
    return layers.Rescaling(1.0, [-103.939, -116.779, -123.68])(bgr)


def check_backbone(name: str, weights: str, side_px: int) -> None:
    """Refuse what `backbone_features` cannot build, before any photo is read.

    Args:
        name: See `BACKBONES`, as `mobilenet-0.75`.
        weights: `imagenet`, `none`, or a file.
        side_px: The smaller side of the input.

    Raises:
        OptionError: No such backbone or file, or the input is too small.
    """
    kind = _kind(name)
    if side_px < kind.least_px:
        raise OptionError(f"--size {side_px}: {name} needs {kind.least_px} px or more")
    if weights not in ("imagenet", "none") and not Path(weights).is_file():
        raise OptionError(f"--weights {weights}: no such file; expected imagenet, none or a file")


def backbone_features(name: str, weights: str, image: Any, middle: bool = False) -> Any:
    """Apply a backbone to an input.

    Args:
        name: See `BACKBONES`, as `mobilenet-0.75`.
        weights: `imagenet` (downloaded by Keras), `none`, or a file with its weights, .h5 or
            .weights.h5, without the top.
        image: uint8 RGB input, (N, H, W, 3).
        middle: Stop halfway, where the map's side is a 16th of the input's and what is seen is
            not yet things but what things are made of.

    Returns:
        Its last feature map or that in the middle, (N, h, w, C).

    Raises:
        OptionError: See `check_backbone`.
        EdgeError: The weights cannot be downloaded or do not fit.
    """
    height, width = image.shape[1:3]
    check_backbone(name, weights, min(height, width))
    kind = _kind(name)
    shape = (height, width, 3)
    network = kind.build(input_tensor=kind.scale(image), input_shape=shape)
    if weights != "none":
        source = _loaded(name, kind, weights, shape)
        network.set_weights(source.get_weights())
    return network.get_layer(kind.middle).output if middle else network.output


def _kind(name: str) -> _Kind:
    apps = keras.applications
    match = re.fullmatch(r"(mobilenet|mobilenetv2)-(\d(?:\.\d+)?)", name)
    if match and float(match[2]) in _ALPHAS[match[1]]:
        alpha = float(match[2])
        if match[1] == "mobilenet":
            build = _builder(apps.MobileNet, alpha=alpha)
            return _Kind(build, _minus_one_to_one, "conv_pw_6_relu")
        build = _builder(apps.MobileNetV2, alpha=alpha)
        return _Kind(build, _minus_one_to_one, "block_7_expand_relu")
    if name == "mobilenetv3-small":
        build = _builder(apps.MobileNetV3Small)
        return _Kind(build, _own_scaling, "expanded_conv_4_expand_bn")
    if name == "mobilenetv3-large":
        build = _builder(apps.MobileNetV3Large)
        return _Kind(build, _own_scaling, "expanded_conv_7_expand_bn")
    if name == "vgg16":
        return _Kind(_builder(apps.VGG16), _caffe, "block4_pool")
    alphas = "; ".join(f"{k} has A {', '.join(map(str, v))}" for k, v in _ALPHAS.items())
    raise OptionError(f"--backbone {name}: expected one of {BACKBONES} ({alphas})")


def _builder(family: Callable[..., keras.Model], **fixed: Any) -> Callable[..., keras.Model]:
    def build(weights: str | None = None, **more: Any) -> keras.Model:
        return family(include_top=False, weights=weights, **fixed, **more)

    return build


def _loaded(name: str, kind: _Kind, weights: str, shape: tuple[int, ...]) -> keras.Model:
    """Return the backbone with its weights, built as the file's author built it."""
    if weights == "imagenet":
        try:
            with native_noise_silenced(), contextlib.redirect_stdout(sys.stderr):
                # Whatever the input's size: Keras has other MobileNet weights for each, and ours
                # are measured with those of 224 px.
                return kind.build(weights="imagenet", input_shape=(224, 224, 3))
        except Exception as error:  # Keras raises a bare Exception when a download fails
            if isinstance(error, KeyboardInterrupt) or "URL fetch failure" not in str(error):
                raise
            raise EdgeError(
                f"{name}: its ImageNet weights cannot be downloaded; connect once, or name a file "
                "that holds them with --weights FILE"
            ) from None
    path = Path(weights)
    model = kind.build(input_shape=shape)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the error says it all, once
            model.load_weights(path)
    except (ValueError, OSError, KeyError) as error:
        raise EdgeError(
            f"{path}: these are not the weights of {name} without its top "
            f"({str(error).strip().splitlines()[0]})"
        ) from None
    return model
