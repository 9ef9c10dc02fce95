"""How alike two people's faces look to an embedding; NumPy only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["RATES", "cosine_at", "impostor_curve"]

RATES = (0.1, 0.03, 0.01, 0.003, 0.001, 0.0003, 0.0001)
_FEWEST = 10  # comparisons a rate must leave above its cosine, to say anything
_MOST_PHOTOS = 4000  # 16 million comparisons


def impostor_curve(
    embeddings: npt.NDArray[np.float32], people: Sequence[str]
) -> dict[str, Any] | None:
    """Return which share of comparisons of two people reaches which cosine.

    What a card states as `metrics.impostors`; `edge_runtime.faces.identifier.accept_above` reads
    it.

    Args:
        embeddings: float32 (N, D), rows of unit length.
        people: Whom each row shows, N names. Of more than 4,000 rows an even selection is taken.

    Returns:
        `n` comparisons, `people`, and `curve`, pairs of rate and cosine; None where there are too
        few comparisons for any rate.
    """
    chosen = np.unique(np.linspace(0, len(people) - 1, min(len(people), _MOST_PHOTOS)).astype(int))
    names = np.unique(np.asarray(people)[chosen], return_inverse=True)[1]
    cosines = embeddings[chosen] @ embeddings[chosen].T
    impostors = cosines[np.triu(names[:, None] != names[None])]
    rates = [rate for rate in RATES if rate * len(impostors) >= _FEWEST]
    if not rates:
        return None
    found = np.quantile(impostors, [1 - rate for rate in rates])
    curve = [[rate, round(float(cosine), 4)] for rate, cosine in zip(rates, found, strict=True)]
    return {"n": len(impostors), "people": int(names.max()) + 1, "curve": curve}


def cosine_at(curve: Sequence[Sequence[float]], rate: float) -> float:
    """Return the cosine that a share of comparisons of two people reaches.

    Args:
        curve: Pairs of rate and cosine, see `impostor_curve`; one or more.
        rate: Interpolated in its logarithm. Smaller ones than were measured are reached by the
            straight line through the last two, up to 1; for larger ones it is the cosine of the
            largest.
    """
    points = sorted((math.log(each), cosine) for each, cosine in curve)
    rates, cosines = zip(*points, strict=True)
    if len(points) > 1 and math.log(rate) < rates[0]:
        slope = (cosines[1] - cosines[0]) / (rates[1] - rates[0])
        return min(1.0, float(cosines[0] + slope * (math.log(rate) - rates[0])))
    return float(np.interp(math.log(rate), rates, cosines))
