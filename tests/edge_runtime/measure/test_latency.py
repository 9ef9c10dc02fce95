import numpy as np
import pytest

from edge_runtime.measure.latency import in_turns, summarize_ms


def test_percentiles_of_an_unsorted_list_are_those_of_the_sorted_one() -> None:
    figures = summarize_ms([0.009, 0.001, 0.100, 0.003, 0.008])
    assert figures["p50"] == 8.0
    assert (figures["min"], figures["max"], figures["mean"]) == (1.0, 100.0, 24.2)
    assert figures["p90"] == 63.6  # 9 + 0.6 of the way to 100
    assert figures == summarize_ms([0.001, 0.003, 0.008, 0.009, 0.100])


def test_percentiles_of_0_to_100_are_their_names() -> None:
    milliseconds = np.random.default_rng(0).permutation(101) / 1000
    figures = summarize_ms(milliseconds)
    assert figures == {
        "p50": 50.0, "p90": 90.0, "p95": 95.0, "p99": 99.0, "mean": 50.0, "min": 0.0, "max": 100.0,
    }  # fmt: skip


def test_one_duration_is_every_figure() -> None:
    assert set(summarize_ms([0.0123456]).values()) == {12.346}


def test_figures_are_plain_numbers() -> None:
    assert all(type(value) is float for value in summarize_ms(np.ones(3, np.float32)).values())


@pytest.mark.parametrize("nothing", [[], (), np.zeros(0)], ids=["list", "tuple", "array"])
def test_nothing_cannot_be_summarized(nothing) -> None:
    with pytest.raises(ValueError, match="no durations to summarize"):
        summarize_ms(nothing)


def test_calls_take_turns_and_neither_is_always_first(monkeypatch: pytest.MonkeyPatch) -> None:
    now, order = [0.0], []
    monkeypatch.setattr("edge_runtime.measure.latency.time.perf_counter", lambda: now[0])

    def call(name: str, seconds: float):
        def run() -> None:
            now[0] += seconds
            order.append(name)

        return run

    taken = in_turns({"quick": call("quick", 0.25), "slow": call("slow", 2.0)}, 3, 0.5)
    assert {n: [len(turn) for turn in turns] for n, turns in taken.items()} == {
        "quick": [2, 2, 2], "slow": [1, 1, 1]
    }  # fmt: skip
    assert taken["quick"][0] == [0.25, 0.25]
    warm, *turns = ("".join(n[0] for n in order)[i : i + 3] for i in range(0, 12, 3))
    assert (warm, turns) == ("qqs", ["sqq", "qqs", "sqq"])
