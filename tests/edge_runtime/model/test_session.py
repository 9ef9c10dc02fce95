from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper

from edge_runtime.errors import CardError, InstallError, ModelError, OptionError
from edge_runtime.model import session as session_module
from edge_runtime.model.session import PROVIDERS, Session, SessionOptions, open_session

CPU = SessionOptions("cpu", 1)


@pytest.fixture
def listed_cuda(monkeypatch) -> None:
    """An onnxruntime that lists CUDA but falls back to the CPU, as without its libraries."""
    real = onnxruntime.InferenceSession

    def fall_back(data, settings, providers):
        assert providers[0] == "CUDAExecutionProvider"
        return real(data, settings, providers=["CPUExecutionProvider"])

    names = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(session_module.onnxruntime, "get_available_providers", lambda: names)
    monkeypatch.setattr(session_module.onnxruntime, "InferenceSession", fall_back)


def test_session_answers_by_output_name(color_session) -> None:
    images = np.zeros((2, 16, 16, 3), np.uint8)
    images[0, ..., 0] = 255  # red
    images[1, ..., 2] = 255  # blue
    out = color_session.run(images)
    top, rest = np.exp(4) / (np.exp(4) + 2), 1 / (np.exp(4) + 2)
    assert list(out) == ["scores"]
    assert out["scores"].dtype == np.float32
    assert np.allclose(out["scores"], [[top, rest, rest], [rest, rest, top]], atol=1e-5)


def test_batch_answers_as_each_alone(color_session) -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3), np.uint8)
    together = color_session.run(images)["scores"]
    alone = np.concatenate([color_session.run(image[None])["scores"] for image in images])
    assert np.allclose(together, alone, atol=1e-5)


# Providers


def test_named_cpu_says_what_it_got(color_model) -> None:
    session = open_session(color_model, CPU)
    assert (session.provider_asked, session.provider_used) == ("cpu", "cpu")
    assert session.explanation == "asked cpu, got cpu, because it was named"


def test_auto_without_a_gpu_says_why_it_is_the_cpu(color_model, monkeypatch) -> None:
    names = ["AzureExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(session_module.onnxruntime, "get_available_providers", lambda: names)
    session = open_session(color_model, SessionOptions())
    assert session.explanation == "asked auto, got cpu, because no GPU provider is installed"


@pytest.mark.usefixtures("listed_cuda")
def test_auto_whose_gpu_does_not_start_says_so(color_model) -> None:
    session = open_session(color_model, SessionOptions())
    assert session.provider_used == "cpu"
    assert session.explanation == (
        "asked auto, got cpu, because cuda is listed but could not be started"
    )


@pytest.mark.usefixtures("listed_cuda")
def test_named_provider_that_does_not_start_is_refused(color_model) -> None:
    with pytest.raises(ModelError, match="could not start it and fell back to cpu"):
        open_session(color_model, SessionOptions("cuda"))


def test_named_provider_that_is_not_installed_is_refused(color_model, monkeypatch) -> None:
    names = ["CPUExecutionProvider"]
    monkeypatch.setattr(session_module.onnxruntime, "get_available_providers", lambda: names)
    with pytest.raises(InstallError) as caught:
        open_session(color_model, SessionOptions("openvino"))
    assert str(caught.value) == (
        "provider openvino: this onnxruntime has only cpu; install the onnxruntime build "
        "that has it"
    )


def test_unknown_provider_is_refused_with_those_known(color_model) -> None:
    with pytest.raises(OptionError, match="provider gpu: not known; expected auto, coreml, cpu"):
        open_session(color_model, SessionOptions("gpu"))


def test_every_provider_is_one_onnxruntime_knows() -> None:
    assert set(PROVIDERS.values()) <= set(onnxruntime.get_all_providers())


# Threads


@pytest.mark.parametrize(
    ("asked", "cores", "got"), [(3, 8, 3), (0, 2, 2), (0, 16, 4), (0, None, 1)]
)
def test_threads_are_those_asked_for_or_the_cores_up_to_four(
    color_model, monkeypatch, asked, cores, got
) -> None:
    monkeypatch.setattr(session_module.os, "cpu_count", lambda: cores)
    assert open_session(color_model, SessionOptions("cpu", asked)).threads == got


# Models that do not fit


def test_labels_that_do_not_fit_the_graph_are_refused(unfit_model) -> None:
    with pytest.raises(CardError) as caught:
        open_session(unfit_model, CPU)
    assert str(caught.value) == (
        f"{unfit_model}: the card names 2 labels, the graph answers with 3 scores"
    )


@pytest.mark.parametrize("sides", [{"height_px": 32}, {"width_px": 8}], ids=["height", "width"])
def test_input_size_that_does_not_fit_the_graph_is_refused(
    write_colors, classifier_proto, sides
) -> None:
    path = write_colors(proto=classifier_proto(16), **sides)
    with pytest.raises(CardError, match=r"the card says input \(N, .*, the graph \['N', 16, 16, 3"):
        open_session(path, CPU)


def test_graph_without_the_outputs_of_its_task_is_refused(write_colors) -> None:
    path = write_colors(task="detection", labels=("face",))
    with pytest.raises(CardError, match="the graph has no output boxes, landmarks"):
        open_session(path, CPU)


def _renamed(proto: onnx.ModelProto, old: str, new: str) -> onnx.ModelProto:
    changed = onnx.ModelProto()
    changed.CopyFrom(proto)
    for value in [*changed.graph.input, *changed.graph.output]:
        value.name = new if value.name == old else value.name
    for node in changed.graph.node:
        for names in (node.input, node.output):
            for i, name in enumerate(names):
                names[i] = new if name == old else name
    return changed


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("image", "pixels", "expected one input 'image' of uint8, got pixels"),
        ("scores", "softmax", "the graph has no output scores"),
    ],
)
def test_graph_with_other_names_is_refused(write_colors, classifier_proto, old, new, says) -> None:
    path = write_colors(proto=_renamed(classifier_proto(), old, new))
    with pytest.raises(CardError, match=says):
        open_session(path, CPU)


