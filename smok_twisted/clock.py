"""Time, injected everywhere: monotonic seconds for timers, wall-clock microseconds for what is stored."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

#: Returns wall-clock microseconds since 1970 (UTC). Only what is stored or shown uses it.
WallClock = Callable[[], int]


def wall_clock_us() -> int:
    """Microseconds since 1970-01-01 UTC."""
    return time.time_ns() // 1000


def use_monotonic_timers(reactor: Any) -> None:
    """Make ``reactor`` time everything by the monotonic clock.

    Twisted's timers follow the wall clock, so that a step of it fires or freezes them all. Call this before
    any timer is set.
    """
    reactor.seconds = time.monotonic


def rfc3339(time_us: int) -> str:
    """``time_us`` as users see it: RFC 3339, UTC, milliseconds (``2026-01-31T12:00:00.000Z``)."""
    whole, rest_us = divmod(time_us, 1_000_000)
    return f"{_second(whole)}.{rest_us // 1000:03d}Z"


@lru_cache(maxsize=4096)
def _second(seconds: int) -> str:
    """Remembered: many times that are shown together are of the same second."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"


def parse_rfc3339(text: str) -> int:
    """The inverse: microseconds since 1970. Raises ValueError for anything without a date, time and zone."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} names no time zone")
    whole = moment.replace(microsecond=0)
    return int(whole.timestamp()) * 1_000_000 + moment.microsecond
