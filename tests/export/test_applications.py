"""Networks of keras.applications, with random weights: converted, quantized, and tested by itself.

Small inputs and five classes; batch normalizations know the photos, and the last layer is scaled
so that answers differ, or every comparison would hold.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge_runtime.model.golden import check_golden
from edge_runtime.model.session import SessionOptions, open_session

pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.slow,
    # tf2onnx and onnxruntime's quantizer warn of their own doings, and no other way was offered.
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]
keras = pytest.importorskip("keras")

LABELS = ("a", "b", "c", "d", "e")
PHOTOS = 24
NETWORKS: dict[str, tuple[str, int, dict[str, Any]]] = {
    "MobileNet v1": ("MobileNet", 64, {"alpha": 0.25}),
    "MobileNet v2": ("MobileNetV2", 64, {"alpha": 0.35}),
    "MobileNet v3": ("MobileNetV3Small", 64, {}),
    "VGG": ("VGG16", 32, {}),
    "ResNet": ("ResNet50", 48, {}),
    "EfficientNet": ("EfficientNetB0", 48, {}),
    "Xception": ("Xception", 71, {}),
    "DenseNet": ("DenseNet121", 48, {}),
    "ConvNeXt": ("ConvNeXtTiny", 32, {}),
    "NASNet": ("NASNetMobile", 48, {}),
}


@pytest.fixture(autouse=True)
def freed() -> Iterator[None]:
    """Networks refer to themselves: left to Python some of them stay, 5 GB after a few."""
    yield
    keras.utils.clear_session()
    gc.collect()


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of pictures of colored discs on colored grounds."""
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for i in range(PHOTOS):
        image = np.full((96, 96, 3), rng.integers(0, 256, 3), np.uint8)
        for _ in range(6):
            center = tuple(int(v) for v in rng.integers(0, 96, 2))
            color = tuple(int(v) for v in rng.integers(0, 256, 3))
            cv2.circle(image, center, int(rng.integers(8, 40)), color, -1)
        noise = rng.normal(0, 12, image.shape)
        cv2.imwrite(str(folder / f"{i:02}.png"), np.clip(image + noise, 0, 255).astype(np.uint8))
    return folder


@pytest.fixture(scope="module")
def network(photos: Path) -> Callable[[str], Any]:
    """Build a network whose answers to the photos differ."""
    from export.families import family_of

    def build(title: str) -> Any:
        name, side, more = NETWORKS[title]
        keras.utils.set_random_seed(0)
        make = getattr(keras.applications, name)
        model = make(weights=None, input_shape=(side, side, 3), classes=5, **more)
        said = family_of(model).described(model)
        pixels = np.stack(
            [cv2.resize(cv2.imread(str(p)), (side, side)) for p in sorted(photos.iterdir())]
        )
        colored = pixels if said.color == "bgr" else pixels[..., ::-1]
        inputs = (colored.astype(np.float32) - np.array(said.mean)) / np.array(said.scale)
        for layer in model._flatten_layers():
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.momentum = 0.3
            elif isinstance(layer, keras.layers.Dropout):
                layer.rate = 0.0
        for _ in range(4):
            model(inputs, training=True)
        head = [layer for layer in model.layers if hasattr(layer, "kernel")][-1]
        activation, head.activation = head.activation, keras.activations.linear
        logits = np.asarray(keras.Model(model.input, head.output)(inputs, training=False))
        head.activation = activation
        factor = 2 / logits.reshape(PHOTOS, -1).std(0).mean()
        head.kernel.assign(head.kernel * factor)
        head.bias.assign(-logits.reshape(PHOTOS, -1).mean(0) * factor)
        return model

    return build


@pytest.mark.parametrize("title", NETWORKS)
def test_network_becomes_a_file_that_answers_as_it_does(
    title: str, network, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from export.description import Description
    from export.options import ExportOptions
    from export.pipeline import export_model

    monkeypatch.setattr("export.ladder._TURNS", 2)
    monkeypatch.setattr("export.ladder._TURN_S", 0.0)
    model = network(title)
    model.save(tmp_path / "net.keras")
    lines: list[str] = []
    # Random weights answer near ties: what is looked at is that the whole way is gone.
    options = ExportOptions(
        "int8", min_agreement=0.5, calibration=photos, described=Description(labels=LABELS)
    )
    export_model(tmp_path / "net.keras", tmp_path / "net.onnx", options, lines.append)
    assert lines[0].startswith(f"{model.name} is a {title}; assumed --color ")
    (parity,) = (line for line in lines if line.startswith("parity with Keras: scores within "))
    assert float(parity.rsplit(" ", 1)[1]) <= 1e-4
    session = open_session(tmp_path / "net.onnx", SessionOptions("cpu", 2))
    assert session.card.precision == "int8"
    assert check_golden(session).difference < 1e-4
    side = NETWORKS[title][1]
    pictures = [cv2.resize(cv2.imread(str(p)), (side, side)) for p in sorted(photos.iterdir())]
    scores = session.run(np.stack(pictures)[..., ::-1].copy())["scores"]
    assert len(np.unique(scores.argmax(1))) >= 2
