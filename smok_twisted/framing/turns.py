"""Strangers take turns, so that a storm of logins does not keep live sessions waiting (design note reliability, F15).

A login costs as much as ten reports. When a thousand devices say HELLO at the same moment, one turn of the event loop
would last for a second, and nobody else would be heard in it. So what strangers say is looked at for a moment in each
turn, in the order in which it came; the rest waits for the next one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

#: So long in each turn of the event loop.
TURN_SECONDS = 0.02


class Turns:
    """A queue of calls that must not raise. ``clock`` gives timers and monotonic seconds."""

    def __init__(self, clock: Any, turn_seconds: float = TURN_SECONDS) -> None:
        self._clock = clock
        self._turn_seconds = turn_seconds
        self._waiting: deque[Callable[[], None]] = deque()
        self._timer: Any = None

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def put(self, call: Callable[[], None]) -> None:
        """Have it called soon, behind all others."""
        self._waiting.append(call)
        if self._timer is None:
            self._timer = self._clock.callLater(0, self._run)

    def _run(self) -> None:
        """At least one, so that a slow machine goes on too."""
        until = self._clock.seconds() + self._turn_seconds
        while self._waiting:
            self._waiting.popleft()()
            if self._clock.seconds() >= until:
                break
        self._timer = self._clock.callLater(0, self._run) if self._waiting else None
