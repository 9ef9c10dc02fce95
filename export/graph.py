"""Reading an ONNX graph and cutting a part out of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import onnx

__all__ = ["attribute", "drop_unread_weights", "part_of"]


def attribute(node: onnx.NodeProto, name: str, default: Any) -> Any:
    """Return a node's attribute, or what the operator takes where it has none."""
    for found in node.attribute:
        if found.name == name:
            return onnx.helper.get_attribute_value(found)
    return default


def part_of(proto: onnx.ModelProto, names: Sequence[str]) -> onnx.ModelProto:
    """Return the part of a model that computes the named values, which are its outputs."""
    part = onnx.ModelProto()
    part.CopyFrom(proto)
    del part.graph.output[:]
    part.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    needed = set(names)
    kept = []
    for node in reversed(proto.graph.node):
        if needed & set(node.output):
            needed |= set(node.input)
            kept.append(node)
    del part.graph.node[:]
    part.graph.node.extend(reversed(kept))
    drop_unread_weights(part)
    return part


def drop_unread_weights(proto: onnx.ModelProto) -> None:
    """Remove the constants no node reads."""
    read = {name for node in proto.graph.node for name in node.input}
    kept = [i for i in proto.graph.initializer if i.name in read]
    del proto.graph.initializer[:]
    proto.graph.initializer.extend(kept)