def test_graph_whose_input_is_float_is_refused(write_colors, classifier_proto) -> None:
    proto = onnx.ModelProto()
    proto.CopyFrom(classifier_proto())
    proto.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT
    with pytest.raises(CardError, match="expected one input 'image' of uint8"):
        open_session(write_colors(proto=proto), CPU)


def test_graph_that_takes_only_batches_of_four_is_refused(write_colors, classifier_proto) -> None:
    path = write_colors(proto=classifier_proto(batch=4))
    with pytest.raises(CardError) as caught:
        open_session(path, CPU)
    assert str(caught.value) == (
        f"{path}: the graph takes only batches of 4; export it with the first axis free"
    )


def test_graph_that_loads_but_cannot_run_is_refused_in_one_line(
    write_colors, classifier_proto
) -> None:
    proto = onnx.ModelProto()
    proto.CopyFrom(classifier_proto())
    proto.graph.node[-1].output[0] = "before"
    shape = numpy_helper.from_array(np.array([5, 3], np.int64), "five rows")
    proto.graph.initializer.append(shape)
    proto.graph.node.append(helper.make_node("Reshape", ["before", "five rows"], ["scores"]))
    path = write_colors(proto=proto)
    with pytest.raises(ModelError) as caught:
        open_session(path, CPU)
    assert str(caught.value).startswith(f"{path}: onnxruntime cannot run it (")
    assert str(caught.value).endswith(")")
    assert "\n" not in str(caught.value)


def test_graph_that_onnxruntime_does_not_know_is_refused_in_one_line(
    write_colors, classifier_proto
) -> None:
    proto = onnx.ModelProto()
    proto.CopyFrom(classifier_proto())
    proto.graph.node.append(helper.make_node("Teleport", ["scores"], ["elsewhere"]))
    with pytest.raises(ModelError, match="onnxruntime cannot load it") as caught:
        open_session(write_colors(proto=proto), CPU)
    assert "\n" not in str(caught.value)


def test_damaged_file_is_refused_before_onnxruntime_sees_it(color_model, monkeypatch) -> None:
    monkeypatch.setattr(session_module.onnxruntime, "InferenceSession", None)
    Path("cut.onnx").write_bytes(color_model.read_bytes()[:300])
    with pytest.raises(ModelError, match="cut short"):
        open_session(Path("cut.onnx"), CPU)


def test_session_is_warm_when_it_is_given(color_model, monkeypatch) -> None:
    ran = []
    run = Session.run
    monkeypatch.setattr(
        Session, "run", lambda self, images: ran.append(images.shape) or run(self, images)
    )
    open_session(color_model, CPU)
    assert ran == [(1, 16, 16, 3)]


def test_thousands_of_threads_are_refused_before_they_eat_the_memory(color_model) -> None:
    with pytest.raises(OptionError, match=r"--threads 100000: this machine has \d+ cores"):
        open_session(color_model, SessionOptions("cpu", 100_000))
