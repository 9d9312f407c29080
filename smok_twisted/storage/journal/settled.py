"""Which entries of the journal the database has, and since when. Pure."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import deque


class Settled:
    """All below ``all_below``, and some above."""

    def __init__(self, first_lsn: int, retention_seconds: float) -> None:
        self.all_below = first_lsn
        self.above = 0  #: how many that are not followed without a gap
        self._retention_seconds = retention_seconds
        # Stretches above, in order: one entry may be stuck for hours, and millions follow it.
        self._begins: list[int] = []
        self._ends: list[int] = []
        self._ripening: deque[tuple[float, int]] = deque()  # (when, lsn): all below may go then
        self._ripe = first_lsn

    def add(self, lsn: int, now: float) -> None:
        """One more, at ``now`` (seconds); again is no harm."""
        place = bisect_right(self._begins, lsn)  # of the first stretch behind it
        if lsn < self.all_below or (place and lsn < self._ends[place - 1]):
            return
        self._put(lsn, place)
        if lsn == self.all_below:
            self._close_up(now)

    def _put(self, lsn: int, place: int) -> None:
        """Into the stretch before it, the one behind it, or between the two."""
        self.above += 1
        is_before = place > 0 and self._ends[place - 1] == lsn
        is_behind = place < len(self._begins) and self._begins[place] == lsn + 1
        if is_before and is_behind:
            del self._ends[place - 1], self._begins[place]
        elif is_before:
            self._ends[place - 1] = lsn + 1
        elif is_behind:
            self._begins[place] = lsn
        else:
            self._begins.insert(place, lsn)
            self._ends.insert(place, lsn + 1)

    def _close_up(self, now: float) -> None:
        self.all_below = self._ends.pop(0)
        self.above -= self.all_below - self._begins.pop(0)
        when = math.ceil(now) + self._retention_seconds
        if self._ripening and self._ripening[-1][0] == when:
            self._ripening.pop()
        self._ripening.append((when, self.all_below))

    def ripe(self, now: float) -> int:
        """All entries below were settled for the retention."""
        while self._ripening and self._ripening[0][0] <= now:
            self._ripe = self._ripening.popleft()[1]
        return self._ripe
