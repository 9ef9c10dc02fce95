"""Which arithmetic is chosen, and that training needs no TensorFlow."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from edge_runtime.errors import OptionError

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.tensorflow
keras = pytest.importorskip("keras")


@pytest.mark.parametrize(
    ("precision", "depthwise", "gpu", "cpu", "policy"),
    [
        ("auto", False, False, True, "mixed_bfloat16"),
        ("auto", True, False, True, "float32"),
        ("auto", False, False, False, "float32"),
        ("auto", True, True, False, "mixed_bfloat16"),
        ("float32", False, True, True, "float32"),
        ("float16", True, False, False, "mixed_float16"),
        ("bfloat16", True, False, False, "mixed_bfloat16"),
    ],
)
def test_policy(monkeypatch, precision, depthwise, gpu, cpu, policy: str) -> None:
    from train import precision as module

    monkeypatch.setattr(module, "_has_gpu", lambda: gpu)
    monkeypatch.setattr(module, "_cpu_has_bfloat16", lambda: cpu)
    assert module.choose_policy(precision, depthwise) == policy


def test_all_backbones_but_vgg16_are_depthwise() -> None:
    from train.recipe import Plan

    assert Plan(None, 32, 1, backbone="mobilenetv3-small").depthwise
    assert not Plan(None, 32, 1, backbone="vgg16").depthwise
    assert not Plan(lambda spec, classes: None, 32, 1).depthwise


def test_determinism_is_refused_where_it_cannot_be_had(monkeypatch) -> None:
    from train import precision

    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(OptionError, match=r"^--deterministic: only TensorFlow can"):
        precision.make_deterministic()


def test_no_module_of_training_needs_tensorflow_or_onnx_to_be_imported() -> None:
    for path in sorted((ROOT / "train").rglob("*.py")):
        for node in ast.parse(path.read_text("utf-8")).body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            assert not {n.split(".")[0] for n in names} & {"tensorflow", "onnx", "tf2onnx"}, path
