"""Telling people apart: the loss, the angles, and the shipped file as a starting point."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_runtime.errors import EdgeError
from edge_runtime.model.card import InputSpec

pytestmark = pytest.mark.tensorflow
keras = pytest.importorskip("keras")

# tf2onnx and onnxruntime's quantizer warn of their own doings, and no other way was offered.
QUIET = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

SPEC = InputSpec(64, 64, region="face")
SHIPPED = Path(__file__).parents[2] / "edge_runtime" / "shipped"


# The loss


@pytest.mark.parametrize(
    ("cosines", "person", "loss"),
    [
        # Logits are 10 (cosine - 0.3 for the right one).
        pytest.param([0.8, 0.5], 0, np.log(2), id="just the margin better"),  # 5, 5
        pytest.param([0.8, 0.5], 1, np.log(1 + np.exp(6)), id="wrong"),  # 8, 2
        pytest.param([1.0, -1.0], 0, np.log(1 + np.exp(-17)), id="right"),  # 7, -10
        pytest.param([0.5, 0.2, 0.2], 0, np.log(3), id="three"),  # 2, 2, 2
    ],
)
def test_margin_is_taken_from_the_right_persons_cosine(cosines, person: int, loss: float) -> None:
    from train.networks.face_embedding import MarginSoftmax

    target = np.eye(len(cosines), dtype=np.float32)[[person]]
    found = MarginSoftmax(scale=10, margin=0.3)(target, np.array([cosines], np.float32))
    assert float(found) == pytest.approx(loss, rel=1e-4, abs=1e-6)


def test_loss_is_the_mean_over_photos_and_has_the_scale_that_answers_have() -> None:
    from train.networks.face_embedding import SCALE, MarginSoftmax

    cosines = np.array([[0.8, 0.5], [0.5, 0.8]], np.float32)
    target = np.array([[1, 0], [1, 0]], np.float32)
    # Right by just the margin, then wrong by twice the margin at the scale of the answers.
    expected = (np.log(2) + np.log(1 + np.exp(SCALE * 0.6))) / 2
    assert float(MarginSoftmax()(target, cosines)) == pytest.approx(expected, rel=1e-4)


# The angles


@pytest.fixture(scope="module")
def photos(photo) -> np.ndarray:
    return np.stack([photo(i, 64) for i in range(6)])


@pytest.fixture(scope="module")
def embedding(photos) -> Callable[..., Any]:
    """Build an embedding network that knows the data, nearly, as after training."""
    from train.networks.face_embedding import embedding_network

    def build(seed: int, spec: InputSpec = SPEC, backbone: str = "mobilenet-0.25") -> Any:
        keras.utils.set_random_seed(seed)
        model = embedding_network(spec, 3, backbone, "none")
        normals = [x for x in model.layers if isinstance(x, keras.layers.BatchNormalization)]
        for layer in normals:
            layer.momentum = 0.0
        model(photos, training=True)
        rng = np.random.default_rng(seed)
        for layer in normals:
            gamma, beta, mean, variance = layer.get_weights()
            n = len(gamma)
            layer.set_weights(
                [gamma * rng.uniform(0.7, 1.4, n), beta + rng.normal(0, 0.2, n),
                 mean + rng.normal(0, 0.1, n), variance * rng.uniform(0.7, 1.4, n)]
            )  # fmt: skip
        return model

    return build


@pytest.fixture(scope="module")
def trained(embedding) -> Any:
    return embedding(0)


def _embed(model: Any, photos: np.ndarray) -> np.ndarray:
    part = keras.Model(model.input, model.get_layer("embedding").output)
    return np.asarray(part(photos, training=False))


def _answering(trained: Any, directions: np.ndarray, scale: float = 30.0) -> Any:
    from train.networks.face_embedding import answering_model, mirrored_embedding

    return answering_model(mirrored_embedding(trained), directions, scale)


def test_embeddings_have_unit_length_and_cosines_are_those_of_the_angles(trained, photos) -> None:
    vectors = _embed(trained, photos)
    assert vectors.shape == (6, 128)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(6), abs=1e-4)
    directions = np.asarray(trained.get_layer("cosines").directions)
    expected = vectors @ (directions / np.linalg.norm(directions, axis=0))
    cosines = np.asarray(trained(photos, training=False))
    assert cosines.shape == (6, 3)
    np.testing.assert_allclose(cosines, expected, atol=1e-5)
    assert np.ptp(cosines, axis=0).min() > 0.01


def test_moved_embedding_is_that_of_the_moved_sum_of_both_views(embedding, photos) -> None:
    from train.networks.face_embedding import mirrored_embedding, move_embedding

    model = embedding(3)
    embedder = mirrored_embedding(model)
    summed = keras.Model(embedder.input, embedder.get_layer("embedding").input)
    before = np.asarray(summed(photos))
    rng = np.random.default_rng(0)
    middle, matrix = rng.normal(0, 1, 128), rng.normal(0, 0.1, (128, 128))
    move_embedding(model, middle.astype(np.float32), matrix.astype(np.float32))
    expected = (before - middle) @ matrix
    np.testing.assert_allclose(np.asarray(summed(photos)), expected, atol=2e-4 * np.ptp(expected))
    lengths = np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(np.asarray(embedder(photos)), expected / lengths, atol=1e-3)


def test_answers_are_a_softmax_of_scaled_cosines_to_each_person(trained, photos) -> None:
    directions = np.random.default_rng(0).normal(0, 5, (128, 4)).astype(np.float32)
    model = _answering(trained, directions, scale=20.0)
    out = {name: np.asarray(value) for name, value in model(photos, training=False).items()}
    unscaled = keras.Model(trained.input, trained.get_layer("unscaled").output)
    both = np.asarray(unscaled(photos)) + np.asarray(unscaled(photos[:, :, ::-1]))
    vectors = both / np.linalg.norm(both, axis=1, keepdims=True)
    np.testing.assert_allclose(out["embedding"], vectors, atol=1e-5)
    logits = 20 * vectors @ (directions / np.linalg.norm(directions, axis=0))
    powers = np.exp(logits - logits.max(1, keepdims=True))
    np.testing.assert_allclose(out["scores"], powers / powers.sum(1, keepdims=True), atol=1e-5)
    assert [w.shape for w in model.get_layer("scores").get_weights()] == [(128, 4)]


def test_answering_model_saved_and_loaded_again_answers_the_same(trained, photos) -> None:
    model = _answering(trained, np.eye(128, 3, dtype=np.float32))
    model.save("model.keras")
    again = keras.saving.load_model("model.keras", compile=False)
    for name, value in model(photos, training=False).items():
        np.testing.assert_allclose(again(photos, training=False)[name], value, atol=1e-5)


# The shipped file


@pytest.fixture(scope="module")
def exported(trained, tmp_path_factory) -> Path:
    """The network as `python -m export` would write it in fp32."""
    import onnx

    from export.convert import keras_to_onnx

    model = _answering(trained, np.eye(128, 3, dtype=np.float32))
    path = tmp_path_factory.mktemp("faces") / "faces.onnx"
    onnx.save(keras_to_onnx(model), path)
    return path


@pytest.fixture(scope="module")
def folded(exported) -> Path:
    """The same with batch normalization inside the convolutions, as before quantizing."""
    from onnxruntime.quantization.shape_inference import quant_pre_process

    path = exported.with_name("folded.onnx")
    quant_pre_process(str(exported), str(path), skip_symbolic_shape=True)
    return path


@QUIET
@pytest.mark.parametrize("kind", ["exported", "folded"])
def test_network_gets_its_weights_back_from_a_file(
    trained, embedding, photos, request, kind: str
) -> None:
    from train.networks.exported import load_exported

    fresh = embedding(1)
    expected = _embed(trained, photos)
    assert np.abs(_embed(fresh, photos) - expected).max() > 0.05
    load_exported(fresh, request.getfixturevalue(kind))
    np.testing.assert_allclose(_embed(fresh, photos), expected, atol=1e-3)


@QUIET
def test_network_gets_its_weights_back_from_an_int8_file(
    trained, embedding, exported, photos, tmp_path: Path
) -> None:
    import onnx

    from export.quantize import RUNGS, Quantizer
    from train.networks.exported import load_exported

    images = [photo[None] for photo in photos]
    quantizer = Quantizer(onnx.load(exported), lambda: iter(images), len(images), tmp_path)
    onnx.save(quantizer.quantize(RUNGS[0]), tmp_path / "int8.onnx")
    fresh = embedding(1)
    load_exported(fresh, tmp_path / "int8.onnx")
    kinds = keras.layers.Conv2D | keras.layers.DepthwiseConv2D
    _, *quantized = (layer for layer in fresh.layers if isinstance(layer, kinds))
    for layer in quantized:
        # Seven bits, from -64 to 64, for the largest weight of each output channel.
        channel = (0, 1, 3) if isinstance(layer, keras.layers.DepthwiseConv2D) else (0, 1, 2)
        kernel = layer.get_weights()[0]
        steps = kernel / np.abs(kernel).max(channel, keepdims=True) * 64
        np.testing.assert_allclose(steps, np.round(steps), atol=1e-3)
    cosines = (_embed(fresh, photos) * _embed(trained, photos)).sum(1)
    assert cosines.min() > 0.99


@QUIET
@pytest.mark.parametrize(
    ("backbone", "side", "says"),
    [
        ("mobilenetv2-0.35", 64, "has 15 convolutions, the network 24; it was exported from "
         "another --backbone or --size"),
        ("mobilenet-0.5", 64, "a convolution is (3, 3, 3, 8), the network's (3, 3, 3, 16); it "
         "was exported from another --backbone or --size"),
        ("mobilenet-0.25", 96, "a convolution is (4, 4, 128, 128), the network's (6, 6, 128, 128); "
         "it was exported from another --backbone or --size"),
    ],
    ids=["more layers", "wider", "larger"],
)  # fmt: skip
def test_file_of_another_backbone_is_refused(folded, backbone: str, side: int, says: str) -> None:
    from train.networks.exported import load_exported
    from train.networks.face_embedding import embedding_network

    fresh = embedding_network(InputSpec(side, side, region="face"), 3, backbone, "none")
    with pytest.raises(EdgeError) as caught:
        load_exported(fresh, folded, "--backbone or --size")
    assert str(caught.value).startswith(f"{folded}: {says}")


@pytest.mark.parametrize("name", ["expression.onnx", "detector.onnx", "text.onnx", "gone.onnx"])
def test_file_that_is_no_face_model_is_refused_in_one_line(trained, name: str) -> None:
    from train.networks.exported import load_exported

    Path("text.onnx").write_text("no model\n" * 9)
    path = SHIPPED / name if (SHIPPED / name).exists() else Path(name)
    before = [w.copy() for w in trained.get_weights()]
    with pytest.raises(EdgeError) as caught:
        load_exported(trained, path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    assert all((a == b).all() for a, b in zip(before, trained.get_weights(), strict=True))
