"""`python -m train` and `python -m export` as a user meets them."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from train.cli import CLASSIFIERS, app

ROOT = Path(__file__).parents[2]
SHARED = {
    "--data", "--output", "--name", "--classes", "--architecture", "--size", "--epochs", "--batch",
    "--learning-rate", "--schedule", "--ema", "--balance", "--patience", "--precision",
    "--deterministic", "--seed", "--resume", "--help",
}  # fmt: skip
OWN = {
    "objects": {"--backbone", "--weights", "--head"},
    "pets": {"--backbone", "--weights", "--head"},
    "expression": {"--votes"},
    "digits": set(),
    "imagenette": {"--backbone", "--weights", "--head"},
    "dogs": {"--backbone", "--weights", "--head"},
    "faces": {"--backbone", "--weights", "--background", "--for-gallery"},
}


@pytest.fixture
def run(monkeypatch) -> Callable[..., Any]:
    """Run a command line in this process; the result has exit_code, stdout, stderr."""
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERM", "dumb")

    def invoke(words: str) -> Any:
        return CliRunner().invoke(app, words.split(), catch_exceptions=False)

    return invoke


def _options(text: str) -> set[str]:
    return set(re.findall(r"^\s+(--[a-z-]+)", text, re.MULTILINE))


# Help


def test_help_names_every_recipe_with_its_one_line(run) -> None:
    result = run("--help")
    assert result.exit_code == 0
    for name, (line, *_) in CLASSIFIERS.items():
        assert re.search(rf"^\s+{name}\s+{re.escape(line[:30])}", result.stdout, re.MULTILINE)
    assert {"detector", "report"} <= set(re.findall(r"^\s+([a-z]+)  ", result.stdout, re.MULTILINE))


def test_recipes_of_these_tests_are_all_there_are() -> None:
    assert set(CLASSIFIERS) == set(OWN)


@pytest.mark.parametrize("name", OWN)
def test_help_of_a_recipe_shows_an_example_and_only_its_own_options(run, name: str) -> None:
    result = run(f"{name} --help")
    assert result.exit_code == 0
    text = " ".join(result.stdout.split())
    example = re.search(r"Example: (python -m train .*?--output runs/\w+)", text)[1]
    assert example.startswith(f"python -m train {name} --data ")
    assert example.endswith(f" --output runs/{name}")
    assert _options(result.stdout) == SHARED | OWN[name]
    (named,) = re.findall(r"Architectures: ([a-z, ]+);", text)
    assert tuple(named.split(", ")) == CLASSIFIERS[name][2]
    used = {word for word in example.split() if word.startswith("--")}
    assert used <= _options(result.stdout)


@pytest.mark.tensorflow
@pytest.mark.parametrize("name", OWN)
def test_architectures_of_the_help_are_the_recipes(name: str) -> None:
    pytest.importorskip("keras")
    recipe = importlib.import_module(f"train.recipes.{name}").RECIPE
    assert CLASSIFIERS[name][2] == tuple(recipe.plans)


def test_help_needs_no_keras(tmp_path: Path, checkout_env: dict[str, str]) -> None:
    script = (
        "import sys\nfrom typer.testing import CliRunner\nfrom train.cli import app\n"
        "out = CliRunner().invoke(app, ['pets', '--help'])\n"
        "print(out.exit_code, {'keras', 'tensorflow', 'cv2'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path, env=checkout_env, capture_output=True, text=True,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("0 set()\n", "")


@pytest.mark.parametrize(
    "words",
    ["expression --backbone vgg16", "objects --votes a.csv", "expression --weights none",
     "pets --background people", "faces --votes a.csv"],
)  # fmt: skip
def test_option_of_another_recipe_is_unknown(run, words: str) -> None:
    option = words.split()[1]
    result = run(f"{words} --data gone --output run")
    assert result.exit_code == 2
    assert f"No such option: {option}" in result.stderr


@pytest.mark.parametrize(
    "words",
    ["--epochs 0", "--size 15", "--batch 1", "--learning-rate 0", "--patience 0", "--size big"],
)
def test_number_out_of_range_is_refused(run, words: str) -> None:
    result = run(f"objects --data gone --output run {words}")
    assert result.exit_code == 2
    assert f"Invalid value for '{words.split()[0]}'" in result.stderr
    assert not Path("run").exists()


# Bad input, where Keras is needed to know that it is bad


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("words", "says"),
    [
        pytest.param(
            "expression --architecture resnet50",
            "--architecture resnet50: expected residual or seed",
            id="architecture",
        ),
        pytest.param(
            "faces --architecture residual",
            "--architecture residual: expected head or identity or seed",
            id="architecture of another recipe",
        ),
        pytest.param(
            "faces --backbone vgg16",
            "--backbone, --size: architecture head takes the shipped face model as it is; name "
            "another with --weights FILE.onnx",
            id="backbone for the shipped embedding",
        ),
        pytest.param(
            "objects --balance all", "--balance all: expected none or sqrt or full", id="balance"
        ),
        pytest.param(
            "objects --precision int8",
            "--precision int8: expected one of auto, float32, bfloat16, float16",
            id="precision",
        ),
        pytest.param(
            "pets --architecture seed --backbone vgg16",
            "--backbone, --weights: architecture seed has no backbone",
            id="backbone for a plan without",
        ),
        pytest.param(
            "pets --architecture seed --weights none",
            "--backbone, --weights: architecture seed has no backbone",
            id="weights for a plan without",
        ),
        pytest.param(
            "faces --architecture seed --background others",
            "--background, --for-gallery: architecture seed compares no faces; take head or "
            "identity",
            id="background for a plan that compares none",
        ),
        pytest.param(
            "faces --architecture seed --weights none",
            "--weights none: architecture seed trains only what follows its backbone; take "
            "imagenet or a file",
            id="nothing to start from for a head",
        ),
    ],
)
def test_value_that_does_not_fit_is_one_line_and_exit_2(run, words: str, says: str) -> None:
    pytest.importorskip("keras")
    result = run(f"{words} --data gone --output run")
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"error: {says}\n")
    assert not Path("run").exists()


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("words", "says"),
    [
        pytest.param("pets --backbone resnet50", "--backbone resnet50: expected one of", id="name"),
        pytest.param("pets --weights gone.h5", "--weights gone.h5: no such file", id="file"),
        pytest.param("pets --size 16 --weights none", "--size 16: mobilenet-0.75 needs", id="size"),
    ],
)
def test_backbone_that_cannot_be_had_is_one_line_and_exit_2(run, words, says: str) -> None:
    pytest.importorskip("keras")
    result = run(f"{words} --data data --output run --precision float32")
    (line,) = result.stderr.splitlines()
    assert (result.exit_code, result.stdout) == (2, "")
    assert line.startswith(f"error: {says}")


@pytest.mark.tensorflow
def test_report_of_no_run_is_one_line(run) -> None:
    pytest.importorskip("keras")
    result = run("report gone")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "error: gone: no model.keras; a report is made from a finished run folder\n"
    )


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("words", "says"),
    [
        pytest.param(
            "train expression --data gone --output run",
            "error: --data gone: no such folder; it wants one with a folder a class",
            id="no photos",
        ),
        pytest.param(
            "train detector --boxes gone --portraits gone --faceless gone --output run",
            "error: gone/annotations.json: cannot be read (No such file or directory)",
            id="no annotations",
        ),
        pytest.param(
            "export gone out.onnx",
            "error: gone: no such file or folder; expected a run folder of 'python -m train', a "
            ".keras, .h5 or .hdf5 file, or a SavedModel's folder",
            id="no run",
        ),
    ],
)
def test_bad_input_gets_one_line_and_leaves_nothing(tmp_path: Path, words: str, says: str) -> None:
    pytest.importorskip("keras")
    done = subprocess.run(
        [sys.executable, "-m", *words.split()],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr.splitlines(), done.stdout) == (1, [says], "")
    assert list(tmp_path.iterdir()) == []
