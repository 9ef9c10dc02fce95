"""Loading a Keras model from whatever it was saved as."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import keras

from edge_runtime.errors import EdgeError
from export.errors import KerasError

__all__ = ["KERAS_SUFFIXES", "hash_of", "is_saved_model", "load_keras"]

KERAS_SUFFIXES = (".keras", ".h5", ".hdf5")

# How Keras says that a class or function of a file is not there.
_UNKNOWN = re.compile(r"(?:Could not locate (?:class|function)|Unknown \w+:) '?(\w+)'?")
_HALVES = ("float16", "bfloat16")
_INSTEAD = (
    "where it was trained, call model.export('saved') and export that folder: a SavedModel needs "
    "no code of its own"
)


def load_keras(path: Path) -> keras.Model:
    """Load a .keras, .h5 or .hdf5 file or a SavedModel's folder, as a model with one image input.

    Raises:
        EdgeError: Keras has another backend than TensorFlow.
        KerasError: Keras cannot load it, or it has not one image input and one output.
    """
    if keras.backend.backend() != "tensorflow":
        raise EdgeError(
            "the exporter needs Keras on TensorFlow; unset KERAS_BACKEND or set it to tensorflow"
        )
    return _load_saved_model(path) if is_saved_model(path) else _load_file(path)


def is_saved_model(path: Path) -> bool:
    """Whether a folder is what `model.export` and TensorFlow write."""
    return (path / "saved_model.pb").is_file()


def hash_of(path: Path) -> str:
    """Return the SHA-256 of a model's file, or of a folder's files in order of their names."""
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _load_file(path: Path) -> keras.Model:
    try:
        return _in_float32(keras.saving.load_model(path, compile=False))
    except Exception as error:  # Keras raises what its layers do, also of other libraries
        text = " ".join(str(error).split())
        if unknown := _UNKNOWN.search(text):
            raise KerasError(
                f"{path}: {unknown[1]} is a layer or function of its own, whose code is not in the "
                f"file; {_INSTEAD}"
            ) from None
        if "Lambda" in text:
            raise KerasError(
                f"{path}: has a Lambda layer, which is Python code and is not run here; {_INSTEAD}"
            ) from None
        raise KerasError(f"{path}: Keras cannot load it ({text[:200]})") from None


def _in_float32(model: keras.Model) -> keras.Model:
    """Let a model that was trained in mixed precision compute in float32, as its weights are."""
    for layer in model._flatten_layers():
        if layer.compute_dtype in _HALVES:
            layer.dtype_policy = keras.DTypePolicy("float32")
    return model


def _load_saved_model(path: Path) -> keras.Model:
    import tensorflow as tf

    try:
        signatures = tf.saved_model.load(path).signatures
    except (OSError, ValueError, tf.errors.OpError) as error:
        text = " ".join(str(error).split())
        raise KerasError(f"{path}: TensorFlow cannot load it ({text[:200]})") from None
    name = next((n for n in ("serving_default", "serve") if n in signatures), None)
    if name is None:
        raise KerasError(
            f"{path}: a SavedModel without the signature serving_default; where it was trained, "
            "write it with model.export('saved')"
        )
    takes = signatures[name].structured_input_signature[1]
    gives = signatures[name].structured_outputs
    if len(takes) != 1 or len(gives) != 1:
        raise KerasError(
            f"{path}: {_of(takes, 'input')} and {_of(gives, 'output')}; expected one image and its "
            "scores"
        )
    (spec,) = takes.values()
    if spec.shape.rank != 4:
        raise KerasError(f"{path}: takes {spec.shape}; expected (N, height, width, 1 or 3)")
    image = keras.Input(tuple(spec.shape[1:]), dtype=spec.dtype.name)
    answer = keras.layers.TFSMLayer(path, call_endpoint=name)(image)
    return keras.Model(image, next(iter(answer.values())))


def _of(values: dict[str, Any], kind: str) -> str:
    """Return how many there are, and what they are called."""
    return f"{len(values)} {kind}{'s' * (len(values) != 1)} ({', '.join(values)})"
