import numpy as np
import pytest

from edge_runtime.measure.impostors import impostor_curve


def _turns(*degrees: float) -> np.ndarray:
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def test_photos_of_two_people_alone_are_compared() -> None:
    """Ten photos of one and twelve of another: 120 comparisons, all at 60 degrees."""
    found = impostor_curve(_turns(*[0] * 10, *[60] * 12), ["a"] * 10 + ["b"] * 12)
    assert (found["n"], found["people"]) == (120, 2)
    assert found["curve"] == [[0.1, 0.5]]  # 1.2 comparisons are too few for one in a hundred


def test_cosine_of_a_rate_is_reached_by_that_share() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(200, 16)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    names = [f"p{i}" for i in range(200)]
    found = impostor_curve(rows, names)
    assert (found["n"], found["people"]) == (200 * 199 // 2, 200)
    cosines = (rows @ rows.T)[np.triu_indices(200, 1)]
    assert [rate for rate, _ in found["curve"]] == [0.1, 0.03, 0.01, 0.003, 0.001]
    for rate, cosine in found["curve"]:
        assert (cosines > cosine).mean() == pytest.approx(rate, rel=0.1)


@pytest.mark.parametrize("names", [["a"] * 5, ["a", "b", "c", "d", "e"]], ids=["one", "few"])
def test_too_few_comparisons_say_nothing(names: list[str]) -> None:
    assert impostor_curve(_turns(0, 10, 20, 30, 40), names) is None


def test_of_very_many_photos_some_are_taken() -> None:
    names = [f"p{i // 2}" for i in range(9000)]
    rows = np.tile(_turns(0, 90), (4500, 1))
    assert impostor_curve(rows, names)["n"] <= 4000 * 3999 // 2
