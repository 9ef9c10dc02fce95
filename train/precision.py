"""Which arithmetic a network trains in, and what a backend needs to be told for it."""

from __future__ import annotations

from pathlib import Path

import keras

from edge_runtime.cli_errors import native_noise_silenced
from edge_runtime.errors import OptionError

__all__ = ["PRECISIONS", "choose_policy", "compiles_faster", "make_deterministic"]

PRECISIONS = ("auto", "float32", "bfloat16", "float16")


def choose_policy(precision: str, depthwise: bool) -> str:
    """Return the Keras dtype policy for what the user asked.

    `auto` is mixed bfloat16 on a GPU, and on a CPU with instructions for it where the network has
    no depthwise convolutions, else float32. Measured on 2 cores, photos/s in bfloat16 against
    float32: 865 against 572 (ordinary 3x3 convolutions, 32 px), 73 against 99 (MobileNet 0.75,
    96 px). Variables stay float32 in every case.

    Args:
        precision: One of `PRECISIONS`.
        depthwise: Whether the network has depthwise convolutions.

    Raises:
        OptionError: No such precision.
    """
    if precision not in PRECISIONS:
        raise OptionError(f"--precision {precision}: expected one of {', '.join(PRECISIONS)}")
    if precision == "auto":
        helps = _has_gpu() or (_cpu_has_bfloat16() and not depthwise)
        precision = "bfloat16" if helps else "float32"
    return precision if precision == "float32" else f"mixed_{precision}"


def compiles_faster() -> bool | str:
    """Return what to pass as `jit_compile`.

    XLA on a CPU halves TensorFlow's speed (measured: 770 pictures/s without, 376 with, the
    expression network at batch 128 on 2 cores); the other backends need it.
    """
    if keras.backend.backend() != "tensorflow":
        return "auto"
    return "auto" if _has_gpu() else False


def make_deterministic() -> None:
    """Let the same seed give the same weights, at some cost in speed.

    Raises:
        OptionError: The backend is not TensorFlow.
    """
    if keras.backend.backend() != "tensorflow":
        raise OptionError("--deterministic: only TensorFlow can; leave KERAS_BACKEND as it is")
    import tensorflow as tf

    tf.config.experimental.enable_op_determinism()


def _has_gpu() -> bool:
    backend = keras.backend.backend()
    with native_noise_silenced():
        if backend == "tensorflow":
            import tensorflow as tf

            return bool(tf.config.list_physical_devices("GPU"))
        if backend == "jax":
            import jax

            return bool(jax.default_backend() == "gpu")
        import torch

        return bool(torch.cuda.is_available())


def _cpu_has_bfloat16() -> bool:
    if keras.backend.backend() != "tensorflow":
        return False  # only oneDNN makes use of it
    info = Path("/proc/cpuinfo")
    return info.is_file() and "avx512_bf16" in info.read_text("utf-8", "replace")
