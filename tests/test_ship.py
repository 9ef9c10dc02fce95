"""scripts/ship.py can make again every accuracy that is committed, with commands there are."""

from __future__ import annotations

import runpy
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer.main

import export.cli
import train.cli

ROOT = Path(__file__).parents[1]
SHIP = runpy.run_path(str(ROOT / "scripts" / "ship.py"))
COMMANDS = {
    "train": typer.main.get_command(train.cli.app),
    "export": typer.main.get_command(export.cli.app),
}


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Collect the commands that would be run, without the interpreter."""
    commands: list[list[str]] = []

    def note(words: list[str], **options: Any) -> None:
        commands.append(words[1:])
        for word in words:
            if Path(word).name == "part":
                Path(word).mkdir(parents=True)

    monkeypatch.setattr(subprocess, "run", note)
    monkeypatch.setattr("shutil.copy", lambda file, folder: None)
    return commands


def test_every_committed_accuracy_can_be_made_again() -> None:
    results = (ROOT / "benchmarks" / "results").glob("accuracy-*.json")
    names = {path.stem.removeprefix("accuracy-") for path in results}
    assert len(names) > 20
    assert names - SHIP["MODELS"].keys() == set()


@pytest.mark.parametrize("name", SHIP["MODELS"])
def test_commands_of_a_model_are_understood(
    name: str, started: list[list[str]], tmp_path: Path
) -> None:
    SHIP["ship"](name, tmp_path / "data", tmp_path / "work", "weights.h5")
    assert [words[1] for words in started[-4:]] == ["train", "export", "export", "benchmarks"]
    for words in started:
        if words[0] == "-m" and words[1] in COMMANDS:
            _understood(COMMANDS[words[1]], words[2:])
        assert not any("{" in word for word in words)


def test_what_is_finished_is_taken_and_what_was_interrupted_goes_on(
    started: list[list[str]], tmp_path: Path
) -> None:
    state = tmp_path / "runs" / "pets" / "state"
    state.mkdir(parents=True)
    SHIP["ship"]("pets", tmp_path, tmp_path, "imagenet")
    assert started[0][-1] == "--resume"
    (state.parent / "model.keras").touch()
    (tmp_path / "pets.onnx").touch()
    (tmp_path / "pets.fp32.onnx").touch()
    started.clear()
    SHIP["ship"]("pets", tmp_path, tmp_path, "imagenet")
    assert [words[1] for words in started] == ["benchmarks"]


def test_features_that_were_interrupted_go_on(started: list[list[str]], tmp_path: Path) -> None:
    (tmp_path / "dogs").mkdir()
    (tmp_path / "dog_features.npz.part").mkdir()
    SHIP["ship"]("dogs", tmp_path, tmp_path, "weights.h5")
    assert started[0][:3] == ["-m", "train", "features"]
    assert started[0][-1] == "--resume"


def test_what_is_prepared_has_its_name_once_it_is_whole(
    started: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "part" / "half").mkdir(parents=True)

    def stop(words: list[str], **options: Any) -> None:
        Path(words[-1]).mkdir()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(subprocess, "run", stop)
        with pytest.raises(KeyboardInterrupt):
            SHIP["ship"]("dogs-transfer", tmp_path, tmp_path, "weights.h5")
    assert not (tmp_path / "dogs").exists()
    SHIP["ship"]("dogs-transfer", tmp_path, tmp_path, "weights.h5")
    assert list((tmp_path / "dogs").iterdir()) == []


def _understood(command: Any, words: list[str]) -> None:
    with command.make_context("python -m", list(words), resilient_parsing=False) as context:
        if not hasattr(command, "resolve_command"):
            return
        _, inner, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        inner.make_context(inner.name, rest, parent=context)
