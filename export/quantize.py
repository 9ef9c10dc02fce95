"""fp32 ONNX to int8: QDQ, per channel, calibrated on training photos."""

from __future__ import annotations

import contextlib
import io
import random
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from edge_runtime.apps.progress import progress, stepping
from export.equalize import equalize_channels
from export.graph import makers
from export.in_float import WITH_WEIGHTS, kept_in_float, pool_the_first_layer
from export.padding import pad_depthwise
from export.pixels import convolution_of_bytes
from export.rounding import ROUNDING_PHOTOS, round_weights
from export.run_folder import Sample

__all__ = ["RUNGS", "Quantizer", "Rung", "calibration_samples"]

# A detector's label, x1 y1 x2 y2 of each face; a class may be called 7, but hardly so.
_BOXES = re.compile(r"|-?[\d.]+( -?[\d.]+){3}(;-?[\d.]+( -?[\d.]+){3})*")
# Values of all layers of so many photos are held at once: half a gigabyte at 224 px.
_PORTION = 8
_QUANTIZED = [*WITH_WEIGHTS, "Add", "Concat", "MaxPool", "AveragePool", "GlobalAveragePool",
              "Relu", "Clip", "Resize", "Reshape", "Transpose"]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rung:
    """One way of quantizing.

    Attributes:
        name: As cards and messages call it.
        reduce_range: Weights in 7 bits: products of two 8-bit numbers saturate on CPUs without
            VNNI, of 8 and 7 bits they cannot, so that all CPUs answer alike.
        method: How activation ranges are found.
        in_float: Operators left in float32.
        nodes_in_float: Single nodes left in float32.
    """

    name: str
    reduce_range: bool = True
    method: CalibrationMethod = CalibrationMethod.MinMax
    in_float: tuple[str, ...] = ()
    nodes_in_float: tuple[str, ...] = ()


# Residual sums join two ranges in one, and the head's logits decide near ties.
_SUMS_AND_HEAD = ("Add", "MatMul", "Gemm", "GlobalAveragePool")

# In the order they are tried; the first that passes the gate wins. 7-bit weights come first
# although 8-bit ones measure slightly better here: a machine with VNNI cannot see what
# saturation does on one without. Other ranges cost no time at all.
RUNGS = (
    Rung("minmax, 7-bit weights"),
    Rung("percentile, 7-bit weights", method=CalibrationMethod.Percentile),
    Rung("entropy, 7-bit weights", method=CalibrationMethod.Entropy),
    Rung("minmax, 7-bit weights, sums and head in float", in_float=_SUMS_AND_HEAD),
    Rung(
        "minmax, 8-bit weights, sums and head in float",
        reduce_range=False,
        in_float=_SUMS_AND_HEAD,
    ),
)


def calibration_samples(samples: Sequence[Sample], count: int) -> list[Sample]:
    """Choose calibration photos, the same number of each class where labels are classes."""
    by_label: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        by_label["" if _BOXES.fullmatch(sample.label) else sample.label].append(sample)
    rng = random.Random(0)
    for group in by_label.values():
        rng.shuffle(group)
    chosen: list[Sample] = []
    groups = [by_label[label] for label in sorted(by_label)]
    rng.shuffle(groups)  # or the first of many classes would always have one photo more
    while len(chosen) < count and any(groups):
        chosen += [group.pop() for group in groups if group]
    return chosen[:count]


