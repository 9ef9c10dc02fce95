"""The same weights in int8 by three engines, in turns on one thread: onnxruntime, OpenVINO, LiteRT.

OpenVINO reads the very file onnxruntime does; LiteRT has its own, quantized by its own converter
from the run's Keras model with the same calibration photos.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.latency import side_by_side
from edge_runtime.apps.progress import progress
from edge_runtime.errors import OptionError
from edge_runtime.model.catalog import find_model
from edge_runtime.model.preprocess import Image
from edge_runtime.model.session import Session, SessionOptions, open_session
from export.evaluate import model_inputs
from export.options import ExportOptions
from export.quantize import calibration_samples
from export.run_folder import RunFolder, read_run

__all__ = ["measure_engines"]

_ASKED = 200  # val photos that show that all three compute the same network

Ask = Callable[[Image], npt.NDArray[np.float32]]


def measure_engines(models: Mapping[str, Path]) -> dict[str, Any]:
    """Time one picture by each engine.

    Args:
        models: Model file or shipped name, and the run folder it came from.

    Returns:
        For each model: the share of val photos that get onnxruntime's answer, with n; latencies and
        their ratio to onnxruntime's, see `benchmarks.latency`.

    Raises:
        OptionError: OpenVINO or LiteRT is not installed.
    """
    measured: dict[str, Any] = {}
    for model, folder in models.items():
        path = find_model(model)
        session = open_session(path, SessionOptions("cpu", 1))
        run = read_run(folder)
        asked = list(model_inputs(run.splits["val"][:_ASKED], run.card.input))
        with tempfile.TemporaryDirectory(prefix="edge-engines-") as work:
            engines: dict[str, Ask] = {
                "OpenVINO": _openvino(path),
                "LiteRT": _litert(run, Path(work)),
                "onnxruntime": _onnxruntime(session),
            }
            measured[session.card.name] = {
                "sha256": session.card.sha256,
                "input": [run.card.input.height_px, run.card.input.width_px],
                **_measure(engines, asked),
            }
    return {"versions": _versions(), "models": measured}


def _measure(engines: Mapping[str, Ask], asked: list[Image]) -> dict[str, Any]:
    answers: dict[str, list[npt.NDArray[np.float32]]] = {name: [] for name in engines}
    with progress("asking", len(asked)) as step:
        for image in asked:
            for name, ask in engines.items():
                answers[name].append(ask(image).reshape(-1))
            step()
    best = {name: np.argmax(rows, axis=1) for name, rows in answers.items()}
    *others, last = engines
    return {
        "n": len(asked),
        f"agreement_with_{last}": {
            name: round(float(np.mean(best[name] == best[last])), 4) for name in others
        },
        **side_by_side({name: partial(ask, asked[0]) for name, ask in engines.items()}),
    }


def _onnxruntime(session: Session) -> Ask:
    return lambda image: session.run(image)["scores"]


def _openvino(path: Path) -> Ask:
    try:
        import openvino
    except ImportError:
        raise OptionError("OpenVINO is missing; install it: pip install openvino") from None
    core = openvino.Core()
    model = core.read_model(path)
    _, *rest = model.input(0).partial_shape
    model.reshape({0: openvino.PartialShape([1, *rest])})
    settings = {"INFERENCE_NUM_THREADS": 1, "PERFORMANCE_HINT": "LATENCY"}
    request = core.compile_model(model, "CPU", settings).create_infer_request()
    return lambda image: np.array(request.infer({0: image})["scores"], np.float32)


def _litert(run: RunFolder, work: Path) -> Ask:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        raise OptionError("LiteRT is missing; install it: pip install ai-edge-litert") from None
    interpreter = Interpreter(model_content=_tflite(run, work), num_threads=1)
    interpreter.allocate_tensors()
    (image,) = interpreter.get_input_details()
    outputs = interpreter.get_output_details()
    # The converter renames outputs; scores are the one with as many numbers as labels.
    scores = next(o for o in outputs if o["shape"][-1] == len(run.card.labels))

    def ask(picture: Image) -> npt.NDArray[np.float32]:
        interpreter.set_tensor(image["index"], picture)
        interpreter.invoke()
        return np.asarray(interpreter.get_tensor(scores["index"]), np.float32)

    return ask


def _tflite(run: RunFolder, work: Path) -> bytes:
    import keras
    import tensorflow as tf

    spec = run.card.input
    model = keras.saving.load_model(run.model_path, compile=False)
    image = keras.Input(batch_shape=(1, spec.height_px, spec.width_px, 3), dtype="uint8")
    keras.Model(image, model(image, training=False)).export(work / "saved", verbose=False)
    photos = calibration_samples(run.splits["train"], ExportOptions().calibration_photos)
    converter = tf.lite.TFLiteConverter.from_saved_model(str(work / "saved"))
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([x] for x in model_inputs(photos, spec))
    content: bytes = converter.convert()
    return content


def _versions() -> dict[str, str]:
    return {name: version(name) for name in ("onnxruntime", "openvino", "ai-edge-litert")}
