"""What the values inside a file are called: by their layer, and briefly.

Keras's paths and the quantizer's endings made up a sixth of the detector's int8 file.
"""

from __future__ import annotations

from collections import Counter
from itertools import count

import onnx

__all__ = ["shorten_names"]

# What quantizing appends to a value's name, and what it becomes.
_ENDINGS = {
    "_QuantizeLinear_Output": "/8",
    "_DequantizeLinear_Output": "/float",
    "_quantized": "/8",
    "_zero_point": "/zero",
    "_scale": "/scale",
}
_RESTATED = ("QuantizeLinear", "DequantizeLinear")


def shorten_names(proto: onnx.ModelProto) -> None:
    """Rename what is inside a graph, in place; inputs, outputs and what is computed stay.

    Shapes of values inside, which every runtime infers, are left out too. A graph with graphs in
    it (a loop, a condition), whose names reach into each other, is left alone.
    """
    graph = proto.graph
    if any(a.HasField("g") or a.graphs for node in graph.node for a in node.attribute):
        return
    ends = {value.name for value in (*graph.input, *graph.output)}
    inside = dict.fromkeys(
        name
        for node in graph.node
        for name in (*node.input, *node.output)
        if name and name not in ends
    )
    shared = _shared([name for name in inside if "/" in name])
    taken = set(ends)
    new = {name: name for name in ends} | {"": ""}
    for name in inside:
        layer, ending = _parted(name)
        layer = layer.removeprefix(shared).partition("/")[0]
        numbered = (f"{layer}.{i}{ending}" if i else layer + ending for i in count())
        new[name] = next(short for short in numbered if short not in taken)
        taken.add(new[name])
    for node in graph.node:
        node.input[:] = [new[name] for name in node.input]
        node.output[:] = [new[name] for name in node.output]
        node.name = "" if node.op_type in _RESTATED else node.output[0]
    for constant in graph.initializer:
        constant.name = new.get(constant.name, constant.name)
    del graph.value_info[:]


def _shared(paths: list[str]) -> str:
    """Return the path that most of them begin with: the models that the layers are nested in."""
    if not paths:
        return ""
    (first, often), *_ = Counter(path.partition("/")[0] for path in paths).most_common(1)
    if 2 * often < len(paths):
        return ""
    return f"{first}/" + _shared([p.partition("/")[2] for p in paths if p.startswith(f"{first}/")])


def _parted(name: str) -> tuple[str, str]:
    """Return the Keras path of a value and, briefly, what quantizing appended."""
    for long, short in _ENDINGS.items():
        if name.endswith(long):
            path, before = _parted(name.removesuffix(long))
            return path, before + short
    return name.removesuffix(":0"), ""
