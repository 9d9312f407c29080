"""One alarm for a burst of failures, however long it lasts (design note reliability, F20). Pure."""

from __future__ import annotations

from collections import deque


class Burst:
    """``failures`` within ``seconds`` are a burst; it is over when as many seconds have passed without any."""

    def __init__(self, failures: int = 10, seconds: float = 600.0) -> None:
        self._seconds = seconds
        self._times: deque[float] = deque(maxlen=failures)
        self._told = False

    def begins(self, now_seconds: float) -> bool:
        """Note a failure; True for the one that makes a burst."""
        if self._times and now_seconds - self._times[-1] > self._seconds:
            self._times.clear()
            self._told = False
        self._times.append(now_seconds)
        is_burst = len(self._times) == self._times.maxlen and now_seconds - self._times[0] <= self._seconds
        begins, self._told = is_burst and not self._told, self._told or is_burst
        return begins
