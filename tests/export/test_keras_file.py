"""Keras models from whatever they were saved as, and what cannot be loaded without code."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_runtime.errors import EdgeError
from export.errors import KerasError

pytestmark = pytest.mark.tensorflow
keras = pytest.importorskip("keras")

PICTURES = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3)).astype(np.float32)
INSTEAD = (
    "; where it was trained, call model.export('saved') and export that folder: a SavedModel needs "
    "no code of its own"
)


class Doubled(keras.layers.Layer):
    """A layer of somebody's own."""

    def call(self, inputs: Any) -> Any:
        return 2 * inputs


def halved(inputs: Any) -> Any:
    """Activate as somebody likes it."""
    return inputs / 2


def model_with(layer: Any) -> Any:
    image = keras.Input((8, 8, 3))
    return keras.Model(image, keras.layers.GlobalAveragePooling2D()(layer(image)))


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory, means_model) -> Path:
    """A folder that `model.export` wrote, of a model with a layer of its own."""
    image = keras.Input((8, 8, 3))
    path = tmp_path_factory.mktemp("saved") / "doubled"
    keras.Model(image, means_model()(Doubled()(image))).export(path, verbose=False)
    return path


def modules() -> Any:
    """Return TensorFlow modules with functions that are no classifiers of a picture."""
    import tensorflow as tf

    picture = tf.TensorSpec((None, 8, 8, 3))

    class Module(tf.Module):
        @tf.function(input_signature=[picture, picture])
        def two_inputs(self, a, b):
            return {"scores": tf.reduce_mean(a + b, [1, 2])}

        @tf.function(input_signature=[picture])
        def two_outputs(self, a):
            return {"scores": tf.reduce_mean(a, [1, 2]), "map": a}

    return Module()


# Files


@pytest.mark.parametrize("suffix", [".keras", ".h5", ".hdf5"])
def test_file_answers_as_the_model_that_was_saved(means_model, suffix: str, caplog) -> None:
    from export.keras_file import load_keras

    model = means_model()
    model.save(f"colors{suffix}")
    loaded = load_keras(Path(f"colors{suffix}"))
    np.testing.assert_array_equal(loaded(PICTURES), model(PICTURES))
    assert tuple(loaded.inputs[0].shape) == (None, 8, 8, 3)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_model_trained_in_mixed_precision_computes_in_float32(policy: str) -> None:
    from export.keras_file import load_keras

    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 3))
    inner = keras.Sequential([keras.layers.Conv2D(4, 3, dtype=policy)], name="inner")
    x = keras.layers.GlobalAveragePooling2D(dtype=policy)(inner(image))
    model = keras.Model(image, keras.layers.Dense(3, "softmax", dtype="float32")(x))
    model.save("mixed.keras")
    loaded = load_keras(Path("mixed.keras"))
    assert {layer.compute_dtype for layer in loaded._flatten_layers()} == {"float32"}
    exact = keras.Sequential([keras.layers.Conv2D(4, 3), keras.layers.GlobalAveragePooling2D(),
                              keras.layers.Dense(3, "softmax")])  # fmt: skip
    exact.build((None, 8, 8, 3))
    exact.set_weights(model.get_weights())
    np.testing.assert_allclose(loaded(PICTURES), exact(PICTURES), atol=1e-6)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize(
    ("layer", "says"),
    [
        pytest.param(
            Doubled,
            "Doubled is a layer or function of its own, whose code is not in the file",
            id="layer",
        ),
        pytest.param(
            lambda: keras.layers.Activation(halved),
            "halved is a layer or function of its own, whose code is not in the file",
            id="function",
        ),
        pytest.param(
            lambda: keras.layers.Lambda(lambda x: x * 2),
            "has a Lambda layer, which is Python code and is not run here",
            id="lambda",
        ),
    ],
)
def test_file_that_lacks_its_code_is_refused_with_a_way_out(layer, suffix: str, says: str) -> None:
    from export.keras_file import load_keras

    model_with(layer()).save(f"odd{suffix}")
    with pytest.raises(KerasError) as refused:
        load_keras(Path(f"odd{suffix}"))
    assert str(refused.value) == f"odd{suffix}: {says}{INSTEAD}"


