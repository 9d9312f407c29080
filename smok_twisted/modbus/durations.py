"""Durations as users write them: ``500ms``, ``5s``, ``5m``, ``2h``, ``7d`` (design note product)."""

from __future__ import annotations

import re

from ..errors import UserError

MILLISECONDS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
FORM = "a whole number and a unit, such as 500ms, 5s, 5m, 2h or 7d"

_DURATION = re.compile(r"([0-9]{1,9})(ms|s|m|h|d)")


def parse_duration_ms(text: str) -> int:
    """``text`` in milliseconds. Raises UserError."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise UserError(f"{text!r} is no duration, accepted is {FORM}")
    return int(match[1]) * MILLISECONDS[match[2]]
