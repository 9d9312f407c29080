"""CPU time of two pieces of work, measured in turns, so that a busy machine disturbs both alike."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import repeat
from statistics import median
from typing import Any, NamedTuple

ROUNDS = 7

#: Does some work and answers how many units of it.
Work = Callable[[], float]


class Comparison(NamedTuple):
    """Medians over all rounds, in CPU seconds a unit; ``ratio`` is the median of ours / reference of each round."""

    ours: float
    reference: float
    ratio: float


def compare(ours: Work, reference: Work, rounds: int = ROUNDS) -> Comparison:
    """One round of each goes ahead, uncounted."""
    pairs = [(cpu_seconds_a_unit(ours), cpu_seconds_a_unit(reference)) for _ in range(rounds + 1)][1:]
    return of_pairs(pairs)


def of_pairs(pairs: list[tuple[float, float]]) -> Comparison:
    """What (ours, reference) of each round say together."""
    return Comparison(
        median(ours for ours, _ in pairs),
        median(reference for _, reference in pairs),
        median(ours / reference for ours, reference in pairs),
    )


def cpu_seconds_a_unit(work: Work) -> float:
    """CPU time of this process."""
    begun = time.process_time()
    units = work()
    return (time.process_time() - begun) / units


def repeated(times: int, call: Callable[[Any], object], argument: object) -> Work:
    """So many calls; each is a unit. The loop around them is the cheapest that Python has."""

    def work() -> float:
        for _ in repeat(None, times):
            call(argument)
        return times

    return work


def microseconds(seconds: float) -> str:
    """As the table shows it."""
    return f"{seconds * 1e6:.3g} us"


def megabytes_a_second(seconds_an_octet: float) -> str:
    """As the table shows it; mega is a million."""
    speed = 1e-6 / seconds_an_octet
    return f"{speed:,.0f} MB/s" if speed >= 100 else f"{speed:.3g} MB/s"
