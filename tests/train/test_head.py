"""The head alone, on features whose best answer can be worked out by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edge_runtime.model.card import InputSpec
from train.data.samples import Sample

pytestmark = pytest.mark.tensorflow
keras = pytest.importorskip("keras")

SPEC = InputSpec(16, 16)


@pytest.fixture
def fit_head(draw, picture) -> Callable[..., Any]:
    """Train the head on photos of one color each; features are a photo's mean colors, scaled.

    Returns a function from a color (RGB) to its scores, and the network.
    """
    from train.data.batches import PhotoBatches
    from train.head import train_head
    from train.networks.transfer import head_input

    def run(
        colors: list[tuple[int, int, int]], targets: Any, weights: Any = None, scale: float = 1.0
    ) -> tuple[Callable[..., np.ndarray], Any]:
        image = keras.Input((16, 16, 3), dtype="uint8", name="image")
        x = keras.layers.Conv2D(3, 1, use_bias=False)(keras.layers.Rescaling(scale)(image))
        x = keras.layers.BatchNormalization(momentum=0.5)(x)
        x = keras.layers.GlobalAveragePooling2D(name="features")(x)
        x = keras.layers.Dropout(0.5)(x)
        targets = np.array(targets, np.float32)
        head = keras.layers.Dense(targets.shape[1], activation="softmax", name="scores")
        model = keras.Model(image, head(x))
        model.layers[2].set_weights([np.eye(3, dtype=np.float32)[None, None]])
        samples = [
            Sample(draw(f"{i}.png", picture(color[::-1], 16, 16)), "cat")
            for i, color in enumerate(colors)
        ]
        batches = PhotoBatches(samples, targets, SPEC, 4)
        frozen = [w.copy() for w in model.get_weights()[:-2]]
        weights = None if weights is None else np.array(weights, np.float32)
        train_head(model, head_input(model).predict(batches, verbose=0), targets, weights)
        for now, then in zip(model.get_weights()[:-2], frozen, strict=True):
            assert (now == then).all()

        def scores(*color: int) -> np.ndarray:
            photo = np.tile(np.array(color, np.uint8), (1, 16, 16, 1))
            return np.asarray(model(photo, training=False))[0]

        return scores, model

    return run


def _one_hot(*places: int) -> np.ndarray:
    return np.eye(max(places) + 1)[list(places)]


@pytest.mark.parametrize("scale", [1 / 50, 1.0, 50.0])
def test_classes_that_features_part_are_parted(fit_head, scale: float) -> None:
    rng = np.random.default_rng(0)
    colors, places = [], []
    for i in range(30):
        colors.append(
            tuple(int(v) for v in rng.integers(0, 100, 3) + 150 * (np.arange(3) == i % 3))
        )
        places.append(i % 3)
    scores, _ = fit_head(colors, _one_hot(*places), scale=scale)
    answers = np.array([scores(*color) for color in colors])
    assert (answers.argmax(1) == places).all()
    assert answers.max(1).min() > 0.8
    assert scores(240, 20, 20).argmax() == 0
    assert scores(20, 20, 240).argmax() == 2


def test_photos_that_cannot_be_told_apart_share_as_their_targets_do(fit_head) -> None:
    colors = [(100, 100, 100)] * 8
    scores, _ = fit_head(colors, _one_hot(0, 0, 0, 0, 0, 0, 1, 1))
    assert scores(100, 100, 100) == pytest.approx([0.75, 0.25], abs=1e-3)
    soft, _ = fit_head(colors, [[0.6, 0.4]] * 8)
    assert soft(100, 100, 100) == pytest.approx([0.6, 0.4], abs=1e-3)


def test_photo_counts_as_much_as_its_weight(fit_head) -> None:
    colors = [(100, 100, 100)] * 6
    truth = _one_hot(0, 0, 0, 0, 1, 1)
    alike, _ = fit_head(colors, truth, weights=[3] * 6)
    assert alike(100, 100, 100) == pytest.approx([4 / 6, 2 / 6], abs=1e-3)
    balanced, _ = fit_head(colors, truth, weights=[0.5] * 4 + [1] * 2)
    assert balanced(100, 100, 100) == pytest.approx([0.5, 0.5], abs=1e-3)
    turned, _ = fit_head(colors, truth, weights=[0, 0, 0, 1, 2, 2])
    assert turned(100, 100, 100) == pytest.approx([0.2, 0.8], abs=1e-3)


def test_weights_draw_the_line_between_classes(fit_head) -> None:
    """In between two colors, the class whose photos count more is answered."""
    colors = [(60, 100, 100), (140, 100, 100)] * 4
    truth = _one_hot(*[0, 1] * 4)
    for weights, answer in (([9, 1] * 4, 0), ([1, 9] * 4, 1)):
        scores, _ = fit_head(colors, truth, weights=weights)
        assert scores(100, 100, 100).argmax() == answer


def test_feature_that_never_changes_does_no_harm(fit_head) -> None:
    scores, model = fit_head([(0, 50, 10), (0, 50, 200)] * 4, _one_hot(*[0, 1] * 4))
    assert np.isfinite(model.get_weights()[-2]).all()
    assert scores(0, 50, 10)[0] > 0.9
    assert scores(0, 50, 200)[1] > 0.9
    assert np.abs(model.get_weights()[-2][:2]).max() < 1e-4


def test_backbone_is_frozen_and_freed_but_for_the_statistics() -> None:
    from train.networks.transfer import (
        freeze_backbone,
        head_input,
        transfer_network,
        unfreeze_backbone,
    )

    model = transfer_network(InputSpec(32, 32), 3, "mobilenet-0.25", "none")
    assert model.output_shape == (None, 3)
    assert head_input(model).output_shape == (None, 256)
    freeze_backbone(model)
    assert [w.path for w in model.trainable_weights] == ["scores/kernel", "scores/bias"]
    unfreeze_backbone(model, statistics=False)
    fixed = {layer.name for layer in model.layers if layer.weights and not layer.trainable_weights}
    normal = {
        layer.name for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)
    }
    assert fixed == normal != set()
    unfreeze_backbone(model, statistics=True)
    assert all(layer.trainable for layer in model.layers)


def test_backbone_sees_small_pictures_enlarged() -> None:
    from train.networks.transfer import head_input, transfer_network

    small = transfer_network(InputSpec(16, 16), 3, "mobilenet-0.25", "none", 64)
    large = transfer_network(InputSpec(64, 64), 3, "mobilenet-0.25", "none")
    assert (small.input_shape, small.input.dtype) == ((None, 16, 16, 3), "uint8")
    large.set_weights(small.get_weights())
    # Two halves, so that it matters where the border comes to lie; 200 and 40 stay whole numbers.
    photo = np.full((1, 16, 16, 3), 200, np.uint8)
    photo[:, :, 8:] = 40
    across = np.full(64, 200.0)
    across[34:] = 40
    across[30:34] = 200 - 160 * np.array([0.125, 0.375, 0.625, 0.875])  # between pixel centers
    seen = np.broadcast_to(across[None, None, :, None], (1, 64, 64, 3)).astype(np.uint8)
    one, other = (np.asarray(head_input(m)(p)) for m, p in ((small, photo), (large, seen)))
    # Nobody taught these weights anything: features are as good as nothing, but in proportion.
    assert np.abs(one - other).max() < 1e-3 * np.abs(one).max()
    hard = np.asarray(head_input(large)(photo.repeat(4, 1).repeat(4, 2)))
    assert np.abs(hard - other).max() > 1e-2 * np.abs(one).max()


def test_backbone_of_two_views_averages_both_sides_of_a_photo() -> None:
    from train.networks.transfer import transfer_network

    keras.utils.set_random_seed(1)
    plain = transfer_network(InputSpec(32, 32), 3, "mobilenet-0.25", "none", 64)
    for layer in plain.layers:  # untaught features are as good as nothing
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.gamma.assign(layer.gamma * 4)
    both = transfer_network(InputSpec(32, 32), 3, "mobilenet-0.25", "none", 64, views=2)
    both.set_weights(plain.get_weights())
    photos = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype(np.uint8)
    sides = [np.log(np.asarray(plain(p))) for p in (photos, photos[:, :, ::-1])]
    # The head is linear: averaged features are averaged logits.
    logits = sides[0] + sides[1]
    expected = np.exp(logits / 2) / np.exp(logits / 2).sum(1, keepdims=True)
    assert np.abs(sides[0] - sides[1]).max() > 1e-2
    np.testing.assert_allclose(np.asarray(both(photos)), expected, atol=1e-5)
