"""Row 9: octets a minute for 20 registers, headers included. Exact; ``tests/test_bench_counts.py`` holds them."""

from __future__ import annotations

from .octets import Terms, modbus_tcp, mqtt_json, p24, p24_keepalives, smok4
from .table import Row, at_most

LIVE = Terms()
#: For a link that is paid for by the octet: an ACK waits nearly as long as the keepalive.
THRIFTY = Terms(keepalive_seconds=600, ack_seconds=480.0)
BATCHED = Terms("5m", keepalive_seconds=2550, ack_seconds=2100.0)


def measure() -> list[Row]:
    """Each way of SMOK/4 and P24 beside MODBUS/TCP and MQTT, counted by the same rule."""
    one_by_one, pipelined = (p24(window).total - p24_keepalives().total for window in (1, 20))
    peer = f"P24 one by one {one_by_one:g}; keepalives {p24_keepalives().total:g} more"
    return [
        _smok4("live, default settings", LIVE, 110, "each report is acknowledged by itself"),
        _smok4("live, keepalive 10m, ack_delay 8m", THRIFTY, 110, "ACKs"),
        _smok4("5-minute batches, keepalive 42m, ack_delay 35m", BATCHED, 32, "ACKs"),
        _row("P24, 20 outstanding", pipelined, 300, peer, "more segments than two"),
    ]


def _smok4(what: str, terms: Terms, target: float, why: str) -> Row:
    peers = f"MODBUS/TCP {modbus_tcp().total:g}, MQTT JSON {mqtt_json().total:g}"
    return _row(f"SMOK/4 {what}", smok4(terms).total, target, peers, why)


def _row(what: str, octets: float, target: float, reference: str, why: str) -> Row:
    what = f"octets a minute, 20 registers: {what}"
    return Row(9, what, f"<= {target}", f"{octets:.4g}", reference, None, at_most(octets, target, why))
