"""Models of somebody else's: a tiny graph that answers with its input's channel means."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from edge_runtime.errors import CardError, ModelError
from edge_runtime.model.card import InputSpec, Reject
from edge_runtime.model.foreign import ForeignGraph
from edge_runtime.model.session import Session, SessionOptions, open_session
from tests.foreign_model import GOOD

CPU = SessionOptions("cpu", 1)
MODEL = Path("means.onnx")


def _graph(shape=("N", 3, 4, 6), inputs=1, outputs=1, kind=TensorProto.FLOAT) -> onnx.ModelProto:
    """Return a graph `data` -> channel means, (N, 3); the channels are where 3 is in the shape."""
    across = [axis for axis in (1, 2, 3) if shape[axis] != 3]
    names = [("data", "more")[i] for i in range(inputs)]
    nodes = [helper.make_node("Cast", ["data"], ["floats"], to=TensorProto.FLOAT)]
    for i in range(outputs):
        nodes.append(
            helper.make_node("ReduceMean", ["floats"], [f"out{i}"], axes=across, keepdims=0)
        )
    graph = helper.make_graph(
        nodes,
        "means",
        [helper.make_tensor_value_info(name, kind, shape) for name in names],
        [
            helper.make_tensor_value_info(f"out{i}", TensorProto.FLOAT, [shape[0], 3])
            for i in range(outputs)
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.fixture
def open_means() -> Callable[..., Session]:
    """Write a graph and its description (a value of ... leaves one out), and open them."""

    def _open(proto: onnx.ModelProto | None = None, **described) -> Session:
        MODEL.write_bytes((proto or _graph()).SerializeToString())
        values = {k: v for k, v in {**GOOD, **described}.items() if v is not ...}
        lines = [f"{name}: {json.dumps(value)}" for name, value in values.items()]
        MODEL.with_suffix(".yaml").write_text("\n".join(lines), "utf-8")
        return open_session(MODEL, CPU)

    return _open


def _pictures(*colors: tuple[int, int, int]) -> np.ndarray:
    return np.stack([np.full((4, 6, 3), color, np.uint8) for color in colors])


# What it sees


@pytest.mark.parametrize(
    ("described", "expected"),
    [
        pytest.param({}, [10, 20, 60], id="as it is"),
        pytest.param({"color": "BGR"}, [60, 20, 10], id="blue first"),
        pytest.param({"mean": 10, "scale": 5}, [0, 2, 10], id="one mean and scale"),
        pytest.param({"mean": [10, 10, 40], "scale": [1, 10, 4]}, [0, 1, 5], id="three"),
        pytest.param(
            {"color": "BGR", "mean": [50, 10, 0], "scale": [1, 2, 5]}, [10, 5, 2],
            id="three, blue first",
        ),
        pytest.param({"mean": 127.5, "scale": 127.5}, [-0.92157, -0.84314, -0.52941], id="ArcFace"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("shape", [("N", 3, 4, 6), ("N", 4, 6, 3)], ids=["NCHW", "NHWC"])
def test_picture_is_given_as_described(open_means, described, expected, shape) -> None:
    layout = "NCHW" if shape[1] == 3 else "NHWC"
    session = open_means(_graph(shape), layout=layout, **described)
    out = session.run(_pictures((10, 20, 60)))
    assert list(out) == ["embedding"]
    assert out["embedding"].dtype == np.float32
    assert out["embedding"] == pytest.approx(np.array([expected]), abs=1e-4)


@pytest.mark.parametrize("batch", ["N", 1], ids=["free", "one by one"])
def test_batch_answers_as_each_alone(open_means, batch) -> None:
    session = open_means(_graph((batch, 3, 4, 6)))
    colors = [(10, 20, 60), (1, 2, 3), (255, 0, 7)]
    assert session.run(_pictures(*colors))["embedding"].tolist() == [list(c) for c in colors]
    assert session.outputs == ("embedding",)


def test_rows_and_columns_keep_their_places() -> None:
    image = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(1, 4, 6, 3)
    graph = ForeignGraph("NCHW", "RGB", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    out = graph.convert(image)
    assert (out.shape, out.dtype, out.flags.c_contiguous) == ((1, 3, 4, 6), np.float32, True)
    assert out[0, 2, 3, 1] == image[0, 3, 1, 2]


# What is said of it


def test_description_becomes_a_card(open_means) -> None:
    card = open_means(threshold=0.35, margin=0.1, license="MIT").card
    assert (card.name, card.task, card.labels) == ("means", "identity", ())
    assert card.input == InputSpec(4, 6, "face", 0.1, "five-point")
    assert card.reject == Reject("cosine", 0.35)
    assert card.provenance["license"] == "MIT"
    assert card.sha256 == hashlib.sha256(MODEL.read_bytes()).hexdigest()


def test_description_without_what_may_be_left_out_is_enough(open_means) -> None:
    card = open_means(alignment="none").card
    assert card.input == InputSpec(4, 6, "face", 0.0, "none")
    assert card.reject is None
    assert set(card.provenance) == {"weights_sha256"}


# Graphs that do not fit


@pytest.mark.parametrize(
    ("proto", "described", "says"),
    [
        pytest.param(
            _graph(), {"size": [6, 4]}, "takes pictures of [3, 4, 6], its description says",
            id="size",
        ),
        pytest.param(_graph(), {"layout": "NHWC"}, "its description says [4, 6, 3]", id="layout"),
        pytest.param(
            _graph(kind=TensorProto.UINT8), {}, "one input of float pictures", id="bytes"
        ),
        pytest.param(_graph(inputs=2), {}, "one input of float pictures", id="two inputs"),
        pytest.param(_graph(outputs=2), {}, "expected one output, the embedding; it has out0, out1",
                     id="two outputs"),
    ],
)  # fmt: skip
def test_graph_that_is_no_such_embedding_is_refused(open_means, proto, described, says) -> None:
    with pytest.raises(CardError) as caught:
        open_means(proto, **described)
    assert str(caught.value).startswith("means.onnx: ")
    assert says in str(caught.value)


def test_graph_for_batches_of_two_alone_cannot_be_run(open_means) -> None:
    with pytest.raises(ModelError, match=r"^means\.onnx: onnxruntime cannot run it"):
        open_means(_graph((2, 3, 4, 6)))
