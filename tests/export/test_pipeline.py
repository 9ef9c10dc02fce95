"""From a Keras model to a proven int8 file, and what is refused on the way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest

from edge_runtime.errors import OptionError
from edge_runtime.model.card import InputSpec, ModelCard, Reject
from edge_runtime.model.classifier import Classifier
from edge_runtime.model.golden import check_golden
from edge_runtime.model.session import SessionOptions, open_session
from tests.written_run import write_run

pytestmark = pytest.mark.tensorflow
keras = pytest.importorskip("keras")

# tf2onnx and onnxruntime's quantizer warn of their own doings, and no other way was offered.
QUIET = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


@QUIET
def test_export_writes_an_int8_file_that_answers_as_keras_does(
    color_run: Path, tmp_path: Path
) -> None:
    from export.options import ExportOptions
    from export.pipeline import export_model

    target, lines = tmp_path / "colors.onnx", []
    export_model(color_run, target, ExportOptions("int8"), lines.append)

    proto = onnx.load(target)
    kinds = [node.op_type for node in proto.graph.node]
    assert kinds.count("QuantizeLinear") >= 2
    assert kinds.count("BatchNormalization") == 0
    assert [i.name for i in proto.graph.input] == ["image"]
    assert proto.graph.input[0].type.tensor_type.shape.dim[0].dim_param

    session = open_session(target, SessionOptions("cpu"))
    assert session.card.precision == "int8"
    assert session.card.metrics["test"]["int8"]["accuracy"] == 1.0
    assert session.card.metrics["val"]["agreement"] == 1.0
    assert session.card.metrics["test"]["int8"]["n"] == 10
    assert check_golden(session).difference < 1e-4  # expected values are stored to 5 decimals
    keras_model = keras.saving.load_model(color_run / "model.keras", compile=False)
    photos = np.zeros((2, 24, 24, 3), np.uint8)
    photos[0, ..., 0] = photos[1, ..., 2] = 200
    expected = np.asarray(keras_model(photos))
    np.testing.assert_allclose(session.run(photos)["scores"], expected, atol=0.02)
    red_bgr = np.zeros((50, 80, 3), np.uint8)
    red_bgr[..., 2] = 220
    assert Classifier(session).classify(red_bgr).label == "red"
    assert any("parity with Keras" in line for line in lines)
    assert list(tmp_path.iterdir()) == [target]


@QUIET
def test_photos_that_calibrated_nothing_fill_up_the_gate_first(
    color_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from export import pipeline
    from export.options import ExportOptions

    lines: list[str] = []
    monkeypatch.setattr(pipeline, "_FEWEST_AT_THE_GATE", 18)
    options = ExportOptions("int8", calibration_photos=12)
    pipeline.export_model(color_run, tmp_path / "colors.onnx", options, lines.append)
    assert "val is small: the gate looks at 18 photos, val and some of train" in lines


@QUIET
def test_small_val_is_filled_up_at_the_gate_and_reported_alone(
    color_run: Path, tmp_path: Path
) -> None:
    from export.options import ExportOptions
    from export.pipeline import export_model

    lines: list[str] = []
    options = ExportOptions("int8", calibration_photos=12)
    export_model(color_run, tmp_path / "colors.onnx", options, lines.append)
    said = "val is small: the gate looks at 30 photos, val and some of train; "
    assert said + "12 of them calibrate too" in lines
    card = open_session(tmp_path / "colors.onnx", SessionOptions("cpu")).card
    assert card.metrics["val"]["int8"]["n"] == 10
    low, high = card.metrics["val"]["int8"]["interval"]
    assert (low, high) == (pytest.approx(0.7225, abs=1e-4), 1.0)


@QUIET
def test_photos_nobody_named_calibrate_a_run_and_its_val_alone_judges(
    color_run: Path, tmp_path: Path
) -> None:
    from export.options import ExportOptions
    from export.pipeline import export_model

    loose = tmp_path / "loose"
    loose.mkdir()
    for photo in sorted(color_run.parent.glob("*.png"))[:12]:
        (loose / photo.name).write_bytes(photo.read_bytes())
    target, lines = tmp_path / "colors.onnx", []
    export_model(color_run, target, ExportOptions("int8", calibration=loose), lines.append)
    assert "fp32 at the gate: accuracy 1.0000, n 10" in lines
    card = open_session(target, SessionOptions("cpu")).card
    assert card.quantization["calibration_photos"] == 12


@QUIET
@pytest.mark.parametrize(("changed", "passes"), [(1, True), (2, False)])
def test_where_one_photo_is_more_than_the_allowed_drop_one_may_change(
    color_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: int, passes: bool
) -> None:
    from export import pipeline
    from export.errors import AccuracyError
    from export.gate import Gate
    from export.options import ExportOptions

    whole = Gate.look

    def worse(gate, proto, card):
        candidate = whole(gate, proto, card)
        if card.precision == "fp32":
            return candidate
        answers = candidate.answers.copy()
        answers[:changed] = answers[:changed, ::-1]
        report = gate._evaluator.report(answers, gate.samples)
        return replace(candidate, answers=answers, report=report)

    monkeypatch.setattr(Gate, "look", worse)
    options = ExportOptions("int8", calibration_photos=4, min_agreement=0.9)
    lines: list[str] = []
    target = tmp_path / "colors.onnx"
    if passes:
        pipeline.export_model(color_run, target, options, lines.append)
    else:
        with pytest.raises(AccuracyError, match=r"within 3\.34 points .* \(accuracy 1\.0000"):
            pipeline.export_model(color_run, target, options, lines.append)
    assert target.exists() == passes
    assert any("one photo is 3.33 points here" in line for line in lines)


def withholding(run: Path, to: Path, reject: Reject) -> Path:
    """Copy a run whose card says when an answer is withheld."""
    import shutil

    copy = shutil.copytree(run, to)
    card = ModelCard.from_json((copy / "card.json").read_text(), "card.json")
    (copy / "card.json").write_text(replace(card, reject=reject).to_json())
    return copy


@QUIET
def test_what_is_withheld_is_set_by_the_exported_files_own_scores(
    color_run: Path, tmp_path: Path
) -> None:
    """The run's card withholds below 0.9; all val answers are right, so the file withholds none."""
    from export.options import ExportOptions
    from export.pipeline import export_model

    for reject in (Reject("probability", 0.9), Reject("cosine", 0.4, 0.01)):
        run = withholding(color_run, tmp_path / f"run-{reject.on}", reject)
        target = tmp_path / f"{reject.on}.onnx"
        export_model(run, target, ExportOptions("fp32"), lambda line: None)
        kept = open_session(target, SessionOptions("cpu")).card.reject
        assert kept == (None if reject.on == "probability" else reject)


