"""One line per source and minute, however often a source misbehaves (design note reliability, F19). Pure."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

MINUTE_SECONDS = 60.0
#: More sources than this within a minute share one line.
SOURCES_AT_MOST = 1000
OTHERS = "other sources"


class Line(NamedTuple):
    """What to log: ``reasons`` with how often each."""

    source: str
    reasons: dict[str, int]
    detail: str


class Summary:
    """``note`` each fault; what it returns is to be logged now, what ``due`` returns later."""

    def __init__(self) -> None:
        self._silent_until: dict[str, float] = {}
        self._waiting: dict[str, tuple[Counter[str], str]] = {}

    @property
    def empty(self) -> bool:
        """Nothing to log and nothing to remember."""
        return not self._silent_until

    def note(self, source: str, reason: str, detail: str, now_seconds: float) -> Line | None:
        """A fault. The first of a source is a line at once; the others wait for its minute to end."""
        if source not in self._silent_until and len(self._silent_until) >= SOURCES_AT_MOST:
            source = OTHERS
        if source not in self._silent_until:
            self._silent_until[source] = now_seconds + MINUTE_SECONDS
            return Line(source, {reason: 1}, detail)
        reasons, _ = self._waiting.setdefault(source, (Counter(), detail))
        reasons[reason] += 1
        self._waiting[source] = (reasons, detail)
        return None

    def due(self, now_seconds: float) -> list[Line]:
        """The lines of every source whose minute is over; a source with nothing to say is forgotten."""
        over = [source for source, until in self._silent_until.items() if now_seconds >= until]
        lines = []
        for source in over:
            waiting = self._waiting.pop(source, None)
            if waiting is None:
                del self._silent_until[source]
            else:
                self._silent_until[source] = now_seconds + MINUTE_SECONDS
                lines.append(Line(source, dict(waiting[0]), waiting[1]))
        return lines
