"""How often each source showed a wrong token: those who guess wait, those who know are never locked out. Pure."""

from __future__ import annotations

import math

WINDOW_SECONDS = 60.0
FAILURES_AT_MOST = 10
#: More sources than this within a window are counted as one.
SOURCES_AT_MOST = 1000
OTHERS = "other sources"


class Failures:
    """Counts per source and window; a window begins with the first failure."""

    def __init__(self) -> None:
        self._counts: dict[str, tuple[int, float]] = {}  # source -> (failures, end of its window)

    def note(self, source: str, now_seconds: float) -> tuple[int, int]:
        """One more: how many of this window it makes, and the whole seconds to wait (0: none)."""
        if source not in self._counts:
            source = self._room_for(source, now_seconds)
        count, until = self._counts.get(source, (0, 0.0))
        if now_seconds >= until:
            count, until = 0, now_seconds + WINDOW_SECONDS
        count += 1
        self._counts[source] = (count, until)
        return count, math.ceil(until - now_seconds) if count > FAILURES_AT_MOST else 0

    def _room_for(self, source: str, now_seconds: float) -> str:
        """Forget the windows that are over when there are many; ``source``, or what stands for too many."""
        if len(self._counts) < SOURCES_AT_MOST:
            return source
        self._counts = {name: entry for name, entry in self._counts.items() if entry[1] > now_seconds}
        return source if len(self._counts) < SOURCES_AT_MOST else OTHERS