@QUIET
def test_fp32_export_keeps_float_weights(color_run: Path, tmp_path: Path) -> None:
    from export.options import ExportOptions
    from export.pipeline import export_model

    target = tmp_path / "colors.onnx"
    export_model(color_run, target, ExportOptions(precision="fp32"), lambda line: None)
    kinds = {node.op_type for node in onnx.load(target).graph.node}
    assert "QuantizeLinear" not in kinds
    assert open_session(target, SessionOptions("cpu")).card.precision == "fp32"


@QUIET
@pytest.mark.parametrize("precision", ["fp16", "fp32"])
def test_fine_tuning_what_is_not_rounded_is_refused(
    color_run: Path, precision: str, tmp_path: Path
) -> None:
    from export.options import ExportOptions
    from export.pipeline import export_model

    options = ExportOptions(precision, finetune=tmp_path)
    with pytest.raises(OptionError, match=f"^--finetune: .* --precision is {precision}; leave one"):
        export_model(color_run, tmp_path / "colors.onnx", options, lambda line: None)


@QUIET
@pytest.mark.parametrize("name", ["run/colors.onnx", "run/sub/colors.onnx", "colors.keras", "run"])
def test_model_is_not_written_over(color_run: Path, name: str, monkeypatch, tmp_path: Path) -> None:
    import shutil

    from export.options import ExportOptions
    from export.pipeline import export_model

    monkeypatch.chdir(tmp_path)
    run = shutil.copytree(color_run, tmp_path / "run")
    before = (run / "model.keras").read_bytes()
    with pytest.raises(OptionError, match=r"choose a place beside it$|a name ending in \.onnx$"):
        export_model(Path("run"), Path(name), ExportOptions("fp32"), print)
    assert (run / "model.keras").read_bytes() == before


