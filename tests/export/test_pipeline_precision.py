"""Which precision an export takes, and what it does with few photos or none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from edge_runtime.errors import OptionError
from edge_runtime.model.card import InputSpec
from edge_runtime.model.golden import check_golden, golden_picture
from edge_runtime.model.preprocess import preprocess
from edge_runtime.model.session import Session, SessionOptions, open_session
from export.description import Description
from export.errors import AccuracyError
from export.pictures import golden_input

pytestmark = [
    pytest.mark.tensorflow,
    # tf2onnx and onnxruntime's quantizer warn of their own doings, and no other way was offered.
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]
keras = pytest.importorskip("keras")

LABELS = ("red", "green", "blue")
SAID = Description(labels=LABELS, color="rgb", mean=(0.0,), scale=(255.0,), resize="stretch")
WIDE = 48


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time in two short turns; latency is no matter here."""
    monkeypatch.setattr("export.ladder._TURNS", 2)
    monkeypatch.setattr("export.ladder._TURN_S", 0.0)


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that tells colors apart, and has weights enough that int8 is the smallest."""
    rng = np.random.default_rng(0)
    image = x = keras.Input((16, 16, 3))
    for _ in range(2):
        x = keras.layers.Conv2D(WIDE, 3, activation="relu")(x)
    x = keras.layers.Dense(3, activation="softmax")(keras.layers.GlobalAveragePooling2D()(x))
    model = keras.Model(image, x)
    for layer in model.layers:
        if not layer.weights:
            continue
        kernel, bias = (rng.normal(0, 0.003, w.shape) for w in layer.weights)
        center = kernel[1, 1] if kernel.ndim == 4 else kernel
        center[:3, :3] += np.eye(3) * (1 if kernel.ndim == 4 else 6)
        layer.set_weights([kernel, 0 * bias])
    path = tmp_path_factory.mktemp("wide") / "wide.keras"
    model.save(path)
    return path


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, means_model) -> Path:
    """A file of twelve weights, which nothing makes smaller."""
    path = tmp_path_factory.mktemp("small") / "small.keras"
    means_model(side=8, weight=6.0).save(path)
    return path


@pytest.fixture
def exported() -> Callable[..., tuple[Session, list[str]]]:
    """Export to out.onnx; return it, opened, and the lines that were said."""

    def run(path: Path, **options: Any) -> tuple[Session, list[str]]:
        from export.options import ExportOptions
        from export.pipeline import export_model

        lines: list[str] = []
        out = Path("out.onnx")
        export_model(path, out, ExportOptions(described=SAID, **options), lines.append)
        return open_session(out, SessionOptions("cpu", 1)), lines

    return run


@pytest.fixture
def pass_only(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Have the gate refuse all precisions but some."""
    from export.gate import Gate

    whole = Gate.judge

    def set_up(*precisions: str) -> None:
        def judge(self: Gate, fp32: Any, tried: Any) -> Any:
            verdict = whole(self, fp32, tried)
            return replace(verdict, passed=tried.card.precision in precisions, why="too coarse")

        monkeypatch.setattr(Gate, "judge", judge)

    return set_up


def shown(session: Session) -> np.ndarray:
    """Return the picture of a file's self-test, RGB."""
    return golden_picture(session.card.golden, session)


def scores(session: Session, color: tuple[int, int, int]) -> np.ndarray:
    """Return what a file answers to a picture of one color, RGB."""
    picture = np.empty((1, session.card.input.height_px, session.card.input.width_px, 3), np.uint8)
    picture[:] = color
    return session.run(picture)["scores"][0]


# Of what passes, the smallest


