"""A detector goes on from an exported file: its weights, and what batches are normalized by."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge_runtime.errors import EdgeError
from edge_runtime.media.sources import open_source
from edge_runtime.model.card import InputSpec
from edge_runtime.model.preprocess import preprocess

pytestmark = pytest.mark.tensorflow
keras = pytest.importorskip("keras")

QUIET = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

SPEC = InputSpec(64, 96, region="frame", resize="letterbox")
SHIPPED = Path(__file__).parents[2] / "edge_runtime" / "shipped"


@pytest.fixture(scope="module")
def pictures(photo) -> np.ndarray:
    return np.stack([cv2.resize(photo(i, 96), (96, 64)) for i in range(4)])


def _network(pictures: np.ndarray, seed: int) -> Any:
    """Build a detector with all widths alike, normalized as after training."""
    from train.networks.face_detector import detector_network

    keras.utils.set_random_seed(seed)
    model = detector_network(SPEC, width=16, deep=16)
    normals = [x for x in model.layers if isinstance(x, keras.layers.BatchNormalization)]
    for layer in normals:
        layer.momentum = 0.0
    model(pictures, training=True)
    rng = np.random.default_rng(seed)
    for layer in normals:
        gamma, beta, mean, variance = layer.get_weights()
        slope, shift = rng.uniform(0.7, 1.4, len(gamma)), rng.normal(0, 0.3, len(beta))
        layer.set_weights([gamma * slope, shift, mean, variance])
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D) and layer.use_bias:
            layer.bias.assign(rng.normal(0, 0.3, layer.filters))
    return model


@pytest.fixture(scope="module")
def trained(pictures) -> Any:
    return _network(pictures, 0)


@pytest.fixture(scope="module")
def exported(trained, tmp_path_factory) -> Path:
    """The network as `python -m export` would write it in fp32."""
    import onnx

    from export.convert import keras_to_onnx
    from train.networks.face_detector import decoded_model

    path = tmp_path_factory.mktemp("detector") / "detector.onnx"
    onnx.save(keras_to_onnx(decoded_model(trained, SPEC)), path)
    return path


@QUIET
def test_network_answers_as_the_one_that_was_exported(trained, pictures, exported) -> None:
    """All of its widths are 16, so that shapes tell little and places must."""
    from train.networks.exported import load_exported

    fresh = _network(pictures, 1)
    expected = np.asarray(trained(pictures))
    spread = np.ptp(expected)
    assert np.abs(np.asarray(fresh(pictures)) - expected).max() > 0.1 * spread
    load_exported(fresh, exported)
    np.testing.assert_allclose(np.asarray(fresh(pictures)), expected, atol=1e-4 * spread)


@QUIET
def test_network_gets_the_weights_of_an_int8_file(trained, pictures, exported, tmp_path) -> None:
    import onnx

    from export.quantize import RUNGS, Quantizer
    from train.networks.exported import load_exported

    images = [picture[None] for picture in pictures]
    quantizer = Quantizer(onnx.load(exported), lambda: iter(images), len(images), tmp_path)
    onnx.save(quantizer.quantize(RUNGS[0]), tmp_path / "int8.onnx")
    fresh = _network(pictures, 1)
    load_exported(fresh, tmp_path / "int8.onnx")
    expected = np.asarray(trained(pictures))
    assert np.abs(np.asarray(fresh(pictures)) - expected).mean() < 0.02 * np.ptp(expected)
    kinds = keras.layers.Conv2D | keras.layers.DepthwiseConv2D
    for layer in (layer for layer in fresh.layers if isinstance(layer, kinds)):
        # Seven bits, from -64 to 64, for the largest weight of each output channel.
        channel = (0, 1, 3) if isinstance(layer, keras.layers.DepthwiseConv2D) else (0, 1, 2)
        kernel = layer.get_weights()[0]
        steps = kernel / np.abs(kernel).max(channel, keepdims=True) * 64
        np.testing.assert_allclose(steps, np.round(steps), atol=1e-3)


def test_loaded_shipped_detector_finds_the_face_that_the_file_finds(shipped_detector) -> None:
    from edge_runtime.faces.detector import found_faces
    from train.networks.exported import exported_file, load_exported
    from train.networks.face_detector import decoded_model, detector_network
    from train.recipes.detector import INPUT

    frame = open_source("demo").read().image_bgr
    (expected,) = shipped_detector.detect(frame, 0.5)
    network = detector_network(INPUT)
    load_exported(network, exported_file("shipped", "detector"))
    out = decoded_model(network, INPUT)(preprocess(frame, INPUT)[None], training=False)
    answer = {name: np.asarray(value) for name, value in out.items()}
    (face,) = found_faces(answer, frame, INPUT, 0.5)
    side = expected.box[2] - expected.box[0]
    # The file rounds what its layers make, the network does not.
    np.testing.assert_allclose(face.box, expected.box, atol=0.05 * side)
    np.testing.assert_allclose(face.landmarks, expected.landmarks, atol=0.05 * side)
    assert face.score == pytest.approx(expected.score, abs=0.05)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("faces", "has 15 convolutions, the network 44; it was exported from another network"),
        ("detector", "a convolution is (1, 1, 32, 64), the network's (1, 1, 32, 16); it was "
         "exported from another network"),
    ],
)  # fmt: skip
def test_file_of_another_network_is_refused_and_nothing_changes(trained, name: str, says: str):
    from train.networks.exported import load_exported

    before = [w.copy() for w in trained.get_weights()]
    with pytest.raises(EdgeError) as caught:
        load_exported(trained, SHIPPED / f"{name}.onnx")
    assert str(caught.value) == f"{SHIPPED / name}.onnx: {says}"
    assert all((a == b).all() for a, b in zip(before, trained.get_weights(), strict=True))


# What batches are normalized by


def test_measured_statistics_are_those_of_the_batches_and_change_no_answer() -> None:
    from train.networks.batch_statistics import measure_statistics

    image = keras.Input((1, 2, 1))
    first = keras.layers.BatchNormalization(epsilon=0.0, momentum=1.0)
    second = keras.layers.BatchNormalization(epsilon=0.0, momentum=1.0)
    model = keras.Model(image, second(keras.layers.ReLU()(first(image))))
    first.set_weights([np.array([2.0]), np.array([1.0]), np.array([0.5]), np.array([4.0])])
    second.set_weights([np.array([3.0]), np.array([-1.0]), np.array([0.0]), np.array([1.0])])
    values = np.array([1.0, 3.0, 5.0, 7.0, -4.5, -4.5], np.float32).reshape(3, 1, 2, 1)
    # first: x + 0.5; second: 3 relu(...) - 1
    expected = np.array([3.5, 9.5, 15.5, 21.5, -1.0, -1.0]).reshape(3, 1, 2, 1)
    np.testing.assert_allclose(np.asarray(model(values)), expected, atol=1e-5)
    measure_statistics(model, [values[:2], values[2:]])
    between = np.array([1.5, 3.5, 5.5, 7.5, 0.0, 0.0])
    for layer, made, slope, shift in (
        (first, values, 1.0, 0.5),
        (second, between, 3.0, -1.0),
    ):
        gamma, beta, mean, variance = (float(w[0]) for w in layer.get_weights())
        assert mean == pytest.approx(made.mean(), abs=1e-5)
        assert variance == pytest.approx(made.var(), abs=1e-4)
        assert gamma == pytest.approx(slope * made.std(), abs=1e-4)
        assert beta == pytest.approx(shift + slope * made.mean(), abs=1e-4)
    for training in (False, True):
        np.testing.assert_allclose(
            np.asarray(model(values, training=training)), expected, atol=1e-4
        )
