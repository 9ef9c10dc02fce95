"""What a person reads while a network trains, where stderr is a file or a pipe."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any

import pytest

pytestmark = pytest.mark.tensorflow
pytest.importorskip("keras")

LOGS = {"val_accuracy": 0.75, "loss": 1.23456, "accuracy": 0.5, "lr": 0.1, "val_loss": 2}


@pytest.fixture
def clock(monkeypatch) -> SimpleNamespace:
    """A clock that goes on only when told: `clock.now += 3`."""
    import train.display

    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(train.display, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


def _display(epochs: int = 4, steps: int = 10, done: int = 0) -> Any:
    from train.checkpoint import Progress
    from train.display import EpochDisplay

    return EpochDisplay(epochs, steps, Progress(epoch=done))


def _epoch(display: Any, clock: SimpleNamespace, epoch: int, seconds: float) -> None:
    display.on_epoch_begin(epoch)
    for batch in range(10):
        clock.now += seconds / 10
        display.on_train_batch_end(batch, {})
    display.on_epoch_end(epoch, LOGS)


def test_each_epoch_is_one_line_with_its_figures_and_the_time_left(clock, capsys) -> None:
    with _display() as display:
        for epoch in range(4):
            _epoch(display, clock, epoch, 20)
    out, err = capsys.readouterr()
    figures = "loss 1.2346  accuracy 0.5000  val_loss 2.0000  val_accuracy 0.7500"
    assert out == ""
    assert [line.rstrip() for line in err.splitlines()] == [
        f"epoch 1/4  {figures}  60 s left",
        f"epoch 2/4  {figures}  40 s left",
        f"epoch 3/4  {figures}  20 s left",
        f"epoch 4/4  {figures}",
    ]


def test_nothing_is_written_within_an_epoch(clock, capsys) -> None:
    with _display() as display:
        display.on_epoch_begin(0)
        display.on_train_batch_end(0, LOGS)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("seconds", "left"),
    [(0.1, "0 s left"), (29.4, "88 s left"), (40, "2 min left"), (1790, "90 min left"),
     (1900, "1.6 h left"), (36_000, "30.0 h left")],
)  # fmt: skip
def test_time_left_is_in_units_that_can_be_read(clock, capsys, seconds, left: str) -> None:
    with _display() as display:
        _epoch(display, clock, 0, seconds)
    assert capsys.readouterr().err.endswith(f"  {left}\n")


def test_resumed_run_says_where_it_goes_on_and_counts_only_its_own_epochs(clock, capsys) -> None:
    display = _display(epochs=10, done=7)
    clock.now += 500  # before training starts: nobody's epoch
    with display:
        _epoch(display, clock, 7, 30)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "going on after epoch 7 of 10"
    assert lines[1].startswith("epoch 8/10  loss")
    assert lines[1].endswith("  60 s left")


def test_time_left_follows_the_time_that_was_taken(clock, capsys) -> None:
    with _display(epochs=3) as display:
        _epoch(display, clock, 0, 10)
        _epoch(display, clock, 1, 30)
    assert capsys.readouterr().err.splitlines()[-1].endswith("  20 s left")  # 40 s in two epochs


def test_on_a_terminal_the_lines_stay_and_the_bar_moves(clock, monkeypatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    with _display(epochs=2) as display:
        display.on_epoch_begin(0)
        for batch in range(5):
            clock.now += 2
            display.on_train_batch_end(batch, {})
        task = display._bar.tasks[0]
        assert (task.completed, task.total, task.description) == (5, 10, "epoch 1/2")
        assert task.fields["left"] == "30 s left"  # 15 of 20 steps
        display.on_epoch_end(0, {"loss": 1.0})
        display.on_epoch_begin(1)
        assert display._bar.tasks[0].completed == 0
    assert "epoch 1/2  loss 1.0000" in screen.getvalue()
