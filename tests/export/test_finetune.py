"""An int8 graph that was spoiled learns from fp32's answers what it should say."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from edge_runtime.model.card import InputSpec
from export.run_folder import Sample

pytestmark = pytest.mark.tensorflow
pytest.importorskip("keras")

SIDE = 12
SPEC = InputSpec(SIDE, SIDE)


@pytest.fixture(scope="module")
def fp32() -> onnx.ModelProto:
    """A convolution of the scaled picture, the mean of each channel, a softmax."""
    rng = np.random.default_rng(0)
    second = rng.normal(0, 3, (3, 8, 1, 1))
    constants = {
        "scale": np.float32(1 / 128),
        "first": rng.normal(0, 0.4, (8, 3, 3, 3)).astype(np.float32),
        "second": (second - second.mean(0)).astype(np.float32),
    }
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["float", "scale"], ["small"]),
        helper.make_node("Transpose", ["small"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["planes", "first"], ["a"]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "second"], ["c"]),
        helper.make_node("GlobalAveragePool", ["c"], ["d"]),
        helper.make_node("Flatten", ["d"], ["e"]),
        helper.make_node("Softmax", ["e"], ["scores"]),
    ]
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", SIDE, SIDE, 3])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", 3])],
        [numpy_helper.from_array(np.asarray(w), name) for name, w in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Sample]:
    """Noise of one color or another."""
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(1)
    samples = []
    for i in range(48):
        image = rng.integers(0, 256, (SIDE, SIDE, 3)) * rng.uniform(0.2, 1, 3)
        cv2.imwrite(str(folder / f"{i}.png"), image.astype(np.uint8))
        samples.append(Sample(folder / f"{i}.png", ""))
    return samples


@pytest.fixture(scope="module")
def spoiled(
    fp32: onnx.ModelProto, photos: list[Sample], tmp_path_factory: pytest.TempPathFactory
) -> onnx.ModelProto:
    """The int8 graph with each weight of the last convolution some steps off."""
    from export.evaluate import model_inputs
    from export.quantize import RUNGS, Quantizer

    work: Path = tmp_path_factory.mktemp("work")
    quantizer = Quantizer(fp32, lambda: model_inputs(photos, SPEC), len(photos), work)
    int8 = quantizer.quantize(RUNGS[0])
    rng = np.random.default_rng(2)
    for initializer in int8.graph.initializer:
        whole = numpy_helper.to_array(initializer)
        if whole.dtype == np.int8 and whole.shape == (3, 8, 1, 1):
            off = np.clip(whole + rng.integers(-50, 51, whole.shape), -64, 64).astype(np.int8)
            initializer.CopyFrom(numpy_helper.from_array(off, initializer.name))
    return int8


def _apart(fp32: onnx.ModelProto, int8: onnx.ModelProto, photos: list[Sample]) -> float:
    """Return how far scores of two graphs are apart on average."""
    from export.evaluate import model_inputs

    images = np.concatenate(list(model_inputs(photos, SPEC)))
    one, other = (
        onnxruntime.InferenceSession(p.SerializeToString()).run(None, {"image": images})[0]
        for p in (fp32, int8)
    )
    return float(np.abs(one - other).mean())


def test_spoiled_weights_come_near_fp32s_answers(fp32, spoiled, photos, monkeypatch) -> None:
    from export import finetune

    monkeypatch.setattr(finetune, "_LEARNING_RATE", 0.5)
    monkeypatch.setattr(finetune, "_BATCH", 8)
    lines: list[str] = []
    tuned = finetune.fine_tuned(fp32, spoiled, photos, SPEC, 24, lines.append)
    before, after = (_apart(fp32, p, photos) for p in (spoiled, tuned))
    assert before > 0.02
    assert after < before / 3, (before, after, lines)
    assert len(lines) == 24
    first, last = (float(line.rsplit(" ", 1)[1]) for line in (lines[0], lines[-1]))
    assert last < first / 3
    assert lines[0].startswith("fine-tuning, epoch 1 of 24: divergence from fp32 0.")


def test_photos_are_seen_in_another_order_and_never_the_same(photos) -> None:
    from export.finetune import _batches

    rng = np.random.default_rng(0)
    first, second = (np.concatenate(list(_batches(photos, SPEC, rng))) for _ in range(2))
    assert first.shape == second.shape == (48, SIDE, SIDE, 3)
    assert first.dtype == np.uint8
    same = [any(np.array_equal(a, b) for b in second) for a in first]
    assert sum(same) < 24


def test_shifted_photo_is_the_photo_moved() -> None:
    from export.finetune import _varied

    image = np.arange(40 * 40, dtype=np.int64).reshape(40, 40, 1) % 251
    image = np.repeat(image, 3, 2).astype(np.uint8)
    found = [_varied(image, np.random.default_rng(seed)) for seed in range(20)]
    upright = [f for f in found if any(np.array_equal(f[4:-4, 4:-4], image[y:y + 32, x:x + 32])
                                       for y in range(9) for x in range(9))]  # fmt: skip
    mirrored = [f for f in found if any(np.array_equal(f[4:-4, ::-1][:, 4:-4],
                image[y:y + 32, x:x + 32]) for y in range(9) for x in range(9))]  # fmt: skip
    assert len(upright) + len(mirrored) == 20
    assert min(len(upright), len(mirrored)) >= 4
