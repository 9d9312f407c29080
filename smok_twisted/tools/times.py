"""Times as users write them: RFC 3339, a date, or so long ago. Pure; ``now_us`` is microseconds since 1970 UTC."""

from __future__ import annotations

import re

from ..clock import parse_rfc3339, rfc3339
from ..errors import UserError
from ..modbus.durations import parse_duration_ms

_SO_LONG = re.compile(r"\d+[a-zA-Z]+")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_DAY_US = 86_400_000_000
_LAST_US = parse_rfc3339("9999-12-30T00:00:00Z")


def past(text: str, now_us: int) -> str:
    """A time in RFC 3339 from one, from a date (its beginning, UTC) or from how long ago. Raises UserError."""
    if _SO_LONG.fullmatch(text):
        return rfc3339(max(0, now_us - 1000 * parse_duration_ms(text)))
    return rfc3339(_time_us(text, "2026-01-31T12:00:00Z, 2026-01-31, or how long ago, such as 24h or 7d"))


def last_moment(text: str) -> str:
    """A time in RFC 3339 from one, or from a date (its end, UTC). Raises UserError."""
    time_us = _time_us(text, "2026-12-31T12:00:00Z, or 2026-12-31 for the whole of that day (UTC)")
    return rfc3339(min(time_us + _DAY_US, _LAST_US) if _DATE.fullmatch(text) else time_us)


def duration_seconds(text: str) -> float:
    """A duration such as 5m, in seconds. Raises UserError."""
    return parse_duration_ms(text) / 1000


def whole_seconds(text: str) -> int:
    """A duration such as 5m, in seconds. Raises UserError."""
    seconds, rest = divmod(parse_duration_ms(text), 1000)
    if rest or not seconds:
        raise UserError(f"{text!r} is not accepted: whole seconds, at least 1s")
    return seconds


def _time_us(text: str, form: str) -> int:
    try:
        return parse_rfc3339(f"{text}T00:00:00Z" if _DATE.fullmatch(text) else text)
    except (ValueError, OverflowError):
        raise UserError(f"the time {text!r} is not accepted: {form}") from None
