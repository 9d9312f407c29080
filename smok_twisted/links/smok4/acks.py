"""How long an ACK may wait for further batches (design note smok4, "ACK": cumulative, up to the keepalive).

An ACK costs 12 octets when it goes along with another message, 52 by itself, and 40 more for the device's TCP to
acknowledge it. So one that waits tells of many batches. It goes on the heels of the last that comes in time, while the
device's radio is awake; and when none is to be expected in time, it does not wait. Pure: the caller gives the time.
"""

from __future__ import annotations

from math import inf

#: So many batches are told of at the latest: a device that catches up has a window to move.
MOST_BATCHES = 16
#: The next batch is expected as long after the last one as that came after the one before. Within the delay, it may
#: be late by so much; when it has not come after twice that time, nobody waits for it.
_LATE = 1.25
_OVERDUE = 2


class AckPace:
    """Of one session. ``delay_seconds``: while batches come, the device hears of them at least so often."""

    def __init__(self, delay_seconds: float) -> None:
        self._delay_seconds = delay_seconds
        self._told_seconds = -inf
        self._arrived_seconds = -inf
        self._gap_seconds = inf
        self._batches = 0

    def arrived(self, now: float) -> None:
        """DATA has come."""
        self._gap_seconds = now - self._arrived_seconds
        self._arrived_seconds = now

    def durable(self, now: float) -> float:
        """One more batch is on disk; its ACK waits for so many seconds unless this is called again meanwhile."""
        self._batches += 1
        left = self._told_seconds + self._delay_seconds - now
        if _LATE * self._gap_seconds > left or self._batches >= MOST_BATCHES:
            return 0.0
        return min(left, _OVERDUE * self._gap_seconds)

    def told(self, now: float) -> None:
        """ACK is sent."""
        self._told_seconds = now
        self._batches = 0
