"""Which entries of the journal the database has, and since when. Pure."""

from __future__ import annotations

import math
from collections import deque


class Settled:
    """All below ``all_below``, and some above."""

    def __init__(self, first_lsn: int, retention_seconds: float) -> None:
        self.all_below = first_lsn
        self._retention_seconds = retention_seconds
        self._above: set[int] = set()
        self._ripening: deque[tuple[float, int]] = deque()  # (when, lsn): all below may go then
        self._ripe = first_lsn

    @property
    def above(self) -> int:
        """How many that are not followed without a gap."""
        return len(self._above)

    def add(self, lsn: int, now: float) -> None:
        """One more, at ``now`` (seconds); again is no harm."""
        if lsn < self.all_below:
            return
        self._above.add(lsn)
        if lsn == self.all_below:
            self._close_up(now)

    def _close_up(self, now: float) -> None:
        while self.all_below in self._above:
            self._above.remove(self.all_below)
            self.all_below += 1
        when = math.ceil(now) + self._retention_seconds
        if self._ripening and self._ripening[-1][0] == when:
            self._ripening.pop()
        self._ripening.append((when, self.all_below))

    def ripe(self, now: float) -> int:
        """All entries below were settled for the retention."""
        while self._ripening and self._ripening[0][0] <= now:
            self._ripe = self._ripening.popleft()[1]
        return self._ripe