@QUIET
@pytest.mark.parametrize("name", ["metrics.html", "card.html", "sub/page.html"])
def test_report_is_not_written_over_files_of_the_run(
    color_run: Path, name: str, tmp_path: Path
) -> None:
    import shutil

    from export.options import ExportOptions
    from export.pipeline import export_model

    run = shutil.copytree(color_run, tmp_path / "run")
    before = {p: p.read_bytes() for p in run.iterdir() if p.is_file()}
    options = ExportOptions("fp32", report=run / name)
    with pytest.raises(OptionError, match=r"choose a place beside it$"):
        export_model(run, tmp_path / "out.onnx", options, print)
    assert {p: p.read_bytes() for p in run.iterdir() if p.is_file()} == before


@QUIET
def test_run_judged_on_photos_of_no_label_keeps_what_it_withholds_and_its_test_figures(
    color_run: Path, tmp_path: Path
) -> None:
    import shutil

    from export.options import ExportOptions
    from export.pipeline import export_model

    run = withholding(color_run, tmp_path / "run", Reject("probability", 0.9))
    loose = tmp_path / "loose"
    loose.mkdir()
    for i in range(4):
        shutil.copy(color_run.parent / f"{i}.png", loose)
    lines: list[str] = []
    options = ExportOptions("fp32", evaluate=loose)
    export_model(run, tmp_path / "out.onnx", options, lines.append)
    kept = open_session(tmp_path / "out.onnx", SessionOptions("cpu")).card
    assert kept.reject == Reject("probability", 0.9)
    assert kept.metrics["test"]["fp32"]["accuracy"] == 1.0
    assert kept.metrics["val"]["fp32"] == {"n": 4}


@QUIET
def test_photos_given_to_judge_a_run_judge_alone(color_run: Path, tmp_path: Path) -> None:
    import shutil

    from export.options import ExportOptions
    from export.pipeline import export_model

    lines: list[str] = []
    for i, label in enumerate(("red", "red", "blue", "blue")):  # as they take turns there
        (tmp_path / "judges" / label).mkdir(parents=True, exist_ok=True)
        shutil.copy(color_run.parent / f"{i}.png", tmp_path / "judges" / label)
    options = ExportOptions("int8", evaluate=tmp_path / "judges", max_drop=100.0, min_agreement=0.0)
    export_model(color_run, tmp_path / "colors.onnx", options, lines.append)
    assert "fp32 at the gate: accuracy 1.0000, n 4" in lines


@QUIET
def test_gate_that_cannot_be_passed_leaves_nothing_and_says_both_numbers(
    color_run: Path, tmp_path: Path
) -> None:
    from export.errors import AccuracyError
    from export.options import ExportOptions
    from export.pipeline import export_model

    options = ExportOptions("int8", max_drop=-1.0, calibration_photos=4)
    expected = r"within -1.0 points .* \(accuracy 1\.0000, n 30\); nearest: .*--max-drop"
    with pytest.raises(AccuracyError, match=expected):
        export_model(color_run, tmp_path / "no.onnx", options, lambda line: None)
    assert list(tmp_path.iterdir()) == []


def test_unfinished_run_folder_is_refused(color_run: Path, tmp_path: Path) -> None:
    from export.errors import RunError
    from export.run_folder import read_run

    with pytest.raises(RunError, match=r"no model\.keras; a run folder is what"):
        read_run(tmp_path)


def test_split_nobody_knows_is_said(color_run: Path, tmp_path: Path) -> None:
    import shutil

    from export.errors import RunError
    from export.run_folder import read_run

    copy = shutil.copytree(color_run, tmp_path / "run")
    text = (copy / "split.csv").read_text().replace(",test", ",tset", 1)
    (copy / "split.csv").write_text(text)
    with pytest.raises(RunError, match=r"a row whose split is none of train, val, test: "):
        read_run(copy)


