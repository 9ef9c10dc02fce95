import pytest

from edge_runtime.measure.intervals import wilson


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_interval_is_the_published_one(hits: int, n: int, low: float, high: float) -> None:
    # Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I, method 3.
    assert wilson(hits, n) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize("n", [1, 7, 100, 100_000])
def test_interval_ends_at_0_and_1_and_holds_the_share(n: int) -> None:
    assert wilson(0, n)[0] == pytest.approx(0, abs=1e-12)
    assert wilson(n, n)[1] == pytest.approx(1, abs=1e-12)
    for hits in {0, 1, n // 2, n}:
        low, high = wilson(hits, n)
        assert 0 <= low <= hits / n + 1e-12
        assert hits / n - 1e-12 <= high <= 1


def test_interval_of_the_misses_mirrors_that_of_the_hits() -> None:
    low, high = wilson(3, 50)
    assert wilson(47, 50) == pytest.approx((1 - high, 1 - low))


@pytest.mark.parametrize(
    ("hits", "n"), [(0, 0), (1, -1), (-1, 5), (6, 5)], ids=["none", "n", "negative", "too many"]
)
def test_what_is_no_share_is_refused(hits: int, n: int) -> None:
    with pytest.raises(ValueError, match=f"{hits} of {n} is no share"):
        wilson(hits, n)
