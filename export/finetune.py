"""Training a quantized graph to answer as fp32 does: the last rung of the ladder.

No labels are needed: fp32's own scores are what is learned from. What comes out is the same graph
with other whole numbers and scales in it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import onnx
import tensorflow as tf

from edge_runtime.apps.progress import progress
from edge_runtime.model.card import InputSpec
from export.evaluate import model_inputs
from export.graph_in_tf import TrainableGraph
from export.run_folder import Sample
from export.session import cpu_session

__all__ = ["fine_tuned"]

_BATCH = 32
_LEARNING_RATE = 0.02  # steps of weights, percents of ranges
_SHIFT = 0.06  # of the side, to either side
_TINY = 1e-7


def fine_tuned(
    fp32: onnx.ModelProto,
    int8: onnx.ModelProto,
    photos: Sequence[Sample],
    spec: InputSpec,
    epochs: int,
    say: Callable[[str], None],
) -> onnx.ModelProto:
    """Return an int8 graph whose weights were trained on fp32's answers.

    Args:
        fp32: The teacher, with an output `scores` of probabilities.
        int8: Where training starts.
        photos: Like those the model will see; none of the gate's.
        spec: Of the input.
        epochs: Passes over the photos, each photo shifted and mirrored by lot.
        say: Told how far apart the two are after each epoch.

    Raises:
        FinetuneError: The graph has an operator that cannot be trained here.
    """
    graph = TrainableGraph(int8)
    teacher = cpu_session(fp32)
    variables = list(graph.variables.values())
    steps = epochs * -(-len(photos) // _BATCH)
    rate = keras.optimizers.schedules.CosineDecay(_LEARNING_RATE, steps)
    optimizer = keras.optimizers.Adam(rate)

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def learned(images: Any, wanted: Any) -> Any:
        with tf.GradientTape() as tape:
            (said,) = graph(images, ["scores"])
            apart = tf.math.log(wanted + _TINY) - tf.math.log(said + _TINY)
            divergence = tf.reduce_mean(tf.reduce_sum(wanted * apart, -1))
        return divergence, tape.gradient(divergence, [v.value for v in variables])

    rng = np.random.default_rng(0)
    with progress("fine-tuning", steps) as advance:
        for epoch in range(epochs):
            divergences = []
            for images in _batches(photos, spec, rng):
                (wanted,) = teacher.run(["scores"], {teacher.get_inputs()[0].name: images})
                divergence, gradients = learned(tf.constant(images), tf.constant(wanted))
                optimizer.apply(gradients, variables)
                divergences.append(float(divergence))
                advance()
            mean = float(np.mean(divergences))
            say(f"fine-tuning, epoch {epoch + 1} of {epochs}: divergence from fp32 {mean:.5f}")
    return graph.trained()


def _batches(
    photos: Sequence[Sample], spec: InputSpec, rng: np.random.Generator
) -> Iterator[npt.NDArray[np.uint8]]:
    """Yield all photos in another order, mirrored and shifted by lot, (N, H, W, 3)."""
    order = [photos[i] for i in rng.permutation(len(photos))]
    inputs = model_inputs(order, spec)
    while batch := list(itertools.islice(inputs, _BATCH)):
        yield np.stack([_varied(image[0], rng) for image in batch])


def _varied(image: npt.NDArray[np.uint8], rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    height, width = image.shape[:2]
    most = round(_SHIFT * max(height, width))
    down, right = rng.integers(0, 2 * most + 1, 2)
    padded = np.pad(image, ((most, most), (most, most), (0, 0)), mode="edge")
    moved = padded[down : down + height, right : right + width]
    return moved[:, ::-1] if rng.random() < 0.5 else moved
