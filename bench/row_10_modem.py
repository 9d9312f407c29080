"""Row 10: devices whose server-to-device traffic fits a line of 14.4 kbit/s. Computed from the counts of row 9."""

from __future__ import annotations

from .octets import p24, p24_keepalives, smok4
from .row_09_octets import BATCHED, THRIFTY
from .table import Row, at_least

#: 14,400 bit/s, 8 bits an octet: a modem's own compression and framing are left out.
LINE_OCTETS_A_MINUTE = 60 * 14_400 // 8


def measure() -> list[Row]:
    """20 registers a minute each; keepalives of P24 are left out, as in row 9."""
    one_by_one, pipelined = (devices(p24(window).to_device - p24_keepalives().to_device) for window in (1, 20))
    found = [
        ("SMOK/4 live, keepalive 10m, ack_delay 8m", 2000, devices(smok4(THRIFTY).to_device), ""),
        ("SMOK/4 5-minute batches, keepalive 42m, ack_delay 35m", 10_000, devices(smok4(BATCHED).to_device), ""),
        ("P24, 20 outstanding", 600, pipelined, "more segments than two"),
    ]
    return [_row(what, count, target, why, one_by_one) for what, target, count, why in found]


def _row(what: str, count: int, target: int, why: str, one_by_one: int) -> Row:
    what, reference = f"devices on 14.4 kbit/s, computed: {what}", f"P24 one by one {one_by_one:,}"
    return Row(10, what, f">= {target:,}", f"{count:,}", reference, count / one_by_one, at_least(count, target, why))


def devices(octets_a_minute: float) -> int:
    """So many, each with that much to be told."""
    return int(LINE_OCTETS_A_MINUTE / octets_a_minute)
