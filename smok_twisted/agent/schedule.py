"""Which block of a plan is to be read next (design note smok4, "PLAN": ``interval``).

Pure: the caller gives the time, of a clock that never steps. Turns lie on a grid that begins with the plan: late reads
do not shift it, and turns that were missed are not made up for.
"""

from __future__ import annotations

from collections.abc import Sequence


class Schedule:
    """The turns of the blocks of one plan, all of them due at once in the beginning."""

    def __init__(self, intervals_seconds: Sequence[int], now_seconds: float) -> None:
        self._intervals_seconds = intervals_seconds
        self._due_seconds = [now_seconds] * len(intervals_seconds)

    def take(self, now_seconds: float) -> tuple[int, float] | None:
        """The block that has waited longest, and the turn on the grid that it takes; None: none is due."""
        if self.wait_seconds(now_seconds) != 0.0:
            return None
        due_seconds = min(self._due_seconds)
        block = self._due_seconds.index(due_seconds)
        interval_seconds = self._intervals_seconds[block]
        turn_seconds = due_seconds + (now_seconds - due_seconds) // interval_seconds * interval_seconds
        self._due_seconds[block] = turn_seconds + interval_seconds
        return block, turn_seconds

    def wait_seconds(self, now_seconds: float) -> float | None:
        """How long until the next turn; None: there are no blocks."""
        return max(0.0, min(self._due_seconds) - now_seconds) if self._due_seconds else None
