"""Row 9: octets a minute for 20 registers, headers included. Exact; ``tests/test_bench_counts.py`` holds them."""

from __future__ import annotations

from .octets import Terms, modbus_tcp, mqtt_json, p24, p24_keepalives, smok4
from .segments import Traffic
from .table import Row, at_most

LIVE = Terms()
#: For a link that is paid for by the octet: one ACK for twelve reports, for six batches.
THRIFTY = Terms(keepalive_seconds=900, ack_seconds=780)
BATCHED = Terms("5m", keepalive_seconds=2520, ack_seconds=2100)
WITHOUT, WITH = "keepalives left out", "with the keepalives that it cannot do without"
WHY = "two keepalives a minute"


def measure() -> list[Row]:
    """Each way of SMOK/4 and P24 beside MODBUS/TCP and MQTT, counted by the same rule."""
    peers = f"MODBUS/TCP {modbus_tcp().total:g}, MQTT JSON {mqtt_json().total:g}"
    terms = "keepalive 15m, ack_delay 13m"
    return [
        _row("SMOK/4 live, default settings", smok4(LIVE), 110, peers, "each report is acknowledged by itself"),
        _row(f"SMOK/4 live, {terms}", smok4(THRIFTY), 110, peers, "ACKs"),
        _row("SMOK/4 5-minute batches, keepalive 42m, ack_delay 35m", smok4(BATCHED), 32, peers, "ACKs"),
        *first_generation(),
    ]


def first_generation() -> list[Row]:
    """P24, as if it could do without its keepalives, and as it is: silence of 60 s ends its connection."""
    one_by_one, pipelined, keepalives = p24(window=1), p24(window=20), p24_keepalives()
    both, as_it_is = one_by_one.plus(keepalives), pipelined.plus(keepalives)
    peers = _shown({"P24, one by one": both, "MODBUS/TCP": modbus_tcp(), "MQTT, JSON": mqtt_json()})
    what, beside = "P24, 20 outstanding", "P24 one by one"
    last = _row(f"{what}, {WITH}", as_it_is, 300, f"{beside} {both.total:g}", WHY)
    return [
        _row(f"{what}, {WITHOUT}", pipelined, 300, f"{beside} {one_by_one.total:g}", "more segments than three"),
        last._replace(data={**last.data, "peers": peers}),
    ]


def _row(what: str, traffic: Traffic, target: float, reference: str, why: str) -> Row:
    data = {"octets": _shown({what: traffic}), "target": target}
    verdict = at_most(traffic.total, target, why)
    what = f"octets a minute, 20 registers: {what}"
    return Row(9, what, f"<= {target}", f"{traffic.total:.4g}", reference, None, verdict, data)


def _shown(found: dict[str, Traffic]) -> dict[str, list[float]]:
    """For the plot: octets to the server and to the device."""
    return {name: [traffic.to_server, traffic.to_device] for name, traffic in found.items()}
