"""Rounding a convolution's weights so that its answers stay, not each weight for itself.

Rounding each weight to the nearest step moves a convolution's mean answer, because what comes in
is positive, and depthwise networks add that up layer by layer. Here each weight's error is made
good by the weights not yet rounded (GPTQ, Frantar et al. 2022), and what is left of the mean by
the bias (Nagel et al. 2019), both with calibration photos and with all earlier layers rounded.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from export.graph import attribute, drop_unread_weights, makers, part_from, part_of
from export.session import cpu_session

__all__ = ["ROUNDING_PHOTOS", "round_weights"]

ROUNDING_PHOTOS = 64  # more change nothing that can be measured
_PATCHES = 128  # looked at in each photo
_BATCH = 16
# Weights whose errors the others learn of at once: a tenth of the time, and the same answer.
_TOGETHER = 64
_DAMPING = 0.01  # of the mean variance: what few photos say is not taken at its word

Array = npt.NDArray[np.float32]
Photos = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class _Convolution:
    """A node with what its weights are multiplied with: patches of its input."""

    node: onnx.NodeProto
    weights: Array  # (outputs, inputs per group, height, width)
    groups: int
    strides: tuple[int, int]
    dilations: tuple[int, int]

    def taps(self, inputs: Array) -> list[Array]:
        """Return what each place of the kernel sees, height * width times (N, C, H', W')."""
        spans = [
            d * (k - 1) + 1 for d, k in zip(self.dilations, self.weights.shape[2:], strict=True)
        ]
        padded = np.pad(inputs, ((0, 0), (0, 0), *self._padding(inputs.shape[2:], spans)))
        rows, columns = (
            (size - span) // stride + 1
            for size, span, stride in zip(padded.shape[2:], spans, self.strides, strict=True)
        )
        down, right = self.strides
        return [
            padded[:, :, y : y + rows * down : down, x : x + columns * right : right]
            for y in range(0, spans[0], self.dilations[0])
            for x in range(0, spans[1], self.dilations[1])
        ]

    def _padding(self, sizes: tuple[int, ...], spans: list[int]) -> list[tuple[int, int]]:
        automatic = attribute(self.node, "auto_pad", b"NOTSET").decode()
        if not automatic.startswith("SAME"):
            top, left, bottom, right = attribute(self.node, "pads", [0, 0, 0, 0])
            return [(top, bottom), (left, right)]
        padding = []
        for size, span, stride in zip(sizes, spans, self.strides, strict=True):
            lacking = max(0, (-(-size // stride) - 1) * stride + span - size)
            before = lacking // 2 if automatic == "SAME_UPPER" else lacking - lacking // 2
            padding.append((before, lacking - before))
        return padding


class _Moments:
    """Mean and covariance of patches, group by group, over any number of photos."""

    def __init__(self, convolution: _Convolution, batches: int, rng: np.random.Generator) -> None:
        self._convolution = convolution
        self._batches = batches
        self._rng = rng
        self._seen = self._taken = 0
        self._sum: Any = 0.0
        self._products: Any = 0.0
        self._center: Any = None

    def add(self, inputs: Array) -> None:
        """Take in a layer's inputs, (N, C, H, W): means of all patches, products of some."""
        c = self._convolution
        taps = c.taps(inputs)
        photos, _, rows, columns = taps[0].shape
        means = np.stack([tap.mean((0, 2, 3), dtype=np.float64) for tap in taps], -1)
        self._sum = self._sum + photos * means.reshape(c.groups, -1)
        self._seen += photos
        chosen = self._rng.permutation(rows * columns)[:_PATCHES]
        if self._batches * photos * len(chosen) < c.weights[0].size:
            return  # too few patches for a covariance, and each of its sums is large
        y, x = chosen // columns, chosen % columns
        patches = np.stack([tap[:, :, y, x] for tap in taps], 2)  # (N, C, taps, patches)
        patches = patches.transpose(1, 2, 0, 3).reshape(c.groups, -1, photos * len(chosen))
        if self._center is None:
            # The first photos' mean is near enough to all photos' to take covariances about.
            self._center = self.mean[:, :, None].astype(np.float32)
        centered = patches - self._center
        self._products = self._products + np.matmul(centered, centered.transpose(0, 2, 1))
        self._taken += photos * len(chosen)

    @property
    def mean(self) -> npt.NDArray[np.float64]:
        """(groups, weights of an output)."""
        return np.asarray(self._sum / self._seen)

    @property
    def covariance(self) -> npt.NDArray[np.float64] | None:
        """(groups, weights of an output, the same); None where too few patches were seen."""
        if self._taken < self._convolution.weights[0].size:
            return None
        return np.asarray(self._products / self._taken, np.float64)


