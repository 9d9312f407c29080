"""When to stop asking a database, and when to ask again. Pure: whoever owns it has the clock."""

from __future__ import annotations

from collections.abc import Callable

#: So many requests in a row without an answer count as nobody there.
_SILENCES = 5
_FIRST_SECONDS, _LAST_SECONDS = 1.0, 30.0


class Circuit:
    """Closed while requests may be sent. ``random`` gives numbers from 0 to 1."""

    def __init__(self, random: Callable[[], float]) -> None:
        self.is_closed = False
        self._random = random
        self._silences = 0
        self._delay_seconds = _FIRST_SECONDS

    def found(self) -> None:
        """A probe was answered. Only a request shows that all is well: until then the pauses go on growing."""
        self.is_closed = True
        self._silences = 0

    def answered(self) -> None:
        """A request was, whatever the answer."""
        self._silences, self._delay_seconds = 0, _FIRST_SECONDS

    def silent(self) -> bool:
        """A request timed out; True when that was once too often."""
        self._silences += 1
        return self._silences >= _SILENCES and self.away()

    def away(self) -> bool:
        """Nobody is there; True when that is news."""
        was_closed, self.is_closed = self.is_closed, False
        return was_closed

    def next_probe_seconds(self) -> float:
        """How long to wait before asking again: longer each time, and for each daemon another time."""
        delay, self._delay_seconds = self._delay_seconds, min(2 * self._delay_seconds, _LAST_SECONDS)
        return delay * (0.5 + self._random() / 2)
