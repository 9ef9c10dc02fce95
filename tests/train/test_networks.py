"""The small networks: the same function in training and where it is deployed."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_runtime.model.card import InputSpec

pytestmark = pytest.mark.tensorflow
keras = pytest.importorskip("keras")

SPEC = InputSpec(32, 32)
SMALL: dict[str, Any] = {"stem": 6, "widths": (8, 12)}


@pytest.fixture(scope="module")
def photos(photo) -> np.ndarray:
    """Six scenes, half of them light at one side: no scene is its own mirror image."""
    scenes = np.stack([photo(i, 32) for i in range(6)])
    scenes[:3, :, 16:] //= 3
    return scenes


@pytest.fixture(autouse=True)
def _seeded() -> None:
    keras.utils.set_random_seed(0)


def _as_trained(model: Any, photos: np.ndarray) -> Any:
    """Give every weight a value of its own, and let the statistics know the photos, nearly."""
    rng = np.random.default_rng(0)
    normals = []
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            normals.append(layer)
            layer.momentum = 0.0
        elif isinstance(layer, keras.layers.Conv2D) and layer.name != "luma":
            layer.set_weights([w + rng.normal(0, 0.15, w.shape) for w in layer.get_weights()])
        elif isinstance(layer, keras.layers.Dense):
            layer.set_weights([rng.normal(0, 3, w.shape) for w in layer.get_weights()])
    model(photos, training=True)
    for layer in normals:
        layer.set_weights([w * rng.uniform(0.5, 1.5, w.shape) for w in layer.get_weights()])
    return model


def _answers(model: Any, photos: np.ndarray) -> np.ndarray:
    return np.asarray(model(photos, training=False))


@pytest.mark.parametrize("gray", [False, True], ids=["color", "gray"])
def test_deployed_network_is_the_same_function_of_the_same_weights(photos, gray: bool) -> None:
    from train.networks.pooled_residual import pooled_residual, pooled_residual_deployed

    trained = _as_trained(pooled_residual(SPEC, 4, **SMALL, gray=gray, dropout=0.3), photos)
    deployed = pooled_residual_deployed(SPEC, 4, **SMALL, gray=gray, views=1)
    deployed.set_weights(trained.get_weights())
    expected = _answers(trained, photos)
    assert np.ptp(np.log(expected), axis=0).max() > 0.5  # they do look at the photos
    np.testing.assert_allclose(np.log(_answers(deployed, photos)), np.log(expected), atol=1e-4)


def test_normalization_comes_before_the_pooling_where_it_is_deployed() -> None:
    """Behind its convolution it becomes part of it."""
    from train.networks.pooled_residual import pooled_residual, pooled_residual_deployed

    def after(model: Any) -> set[str]:
        kinds = [type(layer).__name__ for layer in model.layers]
        return {b for a, b in pairwise(kinds) if a == "Conv2D"}

    assert "MaxPooling2D" in after(pooled_residual(SPEC, 4, **SMALL))
    assert "MaxPooling2D" not in after(pooled_residual_deployed(SPEC, 4, **SMALL))


def _shifted(photos: np.ndarray, by: int) -> np.ndarray:
    padded = np.pad(photos, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    return padded[:, 1 - by : 33 - by, 1 - by : 33 - by]


def _mirrored(photos: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(photos[:, :, ::-1])


@pytest.mark.parametrize("views", [2, 4])
def test_views_are_averaged_before_the_head(photos, views: int) -> None:
    from train.networks.pooled_residual import pooled_residual, pooled_residual_deployed

    trained = _as_trained(pooled_residual(SPEC, 4, **SMALL), photos)
    deployed = pooled_residual_deployed(SPEC, 4, **SMALL, views=views)
    deployed.set_weights(trained.get_weights())
    sides = [photos] if views == 2 else [_shifted(photos, 1), _shifted(photos, -1)]
    seen = [view for side in sides for view in (side, _mirrored(side))]
    # What is averaged are the features before the head: in logarithms the answers' mean.
    expected = np.exp(np.mean([np.log(_answers(trained, view)) for view in seen], axis=0))
    expected /= expected.sum(1, keepdims=True)
    answers = _answers(deployed, photos)
    np.testing.assert_allclose(answers, expected, atol=1e-5)
    assert np.abs(_answers(trained, photos) - answers).max() > 1e-2
    # Each photo is averaged with its own views, whatever else is in the batch.
    np.testing.assert_allclose(_answers(deployed, photos[1:2]), answers[1:2], atol=1e-5)
    if views == 2:
        np.testing.assert_allclose(_answers(deployed, _mirrored(photos)), answers, atol=1e-5)


def test_convolutions_begin_by_passing_their_input_on() -> None:
    from train.networks.pooled_residual import pooled_residual

    model = pooled_residual(SPEC, 4, **SMALL)
    kernels = [
        np.array(layer.kernel)
        for layer in model.layers
        if isinstance(layer, keras.layers.Conv2D) and layer.kernel_size == (3, 3)
    ]
    assert [k.shape for k in kernels] == [
        (3, 3, 6, 8), (3, 3, 8, 8), (3, 3, 8, 8), (3, 3, 8, 12), (3, 3, 12, 12), (3, 3, 12, 12)
    ]  # fmt: skip
    for kernel in kernels:
        same = min(kernel.shape[2:])
        unit = np.zeros((3, 3, kernel.shape[2], same))
        unit[1, 1, range(same), range(same)] = 1
        assert (kernel[..., :same] == unit).all()
        assert same == kernel.shape[3] or kernel[..., same:].any()


def _networks() -> dict[str, Any]:
    from train.networks.basic import basic_network
    from train.networks.pooled_residual import pooled_residual, pooled_residual_deployed
    from train.networks.seed import seed_digits, seed_expression, seed_objects

    return {
        "pooled_residual": lambda: pooled_residual(SPEC, 4, **SMALL, gray=True),
        "deployed": lambda: pooled_residual_deployed(SPEC, 4, **SMALL),
        "seed_objects": lambda: seed_objects(SPEC, 4),
        "seed_expression": lambda: seed_expression(SPEC, 4),
        "seed_digits": lambda: seed_digits(SPEC, 4),
        "basic": lambda: basic_network(SPEC, 4),
    }


@pytest.mark.parametrize(
    "name",
    ["pooled_residual", "deployed", "seed_objects", "seed_expression", "seed_digits", "basic"],
)
def test_network_saved_and_loaded_again_answers_the_same(photos, name: str) -> None:
    model = _as_trained(_networks()[name](), photos)
    model.save("model.keras")
    again = keras.saving.load_model(Path("model.keras"), compile=False)
    answers = _answers(model, photos)
    assert answers.shape == (6, 4)
    assert answers.sum(1) == pytest.approx(np.ones(6), abs=1e-5)
    np.testing.assert_allclose(_answers(again, photos), answers, atol=1e-6)
    assert model.layers[-1].name == "scores"


def test_gray_network_does_not_mind_light(photos) -> None:
    from train.networks.pooled_residual import pooled_residual

    for gray, most in ((True, 1e-3), (False, None)):
        model = _as_trained(pooled_residual(SPEC, 4, **SMALL, gray=gray), photos)
        gap = np.abs(_answers(model, photos + np.uint8(35)) - _answers(model, photos)).max()
        assert gap < most if most else gap > 0.02


def test_gray_is_the_luma_of_the_colors_standardized_in_each_picture(photos) -> None:
    from train.networks.layers import gray_standardized

    image = keras.Input((32, 32, 3), dtype="uint8")
    out = np.asarray(keras.Model(image, gray_standardized(image))(photos))
    luma = photos @ np.array([0.299, 0.587, 0.114]) / 255
    mean, var = luma.mean((1, 2), keepdims=True), luma.var((1, 2), keepdims=True)
    np.testing.assert_allclose(out[..., 0], (luma - mean) / np.sqrt(var + 1e-3), atol=1e-4)


@pytest.mark.parametrize(
    ("steps", "counts"),
    [
        (("convolutions", "pooling", "dropout"), [4, 2, 3, 2]),
        (("convolutions", "pooling"), [4, 2, 0, 2]),
        (("convolutions",), [4, 0, 0, 2]),
        ((), [0, 0, 0, 2]),
    ],
)
def test_notebooks_network_is_built_up_step_by_step(
    steps: tuple[str, ...], counts: list[int]
) -> None:
    from train.networks.seed import seed_objects

    chosen = {name: name in steps for name in ("convolutions", "pooling", "dropout")}
    model = seed_objects(SPEC, 10, **chosen)
    kinds = [type(layer).__name__ for layer in model.layers]
    names = ("Conv2D", "MaxPooling2D", "Dropout", "Dense")
    assert [kinds.count(name) for name in names] == counts


def test_seed_networks_are_the_notebooks_layers() -> None:
    from train.networks.seed import seed_expression, seed_objects

    def count(model: Any, kind: str) -> int:
        return [type(layer).__name__ for layer in model.layers].count(kind)

    expression = seed_expression(InputSpec(48, 48), 2)
    assert [count(expression, k) for k in ("Conv2D", "MaxPooling2D", "Dense")] == [3, 3, 2]
    assert expression.output_shape == (None, 2)
    objects = seed_objects(SPEC, 10)
    assert [count(objects, k) for k in ("Conv2D", "MaxPooling2D", "Dropout", "Dense")] == [
        4,
        2,
        3,
        2,
    ]


def test_detectors_first_layer_looks_at_blocks_of_pixels_with_the_edge_repeated() -> None:
    from train.networks.face_detector import detector_network

    network = detector_network(InputSpec(32, 64))
    blocks = next(layer for layer in network.layers if isinstance(layer, keras.layers.Rescaling))
    picture = np.random.default_rng(0).integers(0, 256, (2, 32, 64, 3)).astype(np.uint8)
    seen = np.asarray(keras.Model(network.input, blocks.input)(picture))
    assert (seen.shape, seen.dtype) == ((2, 17, 33, 12), np.uint8)
    padded = np.pad(picture, ((0, 0), (1, 1), (1, 1), (0, 0)), "edge")
    for row in (0, 5, 16):
        for column in (0, 7, 32):
            block = padded[:, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
            np.testing.assert_array_equal(seen[:, row, column], block.reshape(2, 12))
