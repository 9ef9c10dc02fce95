"""How often to look for faces: each frame where time allows, else every n-th."""

from __future__ import annotations

import math

__all__ = ["Cadence"]

_LONGEST_S = 0.2  # a new face waits no longer than this to be seen
_MEMORY = 0.9  # of a running average over the last ten or so measurements


class Cadence:
    """Spreads the detector's time over frames so that each frame's work ends before the next.

    Between two looks a face goes on as it moved before (`Tracker.coast`).
    """

    def __init__(self, period_s: float = 0.0, every: int = 0) -> None:
        """Take the time between frames, and what the user asks for.

        Args:
            period_s: 0 where frames wait for the loop, so that nothing is gained by haste.
            every: Look at every so many-th frame; 0 finds out by measuring.
        """
        self._period_s = period_s
        self._asked = every
        self._detect_s = 0.0
        self._rest_s = 0.0
        self._since: int | None = None  # frames since the last look

    @property
    def every(self) -> int:
        """Every how many-th frame is looked at for faces just now, 1 or more."""
        if self._asked or not self._period_s or not self._detect_s:
            return self._asked or 1
        most = max(1, int(_LONGEST_S / self._period_s))
        spare = self._period_s - self._rest_s
        return most if spare <= 0 else min(most, math.ceil(self._detect_s / spare))

    def due(self) -> bool:
        """Count a frame, and say whether to look for faces in it."""
        self._since = self.every if self._since is None else self._since + 1
        due = self._since >= self.every
        if due:
            self._since = 0
        return due

    def took(self, detect_s: float, rest_s: float) -> None:
        """Learn what a frame took.

        Args:
            detect_s: Looking for faces; 0 where it was not done.
            rest_s: All else.
        """
        if detect_s:
            self._detect_s = _averaged(self._detect_s, detect_s)
        self._rest_s = _averaged(self._rest_s, rest_s)


def _averaged(before: float, now: float) -> float:
    return _MEMORY * before + (1 - _MEMORY) * now if before else now