@pytest.mark.parametrize("name", ["text.keras", "text.h5", "text.hdf5"])
@pytest.mark.parametrize("data", [b"", b"hello\nworld", b"PK\x03\x04 half a zip"])
def test_file_that_is_no_model_is_refused_in_one_line(name: str, data: bytes) -> None:
    from export.keras_file import load_keras

    Path(name).write_bytes(data)
    with pytest.raises(KerasError) as refused:
        load_keras(Path(name))
    assert str(refused.value).startswith(f"{name}: Keras cannot load it (")
    assert "\n" not in str(refused.value)


def test_file_of_weights_alone_is_refused(means_model) -> None:
    from export.keras_file import load_keras

    means_model().save_weights("colors.weights.h5")
    with pytest.raises(KerasError, match=r"Keras cannot load it \(No model config found"):
        load_keras(Path("colors.weights.h5"))


def test_other_backend_of_keras_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from export.keras_file import load_keras

    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(EdgeError, match="needs Keras on TensorFlow; unset KERAS_BACKEND"):
        load_keras(Path("colors.keras"))


# SavedModels


def test_saved_model_answers_without_the_code_of_its_layers(saved: Path, means_model) -> None:
    from export.keras_file import is_saved_model, load_keras

    assert is_saved_model(saved)
    loaded = load_keras(saved)
    assert [tuple(i.shape) for i in loaded.inputs] == [(None, 8, 8, 3)]
    assert [tuple(o.shape) for o in loaded.outputs] == [(None, 3)]
    np.testing.assert_allclose(loaded(PICTURES), means_model()(2 * PICTURES), atol=1e-6)


def test_saved_model_without_a_signature_is_refused() -> None:
    import tensorflow as tf

    from export.keras_file import load_keras

    tf.saved_model.save(tf.Module(), "bare")
    with pytest.raises(KerasError) as refused:
        load_keras(Path("bare"))
    assert str(refused.value) == (
        "bare: a SavedModel without the signature serving_default; where it was trained, write it "
        "with model.export('saved')"
    )


@pytest.mark.parametrize(
    ("function", "says"),
    [
        ("two_inputs", r"2 inputs \((a, b|b, a)\) and 1 output \(scores\)"),
        ("two_outputs", r"1 input \(a\) and 2 outputs \((scores, map|map, scores)\)"),
    ],
)
def test_saved_model_that_takes_or_gives_more_is_refused(function: str, says: str) -> None:
    import tensorflow as tf

    from export.keras_file import load_keras

    module = modules()
    tf.saved_model.save(module, "two", signatures=getattr(module, function))
    with pytest.raises(KerasError, match=rf"^two: {says}; expected one image and its scores$"):
        load_keras(Path("two"))


def test_damaged_saved_model_is_refused_in_one_line() -> None:
    from export.keras_file import load_keras

    Path("saved").mkdir()
    Path("saved/saved_model.pb").write_bytes(b"nonsense")
    with pytest.raises(KerasError, match=r"^saved: TensorFlow cannot load it") as refused:
        load_keras(Path("saved"))
    assert "\n" not in str(refused.value)


def test_folder_of_other_things_is_no_saved_model(tmp_path: Path) -> None:
    from export.keras_file import is_saved_model

    (tmp_path / "model.keras").touch()
    assert not is_saved_model(tmp_path)
    assert not is_saved_model(tmp_path / "model.keras")
    assert not is_saved_model(tmp_path / "gone")


# Hashes


def test_hash_of_a_file_is_its_sha256() -> None:
    from export.keras_file import hash_of

    Path("a.keras").write_bytes(b"abc")
    assert hash_of(Path("a.keras")) == hashlib.sha256(b"abc").hexdigest()


def test_hash_of_a_folder_is_of_all_its_files_in_order() -> None:
    from export.keras_file import hash_of

    for name, data in (("saved/z", b"c"), ("saved/variables/b", b"b"), ("saved/a", b"a")):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(data)
    assert hash_of(Path("saved")) == hashlib.sha256(b"abc").hexdigest()
    Path("saved/variables/b").write_bytes(b"B")
    assert hash_of(Path("saved")) == hashlib.sha256(b"aBc").hexdigest()
