"""Networks of keras.applications, known by their names, and what Keras itself gives them."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow
keras = pytest.importorskip("keras")

# Families, the modules of keras.applications they are made in, and names without a default.
MADE_IN = {
    "MobileNet v1": ("mobilenet",),
    "MobileNet v2": ("mobilenet_v2",),
    "MobileNet v3": ("mobilenet_v3",),
    "VGG": ("vgg16", "vgg19"),
    "ResNet": ("resnet",),
    "ResNet v2": ("resnet_v2",),
    "EfficientNet v2 B": ("efficientnet_v2",),
    "EfficientNet v2": ("efficientnet_v2",),
    "EfficientNet": ("efficientnet",),
    "ConvNeXt": ("convnext",),
    "Xception": ("xception",),
    "Inception": ("inception_v3", "inception_resnet_v2"),
    "DenseNet": ("densenet",),
    "NASNet": ("nasnet",),
}
BUILT_IN_CODE = {
    "mobilenet": ("mobilenet_1.00_224", "mobilenet_0.25_128"),
    "mobilenet_v2": ("mobilenetv2_1.00_224", "mobilenetv2_0.35_96"),
}


def names_of(module: str) -> list[str]:
    """Return the names that the networks of a module of keras.applications carry."""
    found = list(BUILT_IN_CODE.get(module, ()))
    for network in vars(keras.applications).values():
        if inspect.isfunction(network) and network.__module__.endswith(f".{module}"):
            name = inspect.signature(network).parameters["name"].default
            found += [name] if name else []
    return found


def named(name: str, *, scaling: str = "", inner: Any = None) -> Any:
    """Build a network of one or two layers that carries a name."""
    image = keras.Input((8, 8, 3))
    x = image
    if scaling == "Rescaling":
        x = keras.layers.Rescaling(1 / 127.5, offset=-1)(x)
    elif scaling == "Normalization":
        x = keras.layers.Normalization(mean=[120, 110, 100], variance=[9, 4, 1])(x)
    return keras.Model(image, (inner or keras.layers.GlobalAveragePooling2D())(x), name=name)


def test_families_of_these_tests_are_all_there_are() -> None:
    from export.families import _FAMILIES

    assert [family.title for family in _FAMILIES] == list(MADE_IN)


@pytest.mark.parametrize("title", MADE_IN)
def test_networks_are_known_by_the_names_keras_gives_them(title: str) -> None:
    from export.families import family_of

    names = [name for module in MADE_IN[title] for name in names_of(module)]
    if title.startswith("EfficientNet v2"):  # two ways of scaling in one module
        names = [n for n in names if n.startswith("efficientnetv2-b") == title.endswith("B")]
    assert names
    assert {
        name: getattr(family_of(named(name)), "title", None) for name in names
    } == dict.fromkeys(names, title)


def test_every_network_of_keras_is_of_some_family() -> None:
    modules = {module for those in MADE_IN.values() for module in those}
    networks = [f for f in vars(keras.applications).values() if inspect.isfunction(f)]
    assert {network.__module__.rsplit(".", 1)[1] for network in networks} == modules


@pytest.mark.parametrize(
    "name", ["mini_xception", "my_resnet50", "resnet50_faces", "vgg", "mobilenet", "sequential"]
)
def test_other_names_are_of_no_family(name: str) -> None:
    from export.families import family_of

    assert family_of(named(name)) is None


@pytest.mark.parametrize(
    ("name", "scaling", "mean", "scale"),
    [
        ("MobileNetV3Large", "Rescaling", (0.0,), (1.0,)),
        ("MobileNetV3Large", "", (127.5,), (127.5,)),
        ("efficientnetv2-s", "Rescaling", (0.0,), (1.0,)),
        ("efficientnetv2-s", "", (127.5,), (127.5,)),
        ("efficientnetv2-b0", "Rescaling", (0.0,), (1.0,)),
        ("efficientnetv2-b0", "", (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),
        ("convnext_tiny", "Normalization", (0.0,), (1.0,)),
        ("convnext_tiny", "", (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),
        ("efficientnetb0", "", (0.0,), (1.0,)),
    ],
)
def test_network_that_scales_pixels_itself_is_given_them_as_they_are(
    name: str, scaling: str, mean: tuple[float, ...], scale: tuple[float, ...]
) -> None:
    from export.families import family_of

    model = named(name, scaling=scaling)
    said = family_of(model).described(model)
    assert (said.color, said.mean, said.scale) == ("rgb", mean, scale)


@pytest.mark.parametrize(
    ("name", "scaling"),
    [("mobilenet_1.00_224", "Rescaling"), ("vgg16", "Rescaling"), ("resnet50", "Normalization")],
)
def test_network_that_scales_as_its_family_does_not_is_somebodys_own(name, scaling) -> None:
    from export.families import family_of

    assert family_of(named(name)) is not None
    assert family_of(named(name, scaling=scaling)) is None


def test_backbone_inside_a_model_is_found_and_the_model_is_of_no_family() -> None:
    from export.families import family_inside, family_of

    model = named("pets", inner=named("resnet50"))
    assert family_of(model) is None
    assert family_inside(model).title == "ResNet"
    assert family_inside(named("pets", inner=named("mine"))) is None


@pytest.mark.parametrize("module", [module for those in MADE_IN.values() for module in those])
def test_pictures_are_what_preprocess_input_of_keras_gives(module: str) -> None:
    """Of networks that scale pixels themselves, it gives them back as they are."""
    from export.families import family_of

    prepare = importlib.import_module(f"keras.applications.{module}").preprocess_input
    pixels = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3)).astype(np.float32)
    model = named(names_of(module)[0])
    family = family_of(model)
    if family.scaling_layer:
        model = named(model.name, scaling=family.scaling_layer)
    said = family.described(model)
    channels = pixels[..., ::-1] if said.color == "bgr" else pixels
    ours = (channels - np.array(said.mean)) / np.array(said.scale)
    np.testing.assert_allclose(ours, prepare(pixels.copy()), atol=1e-4)
