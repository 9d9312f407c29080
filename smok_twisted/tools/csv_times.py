"""Times in CSV history of other systems: which moment a cell means. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, tzinfo
from itertools import pairwise
from statistics import median_low

from ..clock import parse_rfc3339
from ..errors import UserError

TIME_FORM = "RFC 3339, YYYY-MM-DD HH:MM[:SS] with --timezone, or seconds or milliseconds since 1970"
#: What the API takes, in the year 2109.
LAST_US = (1 << 42) * 1000
_EPOCH = re.compile(r"\d{9,14}(\.\d+)?")
_MILLISECONDS_FROM = 100_000_000_000
#: Values that tell how far apart those of a file are.
_RHYTHM_FROM = 500
_RHYTHM_AT_MOST = 366 * 24 * 3600
#: Seconds up to which the rhythm is rounded to so many.
_ROUNDED_TO = ((60, 1), (600, 10), (7200, 60), (86_400, 600))
_SHOWN_CHARACTERS = 60


class Clock:
    """Reads times; where an hour comes twice, in autumn, the second one is that which follows the first.

    Only times that rise tell which is which, so elsewhere those of that hour are refused.
    """

    def __init__(self, zone: tzinfo | None, is_wide: bool) -> None:
        """``is_wide``: no two lines are of the same time."""
        self._zone = zone
        self._is_wide = is_wide
        self._before_us: int | None = None  # the time of the line before

    def time_us(self, text: str) -> int:
        """Microseconds since 1970. Raises UserError."""
        try:
            time_us = self._read(text)
        except (ValueError, OverflowError):
            raise UserError(f"the time {shown(text)} is not accepted: {TIME_FORM}") from None
        if not 0 <= time_us < LAST_US:
            raise UserError(f"the time {shown(text)} is not accepted: it is not between the years 1970 and 2109")
        self._before_us = time_us
        return time_us

    def _read(self, text: str) -> int:
        if _EPOCH.fullmatch(text):
            return _since_1970(text)
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return parse_rfc3339(text)
        if self._zone is None:
            raise UserError(f"the time {shown(text)} names no zone: give --timezone, such as UTC or Europe/Warsaw")
        return self._local(text, moment)

    def _local(self, text: str, moment: datetime) -> int:
        zone = self._zone
        both = [parse_rfc3339(moment.replace(tzinfo=zone, fold=fold).isoformat()) for fold in (0, 1)]
        first, second = both
        if first > second:
            raise UserError(f"the time {shown(text)} does not exist: clocks were put forward then")
        return first if first == second else self._of_two(text, first, second)

    def _of_two(self, text: str, first: int, second: int) -> int:
        """The hour comes twice."""
        before = self._before_us
        if before is None or before > second:
            raise UserError(
                f"the time {shown(text)} came twice that day, when clocks were put back, and no line before tells "
                "which one it is: sort the file by time, oldest first, or write times with their offset"
            )
        return second if before > first or (self._is_wide and before == first) else first


def _since_1970(text: str) -> int:
    """In digits, as a float would now and then lose a millisecond; what is smaller than a microsecond is cut off."""
    whole, _, rest = text.partition(".")
    digits = 6 if int(whole) < _MILLISECONDS_FROM else 3
    return int(whole + rest[:digits].ljust(digits, "0"))


def rhythm_seconds(times_us: Sequence[int]) -> int:
    """How far apart these times are, rounded up; 1 when they do not say.

    It is the median, so that neither an outage nor a burst counts. Rounded, because it names a plan of which a device
    can have some thousands: files of the same logger should have the same.
    """
    steps_us = [after - before for before, after in pairwise(sorted(set(times_us[:_RHYTHM_FROM])))]
    seconds = -(-median_low(steps_us) // 1_000_000) if steps_us else 1
    unit = next((unit for up_to, unit in _ROUNDED_TO if seconds <= up_to), 3600)
    return min(-(-seconds // unit) * unit, _RHYTHM_AT_MOST)


def shown(text: str) -> str:
    """As it is told, however long."""
    return repr(text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 3]}...")
