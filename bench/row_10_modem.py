"""Row 10: devices whose server-to-device traffic fits a line of 14.4 kbit/s.

Computed from the counts of row 9; and shown, where network namespaces can be made: live devices report for some minutes
while the line to them is as slow as that. The queue in front of the line must not be longer in the end than it was in
the beginning, and every report must be acknowledged.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

from .cpu import Subject, subject
from .octets import Terms, p24, p24_keepalives, smok4
from .row_09_octets import BATCHED, LIVE, THRIFTY, WHY, WITH, WITHOUT
from .segments import HEADER_OCTETS
from .slow_line import SERVER_HOST, Queue, SlowLine, slow_line, why_not
from .table import Row, Verdict, at_least

BITS_A_SECOND = 14_400
#: 8 bits an octet: a modem's own compression and framing are left out.
LINE_OCTETS_A_SECOND = BITS_A_SECOND // 8
FULL_SPEED = 1_000_000_000
SHOWN = 2000
MINUTES = 3
_TERMS = "keepalive 15m, ack_delay 13m"
_WHAT = f"devices on 14.4 kbit/s, shown for {MINUTES} minutes: SMOK/4 live, {_TERMS}"


def measure() -> list[Row]:
    """20 registers a minute each; P24 with and without its keepalives, as in row 9."""
    peer = devices(p24(1).to_device)
    found = [
        ("SMOK/4 live, default settings", 2000, smok4(LIVE).to_device),
        (f"SMOK/4 live, {_TERMS}", 2000, smok4(THRIFTY).to_device),
        ("SMOK/4 5-minute batches, keepalive 42m, ack_delay 35m", 10_000, smok4(BATCHED).to_device),
    ]
    return [*(_computed(*one, peer, "keepalive and ACKs") for one in found), *first_generation(), _shown()]


def first_generation() -> list[Row]:
    """P24, as if it could do without its keepalives, and as it is."""
    one_by_one, pipelined, keepalives = p24(1).to_device, p24(20).to_device, p24_keepalives().to_device
    beside, beside_as_it_is = devices(one_by_one), devices(one_by_one + keepalives)
    return [
        _computed(f"P24, 20 outstanding, {WITHOUT}", 600, pipelined, beside, "more segments than three"),
        _computed(f"P24, 20 outstanding, {WITH}", 600, pipelined + keepalives, beside_as_it_is, WHY),
    ]


def devices(octets_a_minute: float) -> int:
    """So many, each with that much to be told."""
    return int(60 * LINE_OCTETS_A_SECOND / octets_a_minute)


def _computed(what: str, target: int, octets: float, one_by_one: int, why: str) -> Row:
    count = devices(octets)
    what = f"devices on 14.4 kbit/s, computed: {what}"
    verdict = at_least(count, target, why)
    return Row(
        10, what, f">= {target:,}", f"{count:,}", f"P24 one by one {one_by_one:,}", count / one_by_one, verdict
    )


class Served(NamedTuple):
    """What the line and the devices saw."""

    seconds: list[float]
    queues: list[Queue]  #: at these times
    octets: int  #: through the line
    reports: int
    unacknowledged: int  #: devices
    repeated_segments: int

    def longest(self, minute: int) -> float:
        """Seconds that the line needed for the longest queue of one minute."""
        found = [queue.waiting for at, queue in zip(self.seconds, self.queues, strict=True) if at // 60 == minute]
        return max(found) / LINE_OCTETS_A_SECOND

    @property
    def busy(self) -> float:
        """Share of the line."""
        return self.octets / (60 * MINUTES * LINE_OCTETS_A_SECOND)


def judge(served: Served) -> Verdict:
    """The same devices report at the same seconds of each minute, so its queue must be that of the minute before."""
    if served.unacknowledged:
        return Verdict(f"misses: {served.unacknowledged:,} devices without an ACK", None)
    if served.longest(MINUTES - 1) > 1.5 * served.longest(0) + 0.1:
        return Verdict("misses: the queue grows", None)
    return at_least(SHOWN, 2000)


def _shown() -> Row:
    if reason := why_not():
        return Row(10, _WHAT, ">= 2,000", "", reason, None, "not measured")
    with (
        slow_line() as line,
        _server(THRIFTY, playing(), line) as server,
        _fleet(server.port, playing(), line) as fleet,
    ):
        return _row(_serve(line, fleet))


def playing() -> int:
    """More than are shown: none of the few ACKs is due in these minutes, so others take their part of the line."""
    return round(SHOWN * smok4(THRIFTY).to_device / HEADER_OCTETS)


def _fleet(port: int, count: int, line: SlowLine) -> AbstractContextManager[Subject]:
    return subject(SERVER_HOST, port, count, module="bench.modem_fleet", within=line.within("devices"))


def _server(terms: Terms, count: int, line: SlowLine) -> AbstractContextManager[Subject]:
    times = terms.keepalive_seconds, terms.ack_seconds
    return subject("smok4", "sqlite", count, SERVER_HOST, *times, within=line.within("server"))


def _serve(line: SlowLine, fleet: Subject) -> Served:
    line.shape(BITS_A_SECOND)
    repeated, sent, begun = line.repeated_segments(), line.queue().sent, time.monotonic()
    seconds, queues = [], []
    with ThreadPoolExecutor(1) as pool:
        reporting = pool.submit(fleet.ask, str(MINUTES))
        while not reporting.done():
            seconds.append(time.monotonic() - begun)
            queues.append(line.queue())
            time.sleep(0.5)
    repeated, octets = line.repeated_segments() - repeated, queues[-1].sent - sent
    line.shape(FULL_SPEED)
    return Served(seconds, queues, octets, int(reporting.result()), int(fleet.ask("ask")), repeated)


def _row(served: Served) -> Row:
    reference = (
        f"line {served.busy:.1%} busy; longest queue {served.longest(0):.2f} s in the first minute,"
        f" {served.longest(MINUTES - 1):.2f} s in the last; {served.reports:,} reports, all acknowledged but"
        f" {served.unacknowledged}; {served.repeated_segments} segments repeated"
    )
    data: dict[str, Any] = {
        "seconds": [round(at, 1) for at in served.seconds],
        "queue_seconds": [round(queue.waiting / LINE_OCTETS_A_SECOND, 3) for queue in served.queues],
    }
    return Row(10, _WHAT, ">= 2,000", f"{SHOWN:,}", reference, None, judge(served), data)
