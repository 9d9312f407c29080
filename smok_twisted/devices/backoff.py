"""Leave a silent unit alone for a while, so that it does not starve its neighbours on the same line.

Pure; the caller gives the time. Used by whoever polls: the agent on its line, the server for links without a plan.
"""

from __future__ import annotations


class UnitBackoff:
    """After a failure a unit rests ``first_seconds``, twice as long after each further one, up to ``most_seconds``."""

    def __init__(self, first_seconds: float = 5.0, most_seconds: float = 300.0) -> None:
        self._first_seconds = first_seconds
        self._most_seconds = most_seconds
        self._resting: dict[int, tuple[float, float]] = {}  # unit -> (until, pause)

    def may_ask(self, unit: int, now_seconds: float) -> bool:
        """Whether the unit's rest is over."""
        return unit not in self._resting or now_seconds >= self._resting[unit][0]

    def failed(self, unit: int, now_seconds: float) -> None:
        """No usable answer: rest, longer each time."""
        pause = self._resting[unit][1] * 2 if unit in self._resting else self._first_seconds
        pause = min(pause, self._most_seconds)
        self._resting[unit] = (now_seconds + pause, pause)

    def answered(self, unit: int) -> None:
        """It is back."""
        self._resting.pop(unit, None)
