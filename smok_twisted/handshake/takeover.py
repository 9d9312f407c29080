"""Is one credential in use twice? (design note smok4, "Clones")

A new session of a device replaces the old one. When that happens often, and each time from another source, two
devices hold the same secret and keep throwing each other out.
"""

from __future__ import annotations

from collections.abc import Callable

TAKEOVERS = 3
WINDOW_SECONDS = 600.0

#: How long the newest session waits when a credential is in use twice.
WAIT_SECONDS = 60.0


class Takeovers:
    """The takeovers of one device. ``seconds`` is a monotonic clock."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._times: list[float] = []

    def in_use_twice(self, old_source: str, new_source: str) -> bool:
        """A session from ``new_source`` replaces one from ``old_source``: is this more than 3 in 10 minutes?

        If so, raise the alarm and let the new session wait ``WAIT_SECONDS``. A device that comes back from where
        it was (its NAT forgot it) does not count.
        """
        if old_source == new_source:
            return False
        now = self._seconds()
        full = len(self._times) == TAKEOVERS
        too_often = full and now - self._times[0] <= WINDOW_SECONDS
        self._times = [*self._times, now][-TAKEOVERS:]
        return too_often
