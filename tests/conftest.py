"""Tiny models with hand-set weights, so that every test knows the right answer.

`colors` says which of red, green and blue a picture is; the detector takes a red or green square
of 16 px (in its 64 px input) for a face. Blue and black are background to it.
"""

import dataclasses
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from typer.testing import CliRunner

from edge_runtime.faces.detector import OnnxFaceDetector
from edge_runtime.model.card import Golden, InputSpec, ModelCard
from edge_runtime.model.classifier import Classifier
from edge_runtime.model.golden import make_golden
from edge_runtime.model.session import Session, SessionOptions, open_session
from export.package import pack
from tests.written_run import write_run

ROOT = Path(__file__).parents[1]
LABELS = ("red", "green", "blue")
RED, GREEN, BLUE, GRAY = (0, 0, 255), (0, 255, 0), (255, 0, 0), (128, 128, 128)  # BGR

_CELL, _STRIDE, _SIDE = 16, 4, 64
_PER_ROW = (_SIDE - _CELL) // _STRIDE + 1


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test works in a folder of its own, and leaves signals as they were."""
    monkeypatch.chdir(tmp_path)
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture(scope="session")
def classifier_proto() -> Callable[..., onnx.ModelProto]:
    """Build the channel-mean classifier; a full channel alone scores e^4 / (e^4 + 2) = 0.9647."""

    def build(side: int = 16, classes: int = 3, batch: str | int = "N") -> onnx.ModelProto:
        weights = np.zeros((3, classes), np.float32)
        np.fill_diagonal(weights, 4 / 255)
        nodes = [
            helper.make_node("Cast", ["image"], ["floats"], to=TensorProto.FLOAT),
            helper.make_node("ReduceMean", ["floats"], ["means"], axes=[1, 2], keepdims=0),
            helper.make_node("MatMul", ["means", "weights"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["scores"], axis=-1),
        ]
        inputs = [("image", TensorProto.UINT8, [batch, side, side, 3])]
        outputs = [("scores", TensorProto.FLOAT, [batch, classes])]
        return _model(nodes, inputs, outputs, {"weights": weights})

    return build


@pytest.fixture(scope="session")
def detector_proto() -> onnx.ModelProto:
    """A window's score is 5 * mean(clip(R + G - B)) - 4: 1 on a whole square, 0 from 80% down."""
    corners = np.array(
        [
            (x, y, x + _CELL, y + _CELL)
            for y in range(0, _SIDE - _CELL + 1, _STRIDE)
            for x in range(0, _SIDE - _CELL + 1, _STRIDE)
        ],
        np.float32,
    )
    points = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]], np.float32)
    landmarks = corners[:, None, :2] + points * _CELL
    constants = {
        "warmth": np.array([[1], [1], [-1]], np.float32) / 255,
        "corners": corners[None],
        "points": landmarks.reshape(1, -1, 10),
        "zero": np.zeros((), np.float32),
        "one": np.ones((), np.float32),
        "five": np.full((), 5, np.float32),
        "four": np.full((), 4, np.float32),
        "flat": np.array([0, len(corners)], np.int64),
        "column": np.array([2], np.int64),
    }
    nodes = [
        helper.make_node("Cast", ["image"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["floats", "warmth"], ["warm"]),
        helper.make_node("Clip", ["warm", "zero", "one"], ["clipped"]),
        helper.make_node("Transpose", ["clipped"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node(
            "AveragePool",
            ["planes"],
            ["cells"],
            kernel_shape=[_CELL, _CELL],
            strides=[_STRIDE, _STRIDE],
        ),
        helper.make_node("Reshape", ["cells", "flat"], ["means"]),
        helper.make_node("Mul", ["means", "five"], ["steep"]),
        helper.make_node("Sub", ["steep", "four"], ["shifted"]),
        helper.make_node("Clip", ["shifted", "zero", "one"], ["scores"]),
        helper.make_node("Unsqueeze", ["scores", "column"], ["wide"]),
        helper.make_node("Mul", ["wide", "zero"], ["nothing"]),
        helper.make_node("Add", ["nothing", "corners"], ["boxes"]),
        helper.make_node("Add", ["nothing", "points"], ["landmarks"]),
    ]
    count = len(corners)
    return _model(
        nodes,
        [("image", TensorProto.UINT8, ["N", _SIDE, _SIDE, 3])],
        [
            ("boxes", TensorProto.FLOAT, ["N", count, 4]),
            ("scores", TensorProto.FLOAT, ["N", count]),
            ("landmarks", TensorProto.FLOAT, ["N", count, 10]),
        ],
        constants,
    )


def _model(
    nodes: list[Any], inputs: list[Any], outputs: list[Any], constants: dict[str, Any]
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(*i) for i in inputs],
        [helper.make_tensor_value_info(*o) for o in outputs],
        [numpy_helper.from_array(v, k) for k, v in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.fixture(scope="session")
def color_card() -> ModelCard:
    """The card of the classifier, before packing."""
    return ModelCard("colors", "classification", LABELS, InputSpec(16, 16))


@pytest.fixture(scope="session")
def write_colors(
    tmp_path_factory: pytest.TempPathFactory,
    classifier_proto: Callable[..., onnx.ModelProto],
    color_card: ModelCard,
) -> Callable[..., Path]:
    """Write a classifier; keywords replace card fields, and those of the input spec.

    `golden=True` has it record its own golden sample.
    """

    def write(
        *, golden: bool | Golden = False, proto: onnx.ModelProto | None = None, **fields: Any
    ) -> Path:
        spec_names = {f.name for f in dataclasses.fields(InputSpec)}
        spec = {name: fields.pop(name) for name in spec_names & set(fields)}
        if isinstance(golden, Golden):
            fields["golden"] = golden
        card = dataclasses.replace(
            color_card, **fields, input=dataclasses.replace(color_card.input, **spec)
        )
        graph = proto or classifier_proto(card.input.height_px)
        path = tmp_path_factory.mktemp("models") / f"{card.name}.onnx"
        path.write_bytes(pack(graph, card))
        if golden is True:
            picture = np.full((card.input.height_px, card.input.width_px, 3), (200, 40, 60))
            session = open_session(path, SessionOptions("cpu", 1))
            card = dataclasses.replace(card, golden=make_golden(session, picture.astype(np.uint8)))
            path.write_bytes(pack(graph, card))
        return path

    return write


@pytest.fixture(scope="session")
def color_model(write_colors: Callable[..., Path]) -> Path:
    """The classifier on whole pictures, with a golden sample."""
    return write_colors(golden=True)


@pytest.fixture(scope="session")
def face_model(write_colors: Callable[..., Path]) -> Path:
    """The classifier on faces; its name is `mood`."""
    return write_colors(name="mood", region="face")


@pytest.fixture(scope="session")
def unfit_model(write_colors: Callable[..., Path]) -> Path:
    """A classifier whose card names two labels where the graph has three scores."""
    return write_colors(labels=("red", "green"))


@pytest.fixture(scope="session")
def cardless_model(
    tmp_path_factory: pytest.TempPathFactory, classifier_proto: Callable[..., onnx.ModelProto]
) -> Path:
    """A good ONNX file without a card."""
    path = tmp_path_factory.mktemp("models") / "cardless.onnx"
    path.write_bytes(classifier_proto().SerializeToString())
    return path


@pytest.fixture(scope="session")
def detector_model(
    tmp_path_factory: pytest.TempPathFactory, detector_proto: onnx.ModelProto
) -> Path:
    """The hand-made face detector."""
    card = ModelCard("squares", "detection", ("face",), InputSpec(_SIDE, _SIDE, resize="letterbox"))
    path = tmp_path_factory.mktemp("models") / "squares.onnx"
    path.write_bytes(pack(detector_proto, card))
    return path


@pytest.fixture(scope="session")
def color_session(color_model: Path) -> Session:
    return open_session(color_model, SessionOptions("cpu", 1))


@pytest.fixture(scope="session")
def colors(color_session: Session) -> Classifier:
    """The classifier on whole pictures."""
    return Classifier(color_session)


@pytest.fixture(scope="session")
def mood(face_model: Path) -> Classifier:
    """The classifier on faces."""
    return Classifier(open_session(face_model, SessionOptions("cpu", 1)))


@pytest.fixture(scope="session")
def detector(detector_model: Path) -> OnnxFaceDetector:
    return OnnxFaceDetector(open_session(detector_model, SessionOptions("cpu", 1)))


@pytest.fixture(scope="session")
def picture() -> Callable[..., np.ndarray]:
    """Make a picture of one color, BGR: `picture(RED)`, `picture("red", 20, 30)`."""
    named = {"red": RED, "green": GREEN, "blue": BLUE, "gray": GRAY, "black": (0, 0, 0)}

    def make(color: Any, height: int = 32, width: int = 32) -> np.ndarray:
        return np.full((height, width, 3), named.get(color, color), np.uint8)

    return make


@pytest.fixture(scope="session")
def scene(picture: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    """Make a blue 128x128 frame with squares of 32 px, which the detector takes for faces.

    `scene((8, 16))` has a red one at x 8, y 16; a third value is another BGR color. Places should
    be multiples of 8, where the detector's windows lie.
    """

    def make(*faces: tuple[Any, ...], side: int = 128) -> np.ndarray:
        image = picture("blue", side, side)
        for x, y, *color in faces:
            image[y : y + side // 4, x : x + side // 4] = color[0] if color else RED
        return image

    return make


@pytest.fixture(scope="session")
def write_clip() -> Callable[..., Path]:
    """Write frames as a clip, which the suffix decides: .mp4 (mp4v) or .avi (Motion JPEG)."""

    def write(path: Path, frames: list[np.ndarray], fps: float = 10.0) -> Path:
        codec = cv2.VideoWriter.fourcc(*("MJPG" if path.suffix == ".avi" else "mp4v"))
        height, width = frames[0].shape[:2]
        writer = cv2.VideoWriter(str(path), codec, fps, (width, height))
        assert writer.isOpened()
        for frame in frames:
            writer.write(frame)
        writer.release()
        return path

    return write


@pytest.fixture(scope="session")
def face_clip(
    tmp_path_factory: pytest.TempPathFactory,
    write_clip: Callable[..., Path],
    scene: Callable[..., np.ndarray],
) -> Path:
    """A clip of 12 frames in which one red face goes 8 px to the right each frame."""
    frames = [scene((8 * i, 48)) for i in range(12)]
    return write_clip(tmp_path_factory.mktemp("clips") / "face.mp4", frames)


@pytest.fixture(scope="session")
def read_clip() -> Callable[[Path], list[np.ndarray]]:
    """Read all frames of a clip."""

    def read(path: Path) -> list[np.ndarray]:
        capture = cv2.VideoCapture(str(path))
        frames = []
        while (frame := capture.read()[1]) is not None:
            frames.append(frame)
        capture.release()
        return frames

    return read


@pytest.fixture(scope="session")
def rotated_jpeg(picture: Callable[..., np.ndarray]) -> Callable[..., bytes]:
    """Return a JPEG stored lying, with an EXIF note (orientation 6) to turn it clockwise.

    Stored: left half red, right half blue. Shown, it is upright: red above, blue below.
    """

    def make(stored_wh: tuple[int, int] = (48, 32)) -> bytes:
        width, height = stored_wh
        image = picture("red", height, width)
        image[:, width // 2 :] = BLUE
        jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
        entry = b"\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00"  # orientation, SHORT, 1, 6
        tiff = b"II*\x00\x08\x00\x00\x00" + b"\x01\x00" + entry + b"\x00\x00\x00\x00"
        body = b"Exif\x00\x00" + tiff
        segment = b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body
        return jpeg[:2] + segment + jpeg[2:]

    return make


@pytest.fixture(scope="session")
def cli() -> Callable[..., Any]:
    """Run a command line in this process; the result has exit_code, stdout, stderr."""
    from edge_runtime.cli import app
    from edge_runtime.cli_options import say_once

    def run(*arguments: Any) -> Any:
        say_once.cache_clear()  # each run stands for a process of its own
        return CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)

    return run


@pytest.fixture(scope="session")
def checkout_env() -> dict[str, str]:
    """The environment for a Python started elsewhere that must find this checkout."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}


@pytest.fixture(scope="session")
def identity_proto(classifier_proto: Callable[..., onnx.ModelProto]) -> onnx.ModelProto:
    """The classifier with an `embedding` beside its scores: the channel means at length 1."""
    proto = classifier_proto()
    proto.graph.node.extend(
        [
            helper.make_node("ReduceL2", ["means"], ["length"], axes=[1], keepdims=1),
            helper.make_node("Max", ["length", "tiny"], ["divisor"]),
            helper.make_node("Div", ["means", "divisor"], ["embedding"]),
        ]
    )
    proto.graph.initializer.append(numpy_helper.from_array(np.full((), 1e-6, np.float32), "tiny"))
    proto.graph.output.append(
        helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["N", 3])
    )
    return proto


@pytest.fixture(scope="session")
def identity_model(write_colors: Callable[..., Path], identity_proto: onnx.ModelProto) -> Path:
    """A model called `who` that tells faces apart by their color, from a cosine of 0.9 on."""
    from edge_runtime.model.card import Reject

    return write_colors(
        proto=identity_proto,
        name="who",
        task="identity",
        labels=("Ada", "Bo", "Cy"),
        region="face",
        reject=Reject("cosine", 0.9, 0.01),
        provenance={"weights_sha256": "a" * 64},
    )


@pytest.fixture(scope="session")
def identity_session(identity_model: Path) -> Session:
    return open_session(identity_model, SessionOptions("cpu", 1))


@pytest.fixture(scope="session")
def portrait(scene: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    """Make a sharp photo of red, green or pale: 256x256, a face of 64 px at x 96, y 96.

    Half of the face's 8 px squares have one channel changed by `tone`: another tone, 60 to 120, is
    another photo of the same person. Photos of one person have embeddings with a cosine of 0.99
    or more, those of two people 0.83 at most.
    """

    def make(person: str, tone: int = 80) -> np.ndarray:
        plain, other = (
            {"red": (0, t, 255), "green": (0, 255, t), "pale": (150, 255 - t, 255)}[person]
            for t in (0, tone)
        )
        image = scene((96, 96, plain), side=256)
        rows, columns = np.indices((64, 64)) // 8
        image[96:160, 96:160][(rows + columns) % 2 == 1] = other
        return image

    return make


@dataclasses.dataclass
class _FileServer:
    """What the file server does; the Range (or None) and the path of each request it got."""

    url: str = ""
    body: bytes = bytes(range(256)) * 1000  # several blocks
    ends_after: int = 10**9
    knows_parts: bool = True
    tells_length: bool = True
    status: int = 0
    speaks_http: bool = True
    asked: list[str | None] = dataclasses.field(default_factory=list)
    paths: list[str] = dataclasses.field(default_factory=list)


@pytest.fixture
def file_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[_FileServer]:
    """A server on this machine that sends one body, and an empty cache of models, `cache`."""
    import gc
    import threading
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    told = _FileServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers["Range"]
            told.asked.append(wanted)
            told.paths.append(self.path)
            start = int(wanted[6:-1]) if wanted and told.knows_parts else 0
            status = told.status or (206 if start else 200)
            if start >= len(told.body):
                status = 416
            body = told.body[start:] if status < 400 else b""
            if not told.speaks_http:
                self.wfile.write(b"220 hello\r\n")
                return
            self.send_response(status)
            if told.tells_length:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: told.ends_after])

        def log_message(self, *_: object) -> None:
            pass

    monkeypatch.setenv("EDGE_RUN_MODELS", "cache")
    monkeypatch.setenv("no_proxy", "*")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        told.url = f"http://127.0.0.1:{running.server_port}/x"
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield told
        running.shutdown()
        thread.join()
    gc.collect()  # a connection left open is this test's failure, not a later one's


@pytest.fixture(scope="session")
def color_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose model tells red from blue photos, with weights set by hand."""
    keras = pytest.importorskip("keras")
    root = tmp_path_factory.mktemp("colors")
    rng = np.random.default_rng(0)
    samples = []
    for i in range(40):
        label = ("red", "blue")[i // 2 % 2]
        image = rng.integers(0, 120, (24, 24, 3)).astype(np.uint8)
        image[..., 2 if label == "red" else 0] = rng.integers(150, 256)
        cv2.imwrite(str(root / f"{i}.png"), image)
        samples.append((root / f"{i}.png", label))
    image = keras.Input((24, 24, 3), dtype="uint8", name="image")
    x = keras.layers.Rescaling(1 / 255.0)(image)
    x = keras.layers.Conv2D(8, 3, use_bias=False)(x)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.ReLU()(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.Dense(2, activation="softmax", name="scores")(x)
    model = keras.Model(image, x)
    kernel = np.zeros((3, 3, 3, 8), np.float32)
    kernel[1, 1, 0, :4] = 1
    kernel[1, 1, 2, 4:] = 1
    model.layers[2].set_weights([kernel])
    head = np.zeros((8, 2), np.float32)
    head[:4, 0] = head[4:, 1] = 1.5
    model.layers[-1].set_weights([head, np.zeros(2, np.float32)])
    card = ModelCard("colors", "classification", ("red", "blue"), InputSpec(24, 24))
    return write_run(root / "run", model, card, samples)
