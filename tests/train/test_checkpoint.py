"""A checkpoint is there whole or not at all: killed, out of room, damaged."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from train.errors import RunError

pytestmark = pytest.mark.tensorflow
keras = pytest.importorskip("keras")

FOLDER = Path("state")


class Killed(BaseException):
    """What no handler of errors sees."""


def _checkpoints() -> Any:
    from train.checkpoint import Checkpoints

    FOLDER.mkdir(exist_ok=True)
    return Checkpoints(FOLDER)


def _progress(epoch: int) -> Any:
    from train.checkpoint import Progress

    history = [{"epoch": float(i), "loss": 1 / (i + 3)} for i in range(epoch)]
    return Progress(epoch, 2.5 * epoch, 0.625, max(1, epoch - 1), history)


def _compiled(width: int = 4) -> Any:
    """A network as it is before its first step: the optimizer has no state yet."""
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(width)])
    model.compile(keras.optimizers.AdamW(1e-2, use_ema=True), "mse")
    return model


@pytest.fixture
def trained() -> Callable[[int], Any]:
    """Make a network in which every weight and all of the optimizer's state is a given number."""

    def make(number: int) -> Any:
        model = _compiled()
        model.optimizer.build(model.trainable_variables)
        for variable in (*model.weights, *model.optimizer.variables):
            variable.assign(np.full(variable.shape, number, variable.dtype))
        return model

    return make


def _numbers(model: Any) -> set[float]:
    return {float(v) for w in (*model.weights, *model.optimizer.variables) for v in np.ravel(w)}


def _files() -> list[str]:
    return sorted(path.name for path in FOLDER.iterdir())


def _whole_at_epoch_1(trained: Callable[[int], Any]) -> None:
    """What is in the folder is the first epoch, whole, and the second can be written to it."""
    checkpoints = _checkpoints()
    assert checkpoints.progress == _progress(1)
    model = trained(0)
    checkpoints.restore(model, 1)
    assert _numbers(model) == {1}
    checkpoints.save(trained(2), _progress(2), set())
    assert _checkpoints().progress == _progress(2)
    assert _files() == ["epoch-0002.npz", "progress.json"]


def test_folder_that_is_new_or_empty_has_no_epochs(tmp_path: Path) -> None:
    from train.checkpoint import Checkpoints, Progress

    assert Checkpoints(tmp_path / "not there").progress == Progress(0, 0.0, -1.0, 0, [])
    assert _checkpoints().progress == Progress()


@pytest.mark.parametrize("used", [True, False], ids=["after a step", "just compiled"])
def test_weights_and_the_optimizers_state_come_back(trained, used: bool) -> None:
    """A resumed run compiles a new network, whose optimizer has no variables yet."""
    _checkpoints().save(trained(3), _progress(3), set())
    checkpoints = _checkpoints()
    assert checkpoints.progress == _progress(3)
    model = trained(0) if used else _compiled()
    checkpoints.restore(model, 3)
    assert _numbers(model) == {3}
    assert int(model.optimizer.iterations) == 3


def test_only_the_newest_epoch_and_those_asked_for_are_kept(trained) -> None:
    checkpoints = _checkpoints()
    for epoch in (1, 2, 3, 4):
        checkpoints.save(trained(epoch), _progress(epoch), {2} if epoch > 1 else set())
    assert _files() == ["epoch-0002.npz", "epoch-0004.npz", "progress.json"]
    for epoch in (2, 4):
        model = trained(0)
        checkpoints.restore(model, epoch)
        assert _numbers(model) == {epoch}


# Ended at any moment


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("which", [1, 2], ids=["the weights' name", "the progress's name"])
def test_run_killed_when_a_file_gets_its_name_stands_at_a_whole_epoch(
    trained, monkeypatch, which: int, done: bool
) -> None:
    """Weights come first, then what says that they are there."""
    _checkpoints().save(trained(1), _progress(1), set())
    replace, calls = os.replace, []

    def killed(source: Any, target: Any) -> None:
        calls.append(target)
        if len(calls) < which or done:
            replace(source, target)
        if len(calls) == which:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", killed)
        with pytest.raises(Killed):
            _checkpoints().save(trained(2), _progress(2), set())
    if (which, done) == (2, True):
        checkpoints = _checkpoints()
        assert checkpoints.progress == _progress(2)
        model = trained(0)
        checkpoints.restore(model, 2)
        assert _numbers(model) == {2}
    else:
        _whole_at_epoch_1(trained)


