"""How sure a share is: the interval that goes with every accuracy."""

from __future__ import annotations

import math

__all__ = ["wilson"]

_Z95 = 1.959964  # standard normal quantile of 97.5%


def wilson(hits: int, n: int) -> tuple[float, float]:
    """Return the 95% interval of a share: Wilson's score interval (1927).

    Unlike the share plus or minus two standard errors it stays within 0 and 1 and is right for
    few photos and for shares near 1.

    Raises:
        ValueError: `n` is not positive or `hits` is not between 0 and `n`.
    """
    if n <= 0 or not 0 <= hits <= n:
        raise ValueError(f"{hits} of {n} is no share")
    share, spread = hits / n, _Z95**2 / n
    center = (share + spread / 2) / (1 + spread)
    half = _Z95 * math.sqrt(share * (1 - share) / n + spread / (4 * n)) / (1 + spread)
    return max(0.0, center - half), min(1.0, center + half)
