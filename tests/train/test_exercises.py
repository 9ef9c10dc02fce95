"""Every command on the pages of docs/exercises works, here with a handful of drawn photos."""

from __future__ import annotations

import re
import runpy
import shlex
import sys
from collections.abc import Callable
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import edge_runtime.cli
import export.cli
import train.cli

pytestmark = pytest.mark.tensorflow
keras = pytest.importorskip("keras")

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs" / "exercises").glob("*.md"))
PROGRAMS = {
    "python -m train ": train.cli.app,
    "python -m export ": export.cli.app,
    "edge-run ": edge_runtime.cli.app,
}
FOLDERS = {
    "cifar10": ("train,test", "airplane,ship"),
    "mnist": ("train,test", "0,1"),
    "imagenette": ("train,val", "church,English_springer"),
    "cats_dogs": ("train,val", "cats,dogs"),
    "fer2013": ("training,public_test,private_test", "happy,sad"),
}


@pytest.fixture
def photos(draw: Callable[..., Path], album: Callable[..., Path]) -> None:
    """Write what the pages take for granted, a handful of each."""
    number = 0
    for folder, (splits, labels) in FOLDERS.items():
        for split in splits.split(","):
            for label in labels.split(","):
                for i in range(8):
                    draw(Path(folder) / split / label / f"{i}.png", number := number + 1)
    album("two_people/train", ("anna", "ben"), 8)
    album("two_people/test", ("anna", "ben"), 2)
    for folder in ("holiday", "photos", "scans"):
        draw(Path(folder) / "one.png", 1)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Weights nobody taught, in the place of those Keras would download."""
    networks = {
        "mobilenet-0.75": keras.applications.MobileNet(
            include_top=False, weights=None, alpha=0.75, input_shape=(64, 64, 3)
        ),
        "vgg16": keras.applications.VGG16(include_top=False, weights=None, input_shape=(64, 64, 3)),
    }
    folder = tmp_path_factory.mktemp("weights")
    files = {name: folder / f"{name}.weights.h5" for name in networks}
    for name, network in networks.items():
        network.save_weights(files[name])
    return files


def commands(page: Path) -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


def small(words: list[str], weights: dict[str, Path]) -> list[str]:
    """Return the words of a training with what makes it short."""
    given = dict(pairwise(words))
    if words[0] == "features":
        return [*words, "--weights", str(weights[given.get("--backbone", "mobilenet-0.75")])]
    plans = import_module(f"train.recipes.{words[0]}").RECIPE.plans
    plan = plans[given.get("--architecture", next(iter(plans)))]
    more = []
    if plan.backbone and not plan.exported:
        more += ["--weights", str(weights[plan.backbone])]
    if not plan.frozen and "--head" not in words:
        more += ["--epochs", "1"]
    if plan.size_px > 96 and not plan.embedding:
        more += ["--size", "64"]
    return [*words, *more]


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_of_an_exercise_work(
    page: Path, photos: None, weights: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = commands(page)
    assert any(line.startswith("python -m export ") for line in lines)
    for line in lines:
        if line.startswith("python scripts/"):
            _script(shlex.split(line)[1:], monkeypatch)
            continue
        program = next(start for start in PROGRAMS if line.startswith(start))
        words = shlex.split(line.removeprefix(program))
        if program == "python -m train ":
            words = small(words, weights)
        if program == "python -m export ":
            words += ["--precision", "fp32"]  # untaught networks pass no gate
        result: Any = CliRunner().invoke(PROGRAMS[program], words)
        assert result.exit_code == 0, f"{line}\n{result.output}\n{result.stderr}"


def _script(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", words)
    runpy.run_path(str(ROOT / words[0]), run_name="__main__")
