"""How long devices wait for the ACK of a report, at a pace that does not wait for anything (row 14)."""

from __future__ import annotations

import os
import selectors
import time
from collections import deque
from pathlib import Path
from typing import NamedTuple

from .reporting import Reporter


class Waits(NamedTuple):
    """Seconds, in order of length."""

    seconds: list[float]
    unanswered: int = 0

    def percentile(self, percent: float) -> float:
        """So many percent waited no longer; infinite if those have no answer at all."""
        at = max(0, -(-int(percent * 10) * (len(self.seconds) + self.unanswered) // 1000) - 1)
        return self.seconds[at] if at < len(self.seconds) else float("inf")


class Fleet:
    """Reports in turns, one outstanding from each device."""

    def __init__(self, reporters: list[Reporter]) -> None:
        self._idle = deque(reporters)
        self._since: dict[Reporter, float] = {}
        self._found: list[float] = []
        self._selector = selectors.DefaultSelector()
        for one in reporters:
            self._selector.register(one.connection, selectors.EVENT_READ, one)

    def waits(self, reports_a_second: float, count: int, patience_seconds: float = 30.0) -> Waits:
        """Each from the moment when the report was due: who cannot be sent because others wait is waiting too."""
        begun, self._found = time.monotonic(), []
        for number in range(count):
            due = begun + number / reports_a_second
            while not self._idle or time.monotonic() < due:
                self._listen(due if self._idle else begun + count / reports_a_second + patience_seconds)
            one = self._idle.popleft()
            self._since[one] = due
            one.send(one.batch(1))
        until = time.monotonic() + patience_seconds
        while self._since and time.monotonic() < until:
            self._listen(until)
        return Waits(sorted(self._found), len(self._since))

    def _listen(self, until: float) -> None:
        for key, _ in self._selector.select(max(0.0, until - time.monotonic())):
            one: Reporter = key.data
            if one.heard_all():
                self._found.append(time.monotonic() - self._since.pop(one))
                self._idle.append(one)


def synced(folder: Path, octets: int, reports_a_second: float, count: int) -> Waits:
    """The same of octets that are written to a file and synced, one after the other, and nothing else."""
    found, begun = [], time.monotonic()
    file = os.open(folder / "synced", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        for number in range(count):
            due = begun + number / reports_a_second
            time.sleep(max(0.0, due - time.monotonic()))
            os.write(file, bytes(octets))
            os.fdatasync(file)
            found.append(time.monotonic() - due)
    finally:
        os.close(file)
    return Waits(sorted(found))
