"""When batches were acknowledged, as the devices' ledgers have it: how long each waited, and when none was for long."""

from __future__ import annotations

import json
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from itertools import pairwise
from math import ceil
from pathlib import Path
from typing import NamedTuple

from bench.ack_times import Waits

#: Of ``Course.keep``: what the plot shows as one step.
STEP_SECONDS = 0.5


class Covered(NamedTuple):
    """One batch."""

    at_seconds: float  #: monotonic
    waited_seconds: float  #: from the first time it was sent


class AckTimes:
    """Of one device; ``covered`` grows. One thread writes, others may look."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.covered: list[Covered] = []
        self._clock = clock
        self._waiting: deque[tuple[int, float]] = deque()

    def sent(self, batch: int) -> None:
        """For the first time; numbers grow."""
        self._waiting.append((batch, self._clock()))

    def acknowledged(self, batch: int) -> None:
        """This one, and all before it."""
        now = self._clock()
        while self._waiting and self._waiting[0][0] <= batch:
            self.covered.append(Covered(now, now - self._waiting.popleft()[1]))


class Span(NamedTuple):
    """A time, monotonic, and what it was."""

    name: str
    from_seconds: float
    to_seconds: float

    def of(self, covered: Iterable[Covered]) -> list[Covered]:
        """Those whose ACK came in it, in order of time."""
        return sorted(one for one in covered if self.from_seconds < one.at_seconds <= self.to_seconds)

    def longest_gap(self, covered: Iterable[Covered]) -> float:
        """Seconds in which no ACK came; the span's ends count as one."""
        times = [self.from_seconds, *(one.at_seconds for one in self.of(covered)), self.to_seconds]
        return max(later - earlier for earlier, later in pairwise(times))

    def waits_ms(self, covered: Iterable[Covered]) -> str:
        """``p50 / p99`` of what was acknowledged in it, in milliseconds."""
        waits = Waits(sorted(one.waited_seconds for one in self.of(covered)))
        return " / ".join(f"{1000 * waits.percentile(percent):.0f}" for percent in (50, 99))


class Course:
    """One run: a quiet time and a fault, in turns."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.faults: list[Span] = []
        self._quiet: list[Span] = []
        self._clock = clock
        self._since = clock()

    def struck(self, kind: str) -> None:
        """The quiet time is over."""
        now = self._clock()
        self._quiet.append(Span(f"before {kind}", self._since, now))
        self._since = now

    def over(self, kind: str) -> None:
        """The fault is, and all has come back."""
        now = self._clock()
        self.faults.append(Span(kind, self._since, now))
        self._since = now

    def figures(self, covered: list[Covered]) -> dict[str, float | str]:
        """Seconds without an ACK in each fault, and ``p50 / p99`` of the ACKs in it and in the quiet time before."""
        found: dict[str, float | str] = {}
        for quiet, fault in zip(self._quiet, self.faults, strict=True):
            found[f"longest gap {fault.name}"] = round(fault.longest_gap(covered), 2)
            found[f"ack p50 / p99 ms {quiet.name}"] = quiet.waits_ms(covered)
            found[f"ack p50 / p99 ms {fault.name}"] = fault.waits_ms(covered)
        return found

    def keep(self, covered: list[Covered], file: Path) -> None:
        """What ``fault_plot`` draws: batches in each step, and the faults, in seconds since the first quiet time."""
        begun = self._quiet[0].from_seconds
        count = Counter(int((one.at_seconds - begun) / STEP_SECONDS) for one in covered if one.at_seconds >= begun)
        steps = ceil((self.faults[-1].to_seconds - begun) / STEP_SECONDS)
        faults = [
            (one.name, round(one.from_seconds - begun, 2), round(one.to_seconds - begun, 2)) for one in self.faults
        ]
        kept = {"step_seconds": STEP_SECONDS, "faults": faults, "batches": [count[step] for step in range(steps)]}
        file.write_text(json.dumps(kept) + "\n", encoding="utf-8")
