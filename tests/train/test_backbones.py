"""Other people's networks: which are known, what they are fed, whose weights they get."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_runtime.errors import EdgeError, OptionError

pytestmark = pytest.mark.tensorflow
keras = pytest.importorskip("keras")


@pytest.fixture(scope="module")
def backbone() -> Callable[..., Any]:
    """Build a backbone: uint8 photos to its last feature map."""
    from train.networks.backbones import backbone_features

    def build(name: str, weights: str | Path = "none", side: int = 64) -> Any:
        image = keras.Input((side, side, 3), dtype="uint8", name="image")
        return keras.Model(image, backbone_features(name, str(weights), image))

    return build


@pytest.fixture(scope="module")
def author(photos) -> Callable[..., Any]:
    """Build a network as its author does, and let it know the data as after training."""

    def build(family: Any, scale: Any = None, side: int = 64, **options: Any) -> Any:
        model = family(include_top=False, weights=None, input_shape=(side, side, 3), **options)
        if scale is not None:
            for layer in model.layers:
                if isinstance(layer, keras.layers.BatchNormalization):
                    layer.momentum = 0.0
            model(scale(photos.astype(np.float32)), training=True)
        return model

    return build


@pytest.fixture(scope="module")
def photos(photo) -> np.ndarray:
    return np.stack([photo(i, 64) for i in range(4)])


APPLICATIONS = {
    "mobilenet-0.25": ("MobileNet", "mobilenet", {"alpha": 0.25}, 256),
    "mobilenetv2-0.35": ("MobileNetV2", "mobilenet_v2", {"alpha": 0.35}, 1280),
    "mobilenetv3-small": ("MobileNetV3Small", "mobilenet_v3", {}, 576),
    "vgg16": ("VGG16", "vgg16", {}, 512),
}


@pytest.mark.parametrize("name", APPLICATIONS)
def test_weights_of_a_file_answer_as_at_their_authors(
    backbone, author, photos, name: str, tmp_path: Path
) -> None:
    """With the scaling its author prescribes, the author's network says the same of a photo."""
    family, module, options, channels = APPLICATIONS[name]
    scale = getattr(keras.applications, module).preprocess_input
    model = author(getattr(keras.applications, family), scale, **options)
    file = tmp_path / "author.weights.h5"
    model.save_weights(file)
    found = backbone(name, file)
    assert found.output_shape == (None, 2, 2, channels)
    expected = np.asarray(model(scale(photos.astype(np.float32)), training=False))
    answers = np.asarray(found(photos, training=False))
    assert np.abs(expected[0] - expected[1]).max() > 0.05 * np.abs(expected).max()
    np.testing.assert_allclose(answers, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())
    file.unlink()  # VGG's has 59 MB


@pytest.mark.parametrize("name", [name for name in APPLICATIONS if name != "vgg16"])
def test_backbone_without_weights_has_features_of_its_own(backbone, photos, name: str) -> None:
    a, b = backbone(name), backbone(name)
    assert a.output_shape == (None, 2, 2, APPLICATIONS[name][3])
    assert np.isfinite(np.asarray(a(photos, training=False))).all()
    assert not np.allclose(a.get_weights()[0], b.get_weights()[0])


@pytest.mark.parametrize(
    "name",
    ["mobilenet-0.25", "mobilenetv2-0.35", "mobilenetv3-small", "mobilenetv3-large", "vgg16"],
)
def test_map_in_the_middle_has_a_sixteenth_of_the_side(name: str) -> None:
    from train.networks.backbones import backbone_features

    image = keras.Input((64, 96, 3), dtype="uint8")
    assert backbone_features(name, "none", image, middle=True).shape[:3] == (None, 4, 6)


def test_weights_of_a_file_fit_another_size_too(backbone, author, tmp_path: Path) -> None:
    file = tmp_path / "author.weights.h5"
    author(keras.applications.MobileNet, side=96, alpha=0.25).save_weights(file)
    big, small = (backbone("mobilenet-0.25", file, side) for side in (96, 32))
    for a, b in zip(big.get_weights(), small.get_weights(), strict=True):
        assert (a == b).all()


def test_vgg_sees_blue_first_less_imagenets_mean(backbone) -> None:
    model = backbone("vgg16", side=32)
    fed = keras.Model(model.input, model.get_layer("block1_conv1").input)
    pixels = np.tile(np.array([10, 20, 30], np.uint8), (1, 32, 32, 1))
    assert np.asarray(fed(pixels))[0, 5, 7] == pytest.approx(
        [30 - 103.939, 20 - 116.779, 10 - 123.68], abs=1e-4
    )


