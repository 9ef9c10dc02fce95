import base64
import dataclasses

import cv2
import numpy as np
import pytest

from edge_runtime.errors import CardError
from edge_runtime.measure.machine import cpu_kind
from edge_runtime.model import golden as golden_module
from edge_runtime.model.golden import check_golden, golden_picture, make_golden
from edge_runtime.model.session import SessionOptions, open_session

CPU = SessionOptions("cpu", 1)


@pytest.fixture(scope="module")
def golden(color_session):
    return color_session.card.golden


def _png(image: np.ndarray) -> str:
    return base64.b64encode(cv2.imencode(".png", image)[1].tobytes()).decode()


def test_golden_sample_passes_where_it_was_made(color_session) -> None:
    result = check_golden(color_session)
    assert result.passed
    assert result.difference < 1e-4
    assert (result.same_cpu, result.tolerance) == (True, 0.01)


def test_golden_sample_holds_the_picture_and_the_answer(color_session) -> None:
    image = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    made = make_golden(color_session, image)
    assert (golden_picture(made, color_session) == image).all()
    assert made.expected == pytest.approx(color_session.run(image[None])["scores"][0], abs=1e-5)
    assert made.cpu == cpu_kind()


def _checked(write_colors, golden, **changes):
    path = write_colors(golden=dataclasses.replace(golden, **changes))
    return check_golden(open_session(path, CPU))


def test_golden_sample_fails_on_another_picture(write_colors, golden) -> None:
    blue = _png(np.full((16, 16, 3), (200, 40, 60), np.uint8))
    result = _checked(write_colors, golden, image_png=blue)
    assert not result.passed
    assert result.difference > 0.5


def test_golden_sample_fails_on_another_answer(write_colors, golden) -> None:
    result = _checked(write_colors, golden, expected=golden.expected[::-1])
    assert not result.passed


def test_golden_sample_fails_when_red_and_blue_are_swapped(
    write_colors, golden, classifier_proto
) -> None:
    from onnx import numpy_helper

    proto = classifier_proto()
    weights = numpy_helper.to_array(proto.graph.initializer[0])[::-1]
    proto.graph.initializer[0].CopyFrom(numpy_helper.from_array(weights.copy(), "weights"))
    path = write_colors(golden=golden, proto=proto)
    assert not check_golden(open_session(path, CPU)).passed


@pytest.mark.parametrize(
    ("off_by", "cpu", "passes"),
    [
        pytest.param(0.005, "here", True, id="little off, same CPU"),
        pytest.param(0.05, "here", False, id="more off, same CPU"),
        pytest.param(0.05, "riscv-plain", True, id="more off, other CPU"),
        pytest.param(0.2, "riscv-plain", False, id="far off, other CPU"),
    ],
)
def test_tolerance_is_wider_on_another_kind_of_cpu(
    write_colors, golden, off_by: float, cpu: str, passes: bool
) -> None:
    expected = (golden.expected[0] - off_by, *golden.expected[1:])
    cpu = golden.cpu if cpu == "here" else cpu
    result = _checked(write_colors, golden, expected=expected, cpu=cpu)
    assert result.passed is passes
    assert result.difference == pytest.approx(off_by, abs=1e-3)
    assert result.same_cpu == (cpu == golden.cpu)


def test_detectors_golden_sample_is_its_best_box_and_score(detector, scene) -> None:
    image = cv2.resize(scene((32, 64)), (64, 64), interpolation=cv2.INTER_AREA)[..., ::-1]
    made = make_golden(detector.session, np.ascontiguousarray(image))
    assert made.expected == pytest.approx((0.25, 0.5, 0.5, 0.75, 1.0), abs=1e-4)


def test_model_without_a_golden_sample_is_refused(mood) -> None:
    with pytest.raises(CardError, match="model mood: holds no golden sample; export it again"):
        check_golden(mood.session)


@pytest.mark.parametrize(
    "image_png",
    [
        pytest.param("***", id="not base64"),
        pytest.param("aGVsbG8=", id="not a picture"),
        pytest.param(_png(np.zeros((8, 8, 3), np.uint8)), id="another size"),
    ],
)
def test_golden_sample_that_is_no_picture_of_the_input_is_refused(
    write_colors, golden, image_png: str
) -> None:
    with pytest.raises(CardError, match="model colors: its golden sample is no picture of its"):
        _checked(write_colors, golden, image_png=image_png)


def test_golden_sample_without_a_picture_is_refused_with_the_card(write_colors, golden) -> None:
    with pytest.raises(
        CardError,
        match=r"colors\.onnx: card field golden\.image_png is '', expected base64 of a PNG; ",
    ):
        _checked(write_colors, golden, image_png="")


def test_golden_sample_of_another_length_is_refused(write_colors, golden) -> None:
    with pytest.raises(CardError, match="expects 2 values, the model gives 3"):
        _checked(write_colors, golden, expected=(0.5, 0.5))


def test_another_kind_of_cpu_is_noticed(color_session, monkeypatch) -> None:
    monkeypatch.setattr(golden_module, "cpu_kind", lambda: "riscv-plain")
    result = check_golden(color_session)
    assert (result.same_cpu, result.tolerance, result.passed) == (False, 0.1, True)