def round_weights(
    proto: onnx.ModelProto, photos: Photos, steps: int, kept: Collection[str] = ()
) -> onnx.ModelProto:
    """Round the weights of 2-D convolutions to whole steps of each output channel's scale.

    Args:
        proto: fp32, with one input; initializers hold the weights.
        photos: Calibration inputs, uint8 (N, H, W, 3).
        steps: How many steps the largest weight of a channel is, as 127 for signed 8 bits.
        kept: Names of nodes whose weights stay as they are.

    Returns:
        A float model. Its weights are multiples of max |weight| / steps, channel by channel.
    """
    out = onnx.ModelProto()
    out.CopyFrom(proto)
    convolutions = [c for c in _convolutions(out) if c.node.name not in kept]
    if not convolutions:
        return out
    wanted = _output_means(proto, [c.node.output[0] for c in convolutions], photos)
    rng = np.random.default_rng(0)
    seen = _Seen(out, photos)
    for place, (convolution, output_mean) in enumerate(zip(convolutions, wanted, strict=True)):
        moments = _Moments(convolution, -(-len(photos) // _BATCH), rng)
        seen.drop_all_but_for([c.node.input[0] for c in convolutions[place:]])
        for inputs in seen.batches(convolution.node.input[0]):
            moments.add(inputs)
        weights = convolution.weights
        rows = weights.reshape(convolution.groups, weights.shape[0] // convolution.groups, -1)
        covariance = moments.covariance
        rounded = np.stack(
            [
                _rounded(rows[g], None if covariance is None else covariance[g], steps)
                for g in range(convolution.groups)
            ]
        )
        mean = np.einsum("gow,gw->go", rounded, moments.mean).reshape(-1)
        _set(out, convolution.node, rounded.reshape(weights.shape), output_mean - mean)
        seen.batches(convolution.node.output[0])  # the next start here
    drop_unread_weights(out)
    return out


def _rounded(
    rows: Array, covariance: npt.NDArray[np.float64] | None, steps: int
) -> npt.NDArray[np.float64]:
    """Round (outputs, weights) of one group."""
    remaining = rows.astype(np.float64)
    largest = np.abs(remaining).max(1)
    scale = np.where(largest > 0, largest, 1.0) / steps
    if covariance is None:
        return np.asarray(np.round(remaining / scale[:, None]) * scale[:, None])
    size = len(covariance)
    damped = covariance + np.eye(size) * (_DAMPING * np.trace(covariance) / size + 1e-12)
    # Row j of the inverse's upper Cholesky factor: how the weights after j make good j's error.
    factor = np.linalg.cholesky(np.linalg.inv(damped)).T
    rounded = np.zeros_like(remaining)
    # The largest weight sets the scale, so it must stay where it is.
    fixed = np.abs(rows) >= largest[:, None]
    for start in range(0, size, _TOGETHER):
        end = min(start + _TOGETHER, size)
        errors = np.empty((len(rows), end - start))
        for j in range(start, end):
            whole = np.clip(np.round(remaining[:, j] / scale), -steps, steps)
            rounded[:, j] = np.where(fixed[:, j], rows[:, j], whole * scale)
            errors[:, j - start] = (remaining[:, j] - rounded[:, j]) / factor[j, j]
            remaining[:, j + 1 : end] -= np.outer(errors[:, j - start], factor[j, j + 1 : end])
        remaining[:, end:] -= errors @ factor[start:end, end:]
    return rounded


def _convolutions(proto: onnx.ModelProto) -> list[_Convolution]:
    constants = {i.name: i for i in proto.graph.initializer}
    found = []
    for node in proto.graph.node:
        if node.op_type != "Conv" or node.input[1] not in constants:
            continue
        weights = numpy_helper.to_array(constants[node.input[1]])
        if weights.ndim != 4:
            continue
        down, right = attribute(node, "strides", [1, 1])
        y, x = attribute(node, "dilations", [1, 1])
        groups = attribute(node, "group", 1)
        found.append(_Convolution(node, weights, groups, (down, right), (y, x)))
    return found


def _output_means(proto: onnx.ModelProto, names: list[str], photos: Photos) -> list[Any]:
    """Return each value's mean a channel over all photos."""
    batches = [
        [value.mean((2, 3), dtype=np.float64) for value in batch]
        for batch in _values(proto, names, photos)
    ]
    return [np.concatenate(means).mean(0) for means in zip(*batches, strict=True)]


class _Seen:
    """Values of a graph for some photos, each computed once from those already there.

    They are kept batch by batch: a network that looks twice has more rows inside than it is given.
    """

    def __init__(self, proto: onnx.ModelProto, photos: Photos) -> None:
        self._proto = proto
        starts = range(0, len(photos), _BATCH)
        self._values: dict[str, list[Any]] = {
            proto.graph.input[0].name: [photos[i : i + _BATCH] for i in starts]
        }
        self._makers = makers(proto)

    def batches(self, name: str) -> list[Any]:
        """Return a value for each batch; weights before it must not change any more."""
        if name not in self._values:
            names = sorted(self._needed_for([name]))
            given = [dict(zip(names, row, strict=True))
                     for row in zip(*(self._values[n] for n in names), strict=True)]  # fmt: skip
            session = cpu_session(part_from(self._proto, given[0], name))
            self._values[name] = [session.run(None, row)[0] for row in given]
        return self._values[name]

    def drop_all_but_for(self, names: list[str]) -> None:
        """Forget what none of the named values is computed from."""
        needed = self._needed_for(names)
        self._values = {n: v for n, v in self._values.items() if n in needed}

    def _needed_for(self, names: list[str]) -> set[str]:
        """Return the values at hand that others are computed from."""
        needed, looked_at, open_names = set(), set(names), list(names)
        while open_names:
            name = open_names.pop()
            if name in self._values:
                needed.add(name)
            elif name in self._makers:
                before = set(self._makers[name].input) - looked_at
                looked_at |= before
                open_names += before
        return needed


def _values(proto: onnx.ModelProto, names: list[str], photos: Photos) -> Iterator[list[Array]]:
    """Yield the named values of the graph, a batch at a time."""
    session = cpu_session(part_of(proto, names))
    source = session.get_inputs()[0].name
    for start in range(0, len(photos), _BATCH):
        yield session.run(names, {source: photos[start : start + _BATCH]})


def _set(
    proto: onnx.ModelProto, node: onnx.NodeProto, weights: npt.NDArray[Any], bias: npt.NDArray[Any]
) -> None:
    """Give a convolution weights and a bias of its own."""
    names = [f"{node.output[0]}/{part}" for part in ("rounded", "bias")]
    for name, value in zip(names, (weights, bias), strict=True):
        proto.graph.initializer.append(numpy_helper.from_array(value.astype(np.float32), name))
    del node.input[1:]
    node.input.extend(names)
