"""`python -m export` as a user meets it: one line for what is wrong, and what the card records."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from edge_runtime.model.card import InputSpec, ModelCard
from edge_runtime.model.classifier import Classifier
from edge_runtime.model.golden import golden_picture
from edge_runtime.model.session import SessionOptions, open_session
from tests.command_line import failure

pytestmark = [
    pytest.mark.tensorflow,
    # tf2onnx and onnxruntime's quantizer warn of their own doings, and no other way was offered.
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]
keras = pytest.importorskip("keras")

LABELS = ("red", "green", "blue")
OPEN = ("--color", "rgb", "--mean", "0", "--resize", "stretch")
ALL = (*OPEN, "--scale", "255", "--labels", "red,green,blue")


@pytest.fixture
def run() -> Callable[..., Any]:
    """Run a command line in this process; the result has exit_code, stdout, stderr."""
    from export.cli import app

    def invoke(*words: object) -> Any:
        return CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)

    return invoke


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory, means_model) -> Path:
    """A folder of models: good ones, and such as cannot be taken."""
    root = tmp_path_factory.mktemp("models")
    means_model(weight=6.0).save(root / "colors.keras")
    means_model(side=None, weight=6.0).save(root / "any.keras")
    means_model(activation=None, weight=6.0).save(root / "logits.keras")
    means_model(activation="sigmoid").save(root / "sigmoids.keras")
    image = keras.Input((8, 8, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(image)
    keras.Model(image, keras.layers.Lambda(lambda x: 2 * x)(pooled)).save(root / "lambda.keras")
    (root / "text.keras").write_text("hello")
    run = root / "run"
    run.mkdir()
    shutil.copy(root / "colors.keras", run / "model.keras")
    card = ModelCard("ours", "classification", LABELS, InputSpec(8, 8))
    (run / "card.json").write_text(card.to_json())
    (run / "split.csv").write_text("path,label,split\nmodel.keras,red,train\nmodel.keras,red,val\n")
    return root


# What is refused


@pytest.mark.parametrize(
    ("words", "exit_code", "says"),
    [
        pytest.param("gone out.onnx", 1, "gone: no such file or folder; expected a run", id="path"),
        pytest.param("text.keras out.onnx", 1, "text.keras: Keras cannot load it (", id="no Keras"),
        pytest.param("lambda.keras out.onnx", 1, "lambda.keras: has a Lambda layer", id="Lambda"),
        pytest.param(
            "colors.keras no/out.onnx", 1, "no/out.onnx: cannot be written (there is", id="output"
        ),
        pytest.param(
            "sigmoids.keras out.onnx ALL", 1, "sigmoids.keras: its outputs are betw", id="sigmoids"
        ),
        pytest.param(
            "colors.keras out.onnx ALL --golden gone.png", 1, "gone.png: No such file", id="golden"
        ),
        pytest.param(
            "colors.keras out.onnx --precision int4", 2, "--precision int4: expected ", id="int4"
        ),
        pytest.param(
            "colors.keras out.onnx --max-drop nan", 2, "--max-drop nan: expected a number", id="nan"
        ),
        pytest.param(
            "colors.keras out.onnx --color grey", 2, "--color 'grey': expected rgb or b", id="color"
        ),
        pytest.param(
            "colors.keras out.onnx --labels a,a", 2, "--labels ['a', 'a']: expected c", id="twice"
        ),
        pytest.param(
            "colors.keras out.onnx",
            2,
            "--labels, --color, --mean, --scale, --resize: colors.keras does not say; add",
            id="nothing said",
        ),
        pytest.param(
            "colors.keras out.onnx OPEN --scale 1 --labels a,b",
            2,
            "--labels: 2 names, from a to b, and colors.keras has 3 outputs",
            id="labels",
        ),
        pytest.param(
            "any.keras out.onnx ALL", 2, "--size: any.keras takes pictures of any siz", id="size"
        ),
        pytest.param(
            "logits.keras out.onnx ALL", 2, "--softmax: logits.keras gives ", id="no softmax"
        ),
        pytest.param(
            "colors.keras out.onnx ALL --softmax", 2, "--softmax: colors.keras ends in", id="two"
        ),
        pytest.param(
            "colors.keras out.onnx ALL --precision int8", 2, "--calibration: int8 needs", id="int8"
        ),
        pytest.param(
            "colors.keras out.onnx ALL --calibration gone",
            2,
            "--calibration gone: no such folder",
            id="calibration",
        ),
        pytest.param("run out.onnx --mean 0", 2, "run: a run folder says itself what", id="run"),
    ],
)
def test_what_cannot_be_done_gets_one_line_and_leaves_nothing(
    run, models: Path, monkeypatch, words: str, exit_code: int, says: str
) -> None:
    monkeypatch.chdir(models)
    before = sorted(models.rglob("*"))
    spelled = [w for word in words.split() for w in {"ALL": ALL, "OPEN": OPEN}.get(word, (word,))]
    result = run(*spelled)
    assert failure(result, exit_code).startswith(says)
    assert (result.stdout, sorted(models.rglob("*"))) == ("", before)


def test_unknown_name_in_yaml_is_refused(run, models: Path) -> None:
    pytest.importorskip("yaml")
    shutil.copy(models / "colors.keras", "mine.keras")
    Path("mine.yaml").write_text("labels: [red, green, blue]\ncolour: rgb\n")
    says = "mine.yaml: unknown colour; it may have labels, color, "
    assert failure(run("mine.keras", "out.onnx", *ALL), 2).startswith(says)


def test_limit_out_of_range_is_wrong_usage(run, models: Path) -> None:
    for words in (("--max-drop", "-1"), ("--min-agreement", "1.1"), ("--opset", "12")):
        result = run(models / "colors.keras", "out.onnx", *ALL, *words)
        assert result.exit_code == 2
        assert f"Invalid value for '{words[0]}'" in " ".join(result.stderr.split())


# What is done


def test_file_that_was_asked_for_answers_and_records_how_it_was_made(
    run, models: Path, color_photos: Path
) -> None:
    result = run(
        models / "colors.keras", "out.onnx", *OPEN, "--scale", "255", "--labels",
        "red,dark green,blue", "--precision", "fp16", "--golden", color_photos / "red/00.png",
        "--license", "CC BY 4.0", "--min-agreement", "0.5",
    )  # fmt: skip
    assert (result.exit_code, result.stdout) == (0, "")
    session = open_session(Path("out.onnx"), SessionOptions("cpu", 1))
    assert session.card.precision == "fp16"
    red = np.zeros((20, 30, 3), np.uint8)
    red[..., 2] = 230
    assert Classifier(session).classify(red).label == "red"
    provenance = session.card.provenance
    assert provenance["data_license"] == "CC BY 4.0"
    assert provenance["source"] == "colors.keras"
    assert provenance["export"] == (
        "python -m export colors.keras out.onnx --precision fp16 --min-agreement 0.5 --golden "
        "00.png --labels 'red,dark green,blue' --color rgb --mean 0 --scale 255 --resize stretch"
    )
    assert result.stderr.splitlines()[-1].startswith("wrote out.onnx (")


def test_photos_that_were_named_are_recorded_by_their_folders_names(
    run, models: Path, color_photos: Path
) -> None:
    photos = shutil.copytree(color_photos, Path("deep/photos"))
    result = run(
        models / "any.keras", "out.onnx", *ALL, "--size", "6x10", "--evaluate", photos,
        "--precision", "fp32", "--opset", "15", "--name", "my colors",
    )  # fmt: skip
    assert result.exit_code == 0
    session = open_session(Path("out.onnx"), SessionOptions("cpu", 1))
    assert (session.card.name, session.card.metrics["val"]["fp32"]["n"]) == ("my colors", 36)
    assert golden_picture(session.card.golden, session).shape == (6, 10, 3)
    assert session.card.provenance["export"] == (
        "python -m export any.keras out.onnx --evaluate photos --precision fp32 --opset 15 "
        "--labels red,green,blue --color rgb --mean 0 --scale 255 --resize stretch --size 6x10 "
        "--name 'my colors'"
    )
    assert session.card.provenance["data_license"] == "not stated"


def test_model_of_others_withholds_nothing_by_the_photos_at_hand(
    run, models: Path, color_photos: Path
) -> None:
    """A run of ours would: its surest answers are right, and the gray photos' are not."""
    photos = shutil.copytree(color_photos, Path("photos"))
    for i in range(12):
        cv2.imwrite(str(photos / "blue" / f"gray{i}.png"), np.full((8, 8, 3), (99, 100, 101), "u1"))
    result = run(
        models / "colors.keras", "out.onnx", *OPEN, "--scale", "255", "--labels", "red,green,blue",
        "--evaluate", photos, "--precision", "fp32",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    card = open_session(Path("out.onnx"), SessionOptions("cpu", 1)).card
    assert card.metrics["val"]["fp32"]["accuracy"] == 0.75
    assert card.reject is None


def test_logits_become_probabilities_and_the_flag_is_recorded(run, models: Path) -> None:
    result = run(models / "logits.keras", "out.onnx", *ALL, "--softmax", "--precision", "fp32")
    assert result.exit_code == 0
    session = open_session(Path("out.onnx"), SessionOptions("cpu", 1))
    picture = np.empty((1, 8, 8, 3), np.uint8)
    picture[:] = (255, 0, 0)
    powers = np.exp([6, 0, 0])
    np.testing.assert_allclose(session.run(picture)["scores"][0], powers / powers.sum(), atol=1e-6)
    assert session.card.provenance["export"].endswith(" --resize stretch --softmax")


def test_without_arguments_the_help_is_shown(run) -> None:
    assert "MODEL_OR_RUN" in run("--help").stdout
    assert "Usage:" in run().output