def test_mobilenet_sees_numbers_from_minus_one_to_one(backbone) -> None:
    model = backbone("mobilenet-0.25", side=32)
    fed = keras.Model(model.input, model.get_layer("conv1").input)
    pixels = np.tile(np.array([0, 51, 255], np.uint8), (1, 32, 32, 1))
    assert np.asarray(fed(pixels))[0, 5, 7] == pytest.approx([-1, -0.6, 1], abs=1e-6)


def test_vgg_with_its_scaling_can_be_written_down_and_read_again(backbone) -> None:
    model = backbone("vgg16", side=32)
    again = keras.Model.from_config(model.get_config())
    again.set_weights(model.get_weights())
    photo = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3)).astype(np.uint8)
    np.testing.assert_allclose(np.asarray(again(photo)), np.asarray(model(photo)), rtol=1e-5)


# What is refused


@pytest.mark.parametrize(
    "name",
    ["resnet50", "mobilenet", "mobilenet-", "mobilenet-0.3", "mobilenet-1.4", "mobilenetv2-0.25",
     "mobilenetv3-0.75", "MobileNet-0.5", "vgg19", "mobilenet-0.5 "],
)  # fmt: skip
def test_other_names_are_refused_with_those_that_are_known(backbone, name: str) -> None:
    with pytest.raises(OptionError) as caught:
        backbone(name)
    assert str(caught.value) == (
        f"--backbone {name}: expected one of mobilenet-A, mobilenetv2-A, mobilenetv3-small, "
        "mobilenetv3-large, vgg16 (mobilenet has A 0.25, 0.5, 0.75, 1.0; mobilenetv2 has A 0.35, "
        "0.5, 0.75, 1.0, 1.3, 1.4)"
    )


def test_input_smaller_than_the_backbone_can_halve_is_refused(backbone) -> None:
    with pytest.raises(OptionError, match=r"^--size 31: mobilenet-0\.25 needs 32 px or more$"):
        backbone("mobilenet-0.25", side=31)


def test_file_that_is_not_there_is_refused(backbone) -> None:
    with pytest.raises(OptionError) as caught:
        backbone("mobilenet-0.25", "gone.h5")
    assert str(caught.value) == (
        "--weights gone.h5: no such file; expected imagenet, none or a file"
    )


@pytest.mark.parametrize("kind", ["narrower", "another family", "text", "cut short", "no suffix"])
def test_file_of_other_weights_is_refused_in_one_line(
    backbone, author, kind: str, tmp_path: Path
) -> None:
    file = tmp_path / ("some.weights.h5" if kind != "no suffix" else "weights")
    if kind in ("text", "no suffix"):
        file.write_text("these are no weights\n" * 9)
    elif kind == "another family":
        author(keras.applications.MobileNetV2, alpha=0.35).save_weights(file)
    else:
        author(keras.applications.MobileNet, alpha=0.5).save_weights(file)
    if kind == "cut short":
        file.write_bytes(file.read_bytes()[:9999])
    with pytest.raises(EdgeError) as caught:
        backbone("mobilenet-0.25", file)
    message = str(caught.value)
    assert message.startswith(f"{file}: these are not the weights of mobilenet-0.25 without its ")
    assert "\n" not in message


def test_weights_that_are_fetched_are_those_of_224_px(backbone, author, monkeypatch) -> None:
    family = keras.applications.MobileNet
    fetched = author(family, side=224, alpha=0.25)

    def online(**options: Any) -> Any:
        if options["weights"] is None:
            return family(**options)
        assert options["input_shape"] == (224, 224, 3)
        return fetched

    monkeypatch.setattr(keras.applications, "MobileNet", online)
    found = backbone("mobilenet-0.25", "imagenet").get_weights()
    for weight, then in zip(found, fetched.get_weights(), strict=True):
        assert (weight == then).all()


def test_download_that_fails_says_what_else_can_be_done(backbone, monkeypatch) -> None:
    family = keras.applications.MobileNet

    def offline(**options: Any) -> Any:
        if options["weights"] is not None:
            raise Exception(f"URL fetch failure on https://x/{options['weights']}: None -- gone")
        return family(**options)

    monkeypatch.setattr(keras.applications, "MobileNet", offline)
    with pytest.raises(EdgeError) as caught:
        backbone("mobilenet-0.25", "imagenet")
    assert str(caught.value) == (
        "mobilenet-0.25: its ImageNet weights cannot be downloaded; connect once, or name a file "
        "that holds them with --weights FILE"
    )
