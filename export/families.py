"""The networks of `keras.applications`, by the names they carry, and how each wants its pictures.

Colors, means and scales are those of each module's `preprocess_input` in Keras 3.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import keras

from export.description import Color, Description

__all__ = ["Family", "family_inside", "family_of"]


@dataclass(frozen=True, slots=True)
class Family:
    """A family of networks.

    Attributes:
        title: For people.
        names: Pattern of the model's name.
        color: Order of its channels.
        mean: See `Description`; where it has layers that scale, 0 and 1.
        scale: Likewise.
        scaling_layer: Class of the layer by which it scales pixels itself, if it may.
        inside: Classes of layers that scale whatever it is given.
    """

    title: str
    names: str
    color: Color
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    scaling_layer: str = ""
    inside: tuple[str, ...] = ()

    @property
    def scales(self) -> set[str]:
        """Classes of the layers by which its networks scale pixels, beside what they are given."""
        return {*self.inside, *([self.scaling_layer] if self.scaling_layer else [])}

    def described(self, model: keras.Model) -> Description:
        """Return what such a model takes; one without its own scaling is one step behind it."""
        scales_itself = any(type(layer).__name__ == self.scaling_layer for layer in model.layers)
        mean, scale = ((0.0,), (1.0,)) if scales_itself else (self.mean, self.scale)
        return Description(color=self.color, mean=mean, scale=scale)


_MINUS_ONE_TO_ONE = ((127.5,), (127.5,))
_IMAGENET = ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
_CAFFE = ((103.939, 116.779, 123.68), (1.0,))

_FAMILIES = (
    Family("MobileNet v1", r"mobilenet_\d.*", "rgb", *_MINUS_ONE_TO_ONE),
    Family("MobileNet v2", r"mobilenetv2_.*", "rgb", *_MINUS_ONE_TO_ONE),
    Family("MobileNet v3", r"mobilenetv3.*", "rgb", *_MINUS_ONE_TO_ONE, "Rescaling"),
    Family("VGG", r"vgg1[69]", "bgr", *_CAFFE),
    Family("ResNet", r"resnet\d+", "bgr", *_CAFFE),
    Family("ResNet v2", r"resnet\d+v2", "rgb", *_MINUS_ONE_TO_ONE),
    Family(
        "EfficientNet v2 B",
        r"efficientnetv2-b\d",
        "rgb",
        *_IMAGENET,
        "Rescaling",
        ("Normalization",),
    ),
    Family("EfficientNet v2", r"efficientnetv2-[^b]", "rgb", *_MINUS_ONE_TO_ONE, "Rescaling"),
    Family(
        "EfficientNet",
        r"efficientnetb\d",
        "rgb",
        (0.0,),
        (1.0,),
        "",
        ("Rescaling", "Normalization"),
    ),
    Family("ConvNeXt", r"convnext_.*", "rgb", *_IMAGENET, "Normalization"),
    Family("Xception", r"xception", "rgb", *_MINUS_ONE_TO_ONE),
    Family("Inception", r"inception_.*", "rgb", *_MINUS_ONE_TO_ONE),
    Family("DenseNet", r"densenet\d+", "rgb", *_IMAGENET),
    Family("NASNet", r"nasnet_.*", "rgb", *_MINUS_ONE_TO_ONE),
)


def family_of(model: keras.Model) -> Family | None:
    """Return the family a model is of, by its name; none if it scales pixels as no other does.

    Anybody may call a network of their own resnet18.
    """
    name = model.name.lower()
    family = next((f for f in _FAMILIES if re.fullmatch(f.names, name)), None)
    if family is None or _scaling(model) <= family.scales:
        return family
    return None


def _scaling(model: keras.Model) -> set[str]:
    """Return the classes of layers by which a model scales pixels itself."""
    return {type(layer).__name__ for layer in model.layers} & {"Rescaling", "Normalization"}


def family_inside(model: keras.Model) -> Family | None:
    """Return the family of a backbone inside a model.

    It may have layers before it that scale, so nothing can be taken for granted of the model.
    """
    inner = [layer for layer in model.layers if isinstance(layer, keras.Model)]
    return next((f for f in map(family_of, inner) if f is not None), None)