def test_moved_photo_is_named(color_run: Path, tmp_path: Path) -> None:
    import shutil

    from export.errors import RunError
    from export.run_folder import read_run

    copy = shutil.copytree(color_run, tmp_path / "run")
    text = (copy / "split.csv").read_text().replace("7.png", "gone.png")
    (copy / "split.csv").write_text(text)
    with pytest.raises(RunError, match=r"gone\.png: in split\.csv but not there"):
        read_run(copy)


@QUIET
def test_graph_that_differs_from_keras_is_refused(color_run: Path) -> None:
    from export.convert import check_parity, keras_to_onnx
    from export.errors import ParityError

    model = keras.saving.load_model(color_run / "model.keras", compile=False)
    proto = keras_to_onnx(model)
    photos = np.random.default_rng(0).integers(0, 256, (4, 24, 24, 3)).astype(np.uint8)
    assert check_parity(model, proto, photos)["scores"] < 1e-5
    model.layers[-1].set_weights([w + 0.5 * i for i, w in enumerate(model.get_weights()[-2:])])
    model.layers[-1].set_weights([-w for w in model.get_weights()[-2:]])
    with pytest.raises(ParityError, match="output scores: ONNX differs from Keras by"):
        check_parity(model, proto, photos)
    model.layers[-1].set_weights([w * np.nan for w in model.get_weights()[-2:]])
    with pytest.raises(ParityError, match="output scores: Keras answers with what is no finite"):
        check_parity(model, proto, photos)


@QUIET
def test_detector_export_decodes_boxes_in_the_graph_and_keeps_them_in_float(
    tmp_path: Path,
) -> None:
    from export.options import ExportOptions
    from export.pipeline import export_model
    from train.networks.face_detector import decoded_model, detector_network

    keras.utils.set_random_seed(0)
    spec = InputSpec(64, 96, resize="letterbox")
    trained = detector_network(spec, width=32)
    rng = np.random.default_rng(0)
    photo = rng.integers(0, 256, (2, 64, 96, 3)).astype(np.uint8)
    spread = float(np.std(trained(photo)[..., 1:5]))
    for layer in trained.layers:
        if isinstance(layer, keras.layers.Conv2D) and layer.filters == 4:
            layer.kernel.assign(layer.kernel / spread)
    model = decoded_model(trained, spec)
    card = ModelCard("tiny", "detection", ("face",), spec)
    samples = []
    for i in range(12):
        cv2.imwrite(str(tmp_path / f"{i}.png"), rng.integers(0, 256, (64, 96, 3)).astype(np.uint8))
        samples.append((tmp_path / f"{i}.png", "8 8 48 48"))
    run = write_run(tmp_path / "run", model, card, samples)
    target = tmp_path / "tiny.onnx"
    # Random weights find nothing: only the mechanics are looked at here.
    options = ExportOptions("int8", max_drop=100, min_agreement=0, calibration_photos=4)
    export_model(run, target, options, lambda line: None)
    for more, says in (
        ({"evaluate": tmp_path}, "--evaluate: a folder has no boxes"),
        ({"finetune": tmp_path}, "--finetune: learns from a classifier's scores"),
    ):
        with pytest.raises(OptionError, match=says):
            export_model(run, target, replace(options, **more), lambda line: None)
    session = open_session(target, SessionOptions("cpu"))
    out = session.run(photo)
    cells = 8 * 12 + 4 * 6 + 2 * 3
    assert out["boxes"].shape == (2, cells, 4)
    assert out["scores"].shape == (2, cells)
    assert out["landmarks"].shape == (2, cells, 10)
    # Eight bits over 96 px would round to 0.38 px: the decoded numbers are finer than that.
    assert len(np.unique(out["boxes"][0, :, 0])) > cells // 2
    expected = np.asarray(model(photo)["boxes"])
    assert np.corrcoef(out["boxes"].ravel(), expected.ravel())[0, 1] > 0.99
    # From pixels to the first layer bytes are moved and nothing else.
    proto = onnx.load(target)
    first = next(i for i, node in enumerate(proto.graph.node) if node.op_type == "Conv")
    before = {n.op_type for n in proto.graph.node[:first]} - {"DequantizeLinear", "Constant"}
    assert before == {"Slice", "Concat", "Reshape", "Squeeze", "Transpose"}
