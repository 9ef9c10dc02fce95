"""How much memory work on a folder takes, beside what its photos would take decoded."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np

from edge_runtime.apps.progress import progress
from edge_runtime.measure.machine import describe_machine
from edge_runtime.model.card import InputSpec
from train.data.batches import PhotoBatches
from train.data.folders import scan
from train.errors import RunError

__all__ = ["measure_memory"]

_SIZE_PX = 64
_BATCH = 64
_CALIBRATING = 256  # as `python -m export` takes
_WAYS = 3  # the first rungs: minmax, percentile, entropy
_SMALLER = 10  # times: what one more photo takes shows between the two
_MEASURED = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdout=sys.stderr)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(done.returncode)
"""


def measure_memory(data: Path, files: int) -> dict[str, Any]:
    """Extract features of, train on, and stream a folder of links to a folder's photos.

    Each is done by a process of its own, with a tenth of the links and with all of them. Training
    leaves out further copies of a photo, which nearly all links are: it looks at every file and
    learns from the rest. Streaming is an epoch of training's batches over every link.

    Args:
        data: Folder with a folder a class.
        files: How many links.

    Returns:
        Peaks in MiB, and bytes for each further photo, of each kind of work; the peak of finding
        int8 ranges in each way for a MobileNet at 224 px.

    Raises:
        RunError: A process failed.
    """
    few, many = files // _SMALLER, files
    peaks: dict[str, dict[int, float]] = {}
    with tempfile.TemporaryDirectory() as work:
        for count in (few, many):
            folder = Path(work) / str(count)
            _link(data, folder, count)
            for kind, command in _commands(folder).items():
                print(f"{kind}, {count} photos", file=sys.stderr)
                peaks.setdefault(kind, {})[count] = _peak_mb(command)
        print(f"calibration, {_CALIBRATING} photos", file=sys.stderr)
        calibration = _peak_mb(_ourselves("calibrate", folder))
    return {
        "schema": 1,
        "command": "python -m benchmarks memory --data DIR",
        "machine": describe_machine(),
        "size_px": _SIZE_PX,
        "decoded_bytes_a_photo": _SIZE_PX * _SIZE_PX * 3,
        "work": {
            kind: {
                "peak_mb": {str(count): round(mb, 1) for count, mb in of.items()},
                "more_bytes_a_photo": round((of[many] - of[few]) * 2**20 / (many - few)),
            }
            for kind, of in peaks.items()
        },
        "calibration": {
            "network": "MobileNet 1.0 at 224 px",
            "ways": "minmax, percentile, entropy",
            "photos": _CALIBRATING,
            "peak_mb": round(calibration, 1),
        },
    }


def stream(folder: Path) -> None:
    """Take every photo of a folder once, as an epoch of training does, and keep none."""
    samples = scan(folder)
    targets = np.zeros((len(samples), 1), np.float32)
    batches = PhotoBatches(samples, targets, InputSpec(_SIZE_PX, _SIZE_PX), _BATCH, seed=0)
    with progress("streaming", len(batches)) as step:
        for i in range(len(batches)):
            batches[i]
            step()


def calibrate(folder: Path) -> None:
    """Find the int8 ranges of a MobileNet nobody taught, by extremes, percentiles and entropy."""
    import keras

    from export.convert import keras_to_onnx
    from export.evaluate import model_inputs
    from export.quantize import RUNGS, Quantizer
    from export.run_folder import Sample

    image = keras.Input((224, 224, 3), dtype="uint8", name="image")
    network = keras.applications.MobileNet(weights=None, classes=10)
    model = keras.Model(image, network(keras.layers.Rescaling(1 / 127.5, -1)(image)))
    photos = [Sample(s.path, s.label) for s in scan(folder)[:_CALIBRATING]]
    with tempfile.TemporaryDirectory() as work:
        quantizer = Quantizer(
            keras_to_onnx(model),
            lambda: model_inputs(photos, InputSpec(224, 224)),
            len(photos),
            Path(work),
        )
        for rung in RUNGS[:_WAYS]:
            quantizer.quantize(rung)


def _link(data: Path, folder: Path, count: int) -> None:
    for i, sample in enumerate(islice(cycle(scan(data)), count)):
        target = folder / sample.label / f"{i:07}{sample.path.suffix}"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(sample.path.resolve())


def _commands(folder: Path) -> dict[str, list[str]]:
    train = [sys.executable, "-m", "train"]
    data, size = ["--data", str(folder)], ["--size", str(_SIZE_PX)]
    features = ["--backbone", "mobilenet-0.25", "--weights", "none"]
    network = ["--architecture", "basic", "--epochs", "1"]
    return {
        "features": [
            *train, "features", *data, *size, *features, "--output", f"{folder}.features.npz",
        ],
        "training": [
            *train, "imagenette", *data, *size, *network, "--output", f"{folder}.run",
        ],
        "streaming": _ourselves("stream", folder),
    }  # fmt: skip


def _ourselves(work: str, folder: Path) -> list[str]:
    return [sys.executable, "-m", "benchmarks.memory", work, str(folder)]


def _peak_mb(command: list[str]) -> float:
    # A process's peak begins with its parent's size, so a small one stands in between.
    said = subprocess.run([sys.executable, "-c", _MEASURED, *command], stdout=subprocess.PIPE)
    if said.returncode:
        raise RunError(f"{' '.join(command)}: exit status {said.returncode}")
    return int(said.stdout) / (2**20 if sys.platform == "darwin" else 2**10)


if __name__ == "__main__":
    {"stream": stream, "calibrate": calibrate}[sys.argv[1]](Path(sys.argv[2]))
