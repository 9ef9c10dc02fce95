"""Latencies of files in turn."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks import latency
from benchmarks.latency import measure_latency, was_busy
from edge_runtime.errors import OptionError


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A clock that stands still unless a model runs."""
    clock = SimpleNamespace(now=0.0, order=[])
    monkeypatch.setattr("edge_runtime.measure.latency.time.perf_counter", lambda: clock.now)
    return clock


@pytest.fixture
def files(clock: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """Two files: the slow one takes 10 ms, the quick one 4 ms, each half as long again at times."""
    took = {"quick": [0.004] * 9 + [0.006], "slow": [0.010] * 9 + [0.015]}

    def session(path: Path, options: object) -> SimpleNamespace:
        calls = 0

        def run(picture: object) -> None:
            nonlocal calls
            clock.now += took[path.name][calls % 10]
            calls += 1
            if clock.order[-1:] != [path.name]:
                clock.order.append(path.name)

        return SimpleNamespace(run=run, card=SimpleNamespace(golden="a picture"))

    monkeypatch.setattr(latency, "open_session", session)
    monkeypatch.setattr(latency, "golden_picture", lambda golden, session: {None: golden})
    return {name: Path(name) for name in took}


def test_files_take_turns_and_neither_is_always_first(files, clock) -> None:
    measure_latency(files, turns=4)
    assert clock.order == ["quick", "slow", "quick", "slow", "quick", "slow"]


def test_ratio_is_of_the_medians_turn_by_turn(files) -> None:
    figures = measure_latency(files, turns=20)
    assert figures["latency_ms"]["quick"]["p50"] == pytest.approx(4)
    assert figures["latency_ms"]["slow"]["max"] == pytest.approx(15)
    assert list(figures["ratio"]) == ["quick / slow"]
    assert figures["ratio"]["quick / slow"] == {"median": 0.4, "p5": 0.4, "p95": 0.4}


def test_real_file_is_timed_and_one_without_a_golden_sample_refused(
    write_colors, face_model: Path
) -> None:
    model = write_colors(golden=True)
    figures = measure_latency({"one": model, "same": model}, turns=8)
    assert 0.2 < figures["ratio"]["one / same"]["median"] < 5
    with pytest.raises(OptionError, match=r"has no golden sample to time it on; export it again$"):
        measure_latency({"fp32": face_model})


def test_machine_was_busy_where_calls_took_twice_as_long_as_usual() -> None:
    assert not was_busy({"int8": {"p50": 1.0, "p95": 1.4}, "fp32": {"p50": 2.0, "p95": 2.1}})
    assert was_busy({"int8": {"p50": 1.0, "p95": 1.4}, "fp32": {"p50": 2.0, "p95": 4.1}})