@pytest.mark.parametrize(
    ("passing", "taken"),
    [(("int8", "fp16"), "int8"), (("fp16",), "fp16"), ((), "fp32")],
    ids=["all", "not int8", "neither"],
)
def test_auto_takes_the_smallest_that_passes(
    exported, pass_only, wide: Path, color_photos: Path, passing: tuple[str, ...], taken: str
) -> None:
    pass_only(*passing)
    session, lines = exported(wide, calibration=color_photos, evaluate=color_photos)
    assert session.card.precision == taken
    assert check_golden(session).passed
    assert session.card.metrics["val"][taken]["accuracy"] == 1.0
    assert any(
        line.startswith("fp16: ") and line.endswith(", refused: too coarse") for line in lines
    ) == ("fp16" not in passing)
    assert any("no int8 file keeps within" in line for line in lines) == ("int8" not in passing)
    sizes = {"int8": 45_000, "fp16": 60_000, "fp32": 100_000}  # 23 thousand weights
    assert Path("out.onnx").stat().st_size < sizes[taken]


def test_auto_takes_fp32_where_nothing_is_smaller(exported, small, color_photos: Path) -> None:
    session, lines = exported(
        small, calibration=color_photos, evaluate=color_photos, min_agreement=0.5
    )
    assert session.card.precision == "fp32"
    assert not any("refused" in line for line in lines)


def test_auto_without_calibration_tries_no_int8(exported, wide, color_photos: Path) -> None:
    session, lines = exported(wide, evaluate=color_photos)
    assert session.card.precision == "fp16"
    assert not any("minmax" in line for line in lines)
    assert "int8 is not tried: it needs --calibration, photos like those the model will see" in (
        lines
    )


def test_precision_that_does_not_pass_is_refused_and_nothing_written(
    exported, pass_only, wide: Path, color_photos: Path
) -> None:
    pass_only("int8")
    with pytest.raises(AccuracyError, match=r"^fp16 does not .*; take --precision fp32$"):
        exported(wide, evaluate=color_photos, precision="fp16")
    assert list(Path().iterdir()) == []


def test_int8_without_photos_is_refused_and_nothing_written(exported, wide, color_photos) -> None:
    with pytest.raises(OptionError, match="--calibration: int8 needs photos like those"):
        exported(wide, evaluate=color_photos, precision="int8")
    assert list(Path().iterdir()) == []


def test_int8_of_another_model_answers_nearly_as_it_does(exported, wide, color_photos) -> None:
    session, _ = exported(wide, calibration=color_photos, precision="int8")
    assert session.card.precision == "int8"
    assert session.card.quantization["calibration_photos"] == 24
    assert session.card.metrics["val"]["int8"]["n"] == 12
    model = keras.saving.load_model(wide)
    for color in ((230, 60, 60), (60, 200, 60), (60, 60, 170)):
        picture = np.empty((1, 16, 16, 3), np.float32)
        picture[:] = color
        expected = np.asarray(model(picture / 255))[0]
        np.testing.assert_allclose(scores(session, color), expected, atol=0.03)


# Without photos


def test_fp16_needs_no_photos(exported, small: Path) -> None:
    session, lines = exported(small, precision="fp16")
    assert (session.card.precision, session.card.metrics) == ("fp16", {})
    powers = np.exp(6 * np.array([200, 100, 50]) / 255)
    expected = powers / powers.sum()
    np.testing.assert_allclose(scores(session, (200, 100, 50)), expected, atol=2e-3)
    assert not any("gate" in line for line in lines)
    (compared,) = (line for line in lines if line.startswith("fp16: "))
    assert compared.endswith(" of fp32 on noise, 0.01 allowed")


