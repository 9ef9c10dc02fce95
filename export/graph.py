"""Reading an ONNX graph and cutting a part out of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy.typing as npt
import onnx
from onnx import numpy_helper

__all__ = [
    "attribute",
    "drop_unread_nodes",
    "drop_unread_weights",
    "makers",
    "part_from",
    "part_of",
    "share_constants",
    "times_read",
]

_SMALL = 1 << 16  # bytes


def attribute(node: onnx.NodeProto, name: str, default: Any) -> Any:
    """Return a node's attribute, or what the operator takes where it has none."""
    for found in node.attribute:
        if found.name == name:
            return onnx.helper.get_attribute_value(found)
    return default


def makers(proto: onnx.ModelProto) -> dict[str, onnx.NodeProto]:
    """Return by which node each value is made."""
    return {name: node for node in proto.graph.node for name in node.output}


def part_of(proto: onnx.ModelProto, names: Sequence[str]) -> onnx.ModelProto:
    """Return the part of a model that computes the named values, which are its outputs."""
    return _part(proto, names, proto.graph.input)


def part_from(
    proto: onnx.ModelProto, given: Mapping[str, npt.NDArray[Any]], name: str
) -> onnx.ModelProto:
    """Return the part of a model that computes one value from others, which are its inputs.

    Args:
        proto: The model.
        given: Values of the kinds that will be fed.
        name: Of the value wanted.
    """
    inputs = [
        onnx.helper.make_tensor_value_info(
            n, onnx.helper.np_dtype_to_tensor_dtype(value.dtype), None
        )
        for n, value in given.items()
    ]
    return _part(proto, [name], inputs)


def _part(
    proto: onnx.ModelProto, names: Sequence[str], inputs: Iterable[onnx.ValueInfoProto]
) -> onnx.ModelProto:
    """Return the nodes between inputs and named values, with the constants they read alone."""
    given = {i.name for i in inputs}
    needed = set(names)
    kept: list[onnx.NodeProto] = []
    for node in reversed(proto.graph.node):
        if (needed - given) & set(node.output):
            needed |= set(node.input) | _read_inside(node)
            kept.append(node)
    graph = onnx.helper.make_graph(
        kept[::-1],
        proto.graph.name,
        inputs,
        [onnx.ValueInfoProto(name=name) for name in names],
        [i for i in proto.graph.initializer if i.name in needed],
    )
    return onnx.helper.make_model(
        graph, opset_imports=proto.opset_import, ir_version=proto.ir_version
    )


def _read_inside(node: onnx.NodeProto) -> set[str]:
    """Return what the graphs within a node, of loops and branches, read; their own values too."""
    read: set[str] = set()
    for part in node.attribute:
        for graph in (*part.graphs, *([part.g] if part.HasField("g") else [])):
            read |= {output.name for output in graph.output}
            for inner in graph.node:
                read |= set(inner.input) | _read_inside(inner)
    return read


def times_read(proto: onnx.ModelProto) -> Counter[str]:
    """Return how often each value is read: by nodes, by graphs within them, as an answer."""
    return Counter(
        [
            *(name for node in proto.graph.node for name in (*node.input, *_read_inside(node))),
            *(output.name for output in proto.graph.output),
        ]
    )


def drop_unread_nodes(proto: onnx.ModelProto) -> None:
    """Remove the nodes whose values no node reads, and then the constants no node reads."""
    read = {output.name for output in proto.graph.output}
    kept = []
    for node in reversed(proto.graph.node):
        if any(name in read for name in node.output):
            read |= set(node.input) | _read_inside(node)
            kept.append(node)
    del proto.graph.node[:]
    proto.graph.node.extend(kept[::-1])
    drop_unread_weights(proto)


def drop_unread_weights(proto: onnx.ModelProto) -> None:
    """Remove the constants no node reads."""
    read = times_read(proto)
    kept = [i for i in proto.graph.initializer if i.name in read]
    del proto.graph.initializer[:]
    proto.graph.initializer.extend(kept)


def share_constants(proto: onnx.ModelProto) -> None:
    """Keep one of constants that are alike, in place: zero points by the hundred, for one.

    A graph with graphs in it (a loop, a condition), which may read any of them, is left alone.
    """
    if any(_read_inside(node) for node in proto.graph.node):
        return
    known: dict[tuple[Any, ...], str] = {}
    same: dict[str, str] = {}
    for constant in proto.graph.initializer:
        value = numpy_helper.to_array(constant)
        if value.nbytes > _SMALL:
            continue  # no two layers have the same weights, and copies of all would take memory
        alike = constant.data_type, value.shape, value.tobytes()
        same[constant.name] = known.setdefault(alike, constant.name)
    for node in proto.graph.node:
        node.input[:] = [same.get(name, name) for name in node.input]
    drop_unread_weights(proto)