def test_run_killed_while_it_writes_weights_stands_at_the_epoch_before(
    trained, monkeypatch
) -> None:
    _checkpoints().save(trained(1), _progress(1), set())

    write = Path.write_bytes

    def killed(self: Path, data: bytes) -> None:
        write(self, b"half of")
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", killed)
        with pytest.raises(Killed):
            _checkpoints().save(trained(2), _progress(2), set())
    assert not (FOLDER / "epoch-0002.npz").exists()
    _whole_at_epoch_1(trained)


# No room


NO_ROOM = "{}: cannot be written ({}); epoch 1 is kept: make room and go on with --resume"


@pytest.mark.parametrize("name", ["epoch-0002.npz", "progress.json"])
def test_checkpoint_without_room_is_one_line_and_the_epoch_before_stays_whole(
    trained, monkeypatch, name: str
) -> None:
    _checkpoints().save(trained(1), _progress(1), set())
    write = Path.write_bytes

    def full(self: Path, data: bytes) -> None:
        if self.name.startswith(name):
            write(self, data[:100])
            raise OSError(28, "No space left on device")
        write(self, data)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(RunError) as caught:
            _checkpoints().save(trained(2), _progress(2), set())
    assert str(caught.value) == NO_ROOM.format(FOLDER / name, "No space left on device")
    assert _files() == ["epoch-0001.npz", "progress.json"]
    _whole_at_epoch_1(trained)


# Runs in a process of its own: HDF5, used here once, ended it with a segmentation fault.
_ON_A_FULL_DISK = """
import json, resource, sys
from pathlib import Path
import keras
from train.checkpoint import Checkpoints, Progress
from train.errors import RunError

model = keras.Sequential([keras.Input((100,)), keras.layers.Dense(300)])
model.compile(keras.optimizers.AdamW(), "mse")
model.optimizer.build(model.trainable_variables)
folder = Path("state")
folder.mkdir()
Checkpoints(folder).save(model, Progress(1), set())
before = {path.name: path.stat().st_size for path in folder.iterdir()}
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
said = []
for most in (64, 5_000, 200_000, 350_000):
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    try:
        Checkpoints(folder).save(model, Progress(2), set())
    except RunError as error:
        said.append(str(error))
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    assert {path.name: path.stat().st_size for path in folder.iterdir()} == before
Checkpoints(folder).restore(model, 1)
print(json.dumps([max(before.values()), *said]))
"""


def test_disk_that_really_takes_no_more_is_one_line_and_not_a_word_more(
    tmp_path: Path, checkout_env: dict[str, str]
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _ON_A_FULL_DISK],
        cwd=tmp_path,
        env={**checkout_env, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
    )
    said = done.stdout.splitlines()[-1:]
    assert (done.returncode, len(said), "Traceback" in done.stderr) == (0, 1, False), done.stderr
    size, *lines = json.loads(said[0])
    assert size > 350_000  # so that each of the four limits lies within the file
    assert lines == [NO_ROOM.format("state/epoch-0002.npz", "File too large")] * 4


# Damaged


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b'{"epoch": 1, "his', b"[1, 2]", b"null", b'{"epoch": 1, "speed": 2}', b"\xff\xfe"],
    ids=["empty", "cut short", "cut later", "a list", "null", "another field", "not UTF-8"],
)
def test_damaged_progress_is_one_line(data: bytes) -> None:
    FOLDER.mkdir()
    (FOLDER / "progress.json").write_bytes(data)
    with pytest.raises(RunError) as caught:
        _checkpoints()
    message = str(caught.value)
    assert message.startswith("state/progress.json: cannot be read (")
    assert message.endswith("); remove the run folder and start anew")
    assert "\n" not in message


@pytest.mark.parametrize("what", ["gone", "empty", "cut short", "text", "another network"])
def test_damaged_weights_are_one_line(trained, what: str) -> None:
    _checkpoints().save(trained(1), _progress(1), set())
    path = FOLDER / "epoch-0001.npz"
    data = path.read_bytes()
    model = trained(0)
    if what == "gone":
        path.unlink()
    elif what == "another network":
        model = _compiled(width=5)
    else:
        path.write_bytes(
            {"empty": b"", "cut short": data[: len(data) // 2], "text": b"x" * 999}[what]
        )
    with pytest.raises(RunError) as caught:
        _checkpoints().restore(model, 1)
    message = str(caught.value)
    assert message.startswith("state/epoch-0001.npz: cannot be loaded (")
    assert message.endswith("); remove the run folder and start anew")
    assert "\n" not in message