def test_without_photos_fp16_answers_as_fp32_or_is_not_taken(
    exported, wide: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, _ = exported(wide)
    assert session.card.precision == "fp16"
    monkeypatch.setattr("export.pipeline._HALF_WITHIN", 0.0)
    session, lines = exported(wide)
    assert session.card.precision == "fp32"
    assert any(line.startswith("fp16: ") and line.endswith(", refused") for line in lines)
    with pytest.raises(
        AccuracyError, match=r"^fp16 does not pass the gate \(scores within .*fp32$"
    ):
        exported(wide, precision="fp16")


def test_without_photos_the_self_test_is_a_drawn_picture(exported, small, wide) -> None:
    session, _ = exported(small, precision="fp32")
    picture = shown(session)
    assert picture.shape == (8, 8, 3)
    assert picture[0, 0].tolist() == [0, 0, 128]
    assert picture[4, 4].tolist() == [230, 60, 40]  # the disc
    assert picture[1, 1].tolist() == [20, 40, 200]  # the square
    assert picture[7].tolist()[::2] == [[255, 255, 255]] * 4  # the stripes
    assert picture[7, 7, 0] == 255
    assert check_golden(session).difference < 1e-5
    first = session.card.golden.image_png
    session, _ = exported(small, precision="fp32")
    assert session.card.golden.image_png == first
    session, _ = exported(wide, precision="fp32")
    assert shown(session).shape == (16, 16, 3)


@pytest.mark.parametrize("side", [1, 2, 5])
def test_drawn_picture_fits_any_size(side: int) -> None:
    from export.pictures import drawn_pattern

    picture = drawn_pattern(InputSpec(side, 3 * side))
    assert (picture.shape, picture.dtype) == ((side, 3 * side, 3), np.uint8)


@pytest.mark.parametrize(("height", "width", "blocks"), [(127, 300, False), (129, 300, True)])
def test_large_self_test_is_in_blocks(tmp_path, height: int, width: int, blocks: bool) -> None:
    photo = np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "photo.png"), photo)
    source = SimpleNamespace(card=SimpleNamespace(input=InputSpec(height, width)))
    image = golden_input(tmp_path / "photo.png", source)
    assert (image.shape, image.dtype) == ((height, width, 3), np.uint8)
    expected = photo[..., ::-1] & 0xF0
    if blocks:
        expected = expected[np.arange(height) // 2 * 2][:, np.arange(width) // 2 * 2]
    np.testing.assert_array_equal(image, expected)


# With photos that judge


def test_photos_of_evaluate_judge_alone_and_the_first_is_the_self_test(
    exported, small, color_photos: Path, loose_photos: Path
) -> None:
    session, lines = exported(
        small, calibration=loose_photos, evaluate=color_photos, precision="fp32"
    )
    val = session.card.metrics["val"]
    assert (val["fp32"]["n"], val["fp32"]["accuracy"], val["agreement"]) == (36, 1.0, 1.0)
    assert "fp32 at the gate: accuracy 1.0000, n 36" in lines
    assert not any("val is small" in line for line in lines)
    first = cv2.imread(str(color_photos / "blue/00.png"))
    expected = preprocess(first, session.card.input) & 0xF0  # in 16 shades
    np.testing.assert_array_equal(shown(session), expected)


def test_picture_of_golden_is_the_self_test(exported, small: Path, color_photos: Path) -> None:
    photo = color_photos / "red/05.png"
    session, _ = exported(small, evaluate=color_photos, golden=photo, precision="fp32")
    expected = preprocess(cv2.imread(str(photo)), session.card.input) & 0xF0
    np.testing.assert_array_equal(shown(session), expected)


def test_photos_nobody_named_judge_by_agreement(exported, small, loose_photos: Path) -> None:
    session, lines = exported(small, evaluate=loose_photos, precision="fp16")
    assert session.card.metrics == {"val": {"fp32": {"n": 36}, "fp16": {"n": 36}, "agreement": 1.0}}
    assert "fp32 at the gate: n 36" in lines
    assert "fp16: agreement 1.0000" in lines


def test_card_says_where_the_file_came_from(exported, small: Path) -> None:
    import hashlib

    session, _ = exported(small, precision="fp32", provenance=(("data_license", "CC0"),))
    assert session.card.provenance == {
        "source": "small.keras",
        "input": {"color": "rgb", "mean": [0.0], "scale": [255.0]},
        "data_license": "CC0",
        "weights_sha256": hashlib.sha256(small.read_bytes()).hexdigest(),
    }