class Quantizer:
    """Quantizes one model in several ways; what the ways share is done once.

    Attributes:
        prepared: The fp32 graph that is quantized; its nodes have names.
    """

    def __init__(
        self,
        proto: onnx.ModelProto,
        images: Callable[[], Iterator[npt.NDArray[np.uint8]]],
        count: int,
        work: Path,
    ) -> None:
        """Take the model.

        Args:
            proto: fp32.
            images: Gives the calibration inputs anew, each uint8 (1, H, W, 3).
            count: How many they are.
            work: Folder for intermediate files.
        """
        self._images = images
        self._count = count
        self._work = work
        onnx.save(proto, work / "fp32.onnx")
        quant_pre_process(
            str(work / "fp32.onnx"), str(work / "prepared.onnx"), skip_symbolic_shape=True
        )
        padded = pad_depthwise(onnx.load(work / "prepared.onnx"))
        with progress("ranges of channels", count) as step:
            self.prepared = equalize_channels(padded, stepping(images(), step))
        pool_the_first_layer(self.prepared)
        for node in self.prepared.graph.node:
            # What stays in float goes by its name; tf2onnx's own say nothing of the network.
            node.name = node.output[0]
        self._rounded: dict[tuple[object, ...], onnx.ModelProto] = {}

    def quantize(self, rung: Rung) -> onnx.ModelProto:
        """Return the int8 model of one way."""
        source, target = (self._work / f"{n}.onnx" for n in ("rounded", "int8"))
        onnx.save(self._rounded_for(rung), source)
        with (
            progress(f"calibrating: {rung.name}", self._count) as step,
            contextlib.redirect_stdout(io.StringIO()),  # it tells of each histogram
        ):
            quantize_static(
                str(source),
                str(target),
                _Reader(self._images(), self._count, step),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=[kind for kind in _QUANTIZED if kind not in rung.in_float],
                nodes_to_exclude=self._kept(rung),
                per_channel=True,
                reduce_range=rung.reduce_range,
                # Signed ones onnxruntime turns to unsigned where one node reads them, and leaves a
                # convolution between the two kinds in float: half of a network with branches.
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                calibrate_method=rung.method,
                extra_options=self._options(rung),
            )
        int8 = onnx.load(target)
        _read_unrounded(int8, rung.nodes_in_float)
        return int8

    def _rounded_for(self, rung: Rung) -> onnx.ModelProto:
        # What onnxruntime's quantizer takes for a channel's largest weight.
        steps = 64 if rung.reduce_range else 127
        key = steps, rung.nodes_in_float
        if key not in self._rounded:
            photos = np.concatenate(list(islice(self._images(), ROUNDING_PHOTOS)))
            self._rounded[key] = round_weights(self.prepared, photos, steps, self._kept(rung))
        return self._rounded[key]

    def _options(self, rung: Rung) -> dict[str, Any]:
        options: dict[str, Any] = {}
        if rung.method != CalibrationMethod.MinMax:
            options["CalibStridedMinMax"] = _PORTION
        if rung.nodes_in_float:
            # Else a ReLU goes away where rounding does its work, and layers in float read values
            # of before that.
            options["QDQKeepRemovableActivations"] = True
        first = convolution_of_bytes(self.prepared)
        if first is not None:
            as_they_are = {
                "scale": np.array(1, np.float32), "zero_point": np.array(0, np.uint8)
            }  # fmt: skip
            options["TensorQuantOverrides"] = {
                first.input[0]: [{"quant_type": QuantType.QUInt8, **as_they_are}]
            }
        return options

    def _kept(self, rung: Rung) -> list[str]:
        return [*kept_in_float(self.prepared), *rung.nodes_in_float]


class _Reader(CalibrationDataReader):  # type: ignore[misc]
    """Gives photos in portions: histograms keep all values of one before they are counted."""

    def __init__(
        self, images: Iterator[npt.NDArray[np.uint8]], count: int, step: Callable[[], None]
    ) -> None:
        self._images = images
        self._step = step
        self._count = count
        self._left = count

    def __len__(self) -> int:
        return -(-self._count // _PORTION) * _PORTION  # whole portions; the last may fall short

    def set_range(self, start_index: int, end_index: int) -> None:
        self._left = end_index - start_index

    def get_next(self) -> dict[str, Any] | None:
        image = next(self._images, None) if self._left > 0 else None
        self._left -= 1
        if image is None:
            return None
        self._step()
        return {"image": image}


def _read_unrounded(int8: onnx.ModelProto, names: Sequence[str]) -> None:
    """Let layers in float read values before they are rounded to 8 bits.

    Between DequantizeLinear and QuantizeLinear onnxruntime takes a layer with float weights for one
    that it may quantize itself, with one scale for all channels.
    """
    made = makers(int8)
    for node in int8.graph.node:
        if node.name not in names:
            continue
        for i, name in enumerate(node.input):
            restored = made.get(name)
            if restored is not None and restored.op_type == "DequantizeLinear":
                rounded = made.get(restored.input[0])
                if rounded is not None and rounded.op_type == "QuantizeLinear":
                    node.input[i] = rounded.input[0]
