"""Where convolutions stand in a graph, Keras's or ONNX's, so that one is found in the other.

Names and order of layers do not outlive exporting; what comes before a convolution does.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
from keras import layers, tree

__all__ = ["Graph", "keras_graph", "onnx_graph", "same_places"]


@dataclass(frozen=True, slots=True)
class Graph:
    """Its steps, and which of them are convolutions with weights.

    Attributes:
        steps: By each value: the name of the step that makes it, and the values that it reads.
        convolutions: By name: whether it is depthwise; in the graph's order.
        kinds: By name of a step: its layer or operation's type.
    """

    steps: Mapping[Hashable, tuple[str, list[Hashable]]]
    convolutions: Mapping[str, bool]
    kinds: Mapping[str, str]

    def behind(self, name: str) -> tuple[set[str], set[str]]:
        """Return the nearest convolutions before a step, and the other steps on the way to them."""
        convolutions: set[str] = set()
        others: set[str] = set()
        waiting = self._read_by(name)
        while waiting:
            made_by, inputs = self.steps.get(waiting.pop(), ("", []))
            if made_by in self.convolutions:
                convolutions.add(made_by)
            elif made_by and made_by not in others:
                others.add(made_by)
                waiting += inputs
        return convolutions, others

    def _read_by(self, name: str) -> list[Hashable]:
        return next((list(inputs) for step, inputs in self.steps.values() if step == name), [])


def keras_graph(model: keras.Model) -> Graph:
    """Return a functional model's graph; its 2-D convolutions are those with a kernel."""
    steps: dict[Hashable, tuple[str, list[Hashable]]] = {}
    for step in model.operations:
        reads: list[Hashable] = [id(t) for t in tree.flatten(step.input)]
        for made in tree.flatten(step.output):
            steps[id(made)] = (step.name, reads)
    kinds = (layers.Conv2D, layers.DepthwiseConv2D)
    return Graph(
        steps,
        {
            step.name: isinstance(step, layers.DepthwiseConv2D)
            for step in model.operations
            if isinstance(step, kinds)
        },
        {step.name: type(step).__name__ for step in model.operations},
    )


def onnx_graph(proto: Any) -> Graph:
    """Return an ONNX model's graph; its convolutions are those with a bias, as exporting gives."""
    steps: dict[Hashable, tuple[str, list[Hashable]]] = {}
    convolutions: dict[str, bool] = {}
    for node in proto.graph.node:
        convolves = node.op_type == "Conv" and len(node.input) == 3
        if convolves:
            groups = next((a.i for a in node.attribute if a.name == "group"), 1)
            convolutions[node.output[0]] = groups > 1
        for made in node.output:
            # Weights come from steps of their own where they are quantized.
            steps[made] = (node.output[0], list(node.input[:1] if convolves else node.input))
    return Graph(steps, convolutions, {n.output[0]: n.op_type for n in proto.graph.node})


def same_places(one: Graph, other: Graph) -> dict[str, list[str]]:
    """Return for each convolution of one graph those that stand at the same place of another.

    Two do if both are depthwise or none is, and the nearest convolutions before them stand at the
    same places. Several may: what reads the same value is told apart by its shape.
    """
    numbers: dict[tuple[bool, tuple[int, ...]], int] = {}
    there: dict[int, list[str]] = {}
    for name, number in _places(other, numbers).items():
        there.setdefault(number, []).append(name)
    return {name: there.get(number, []) for name, number in _places(one, numbers).items()}


def _places(graph: Graph, numbers: dict[tuple[bool, tuple[int, ...]], int]) -> dict[str, int]:
    """Number each convolution's place; `numbers` holds those that are known, by what tells them."""
    places: dict[str, int] = {}

    def place(name: str) -> int:
        if name not in places:
            before = tuple(sorted(place(other) for other in graph.behind(name)[0]))
            places[name] = numbers.setdefault((graph.convolutions[name], before), len(numbers))
        return places[name]

    for name in graph.convolutions:
        place(name)
    return places
