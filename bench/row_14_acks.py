"""Row 14: an ACK says that the report is durable; how long devices wait for it, at a stated pace."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path

from smok_twisted.errors import LocalError
from tools.cassandra import Cluster

from .ack_times import Fleet, Waits, synced
from .cpu import subject
from .fleet import dialled, logged_in
from .nodes import KEYSPACE, beside_cassandra
from .reporting import reporters
from .table import Row, Verdict, at_most

TARGET_MS = 150.0
#: Reports a second; the first is 10,000 devices with one a minute.
_FLEET, _CROWD = 167, 1000
_SECONDS = 12
_RECORD_OCTETS = 60
_NODES = 3


def measure() -> list[Row]:
    """SQLite at two paces, Cassandra at one."""
    embedded = [_row("SQLite", ("sqlite",), pace) for pace in (_FLEET, _CROWD)]
    return embedded + beside_cassandra(14, "time until an ACK: Cassandra", _production, _NODES)


def _production(it: Cluster) -> list[Row]:
    where = f"cassandra:{KEYSPACE}:{','.join(it.addresses)}"
    return [_row(f"Cassandra, QUORUM of {_NODES} nodes on this machine", (where,), _FLEET)]


def _row(store: str, kind: tuple[str, ...], pace: int) -> Row:
    ours, bare = _measured(kind, pace)
    each = {"p50": (ours.percentile(50), bare.percentile(50)), "p99": (ours.percentile(99), bare.percentile(99))}
    what = f"time until an ACK, {pace:,} reports a second: {store}"
    data = {"acks": {what: course(ours)}, "target_ms": TARGET_MS}
    return Row(
        14,
        what,
        f"p99 <= {TARGET_MS:.0f} ms",
        ", ".join(f"{name} {_ms(both[0])}" for name, both in each.items()),
        "fdatasync of as many octets: " + ", ".join(f"{name} {_ms(both[1])}" for name, both in each.items()),
        each["p99"][0] / each["p99"][1],
        _verdict(ours),
        data,
    )


def course(waits: Waits) -> list[list[float]]:
    """For the plot: percent, and the milliseconds that so many waited at most; without those that have no ACK."""
    found = [[percent, round(1000 * waits.percentile(percent), 3)] for percent in (half / 2 for half in range(1, 201))]
    return [one for one in found if math.isfinite(one[1])]


def _verdict(ours: Waits) -> Verdict | str:
    if ours.unanswered:
        return Verdict(f"misses: {ours.unanswered} reports have no ACK", 0.0)
    return at_most(1000 * ours.percentile(99), TARGET_MS)


def _measured(kind: tuple[str, ...], pace: int) -> tuple[Waits, Waits]:
    count = pace * _SECONDS
    with subject("smok4", *kind, pace) as server:
        if not server.word:
            raise LocalError("the server to measure did not start")
        with dialled(server.port, pace) as connections:
            fleet = Fleet(reporters(logged_in(connections)))
            fleet.waits(pace, pace)
            ours = fleet.waits(pace, count)
    with tempfile.TemporaryDirectory(prefix="smok-bench-") as folder:
        return ours, synced(Path(folder), _RECORD_OCTETS, pace, count)


def _ms(seconds: float) -> str:
    milliseconds = 1000 * seconds
    return f"{milliseconds:,.0f} ms" if milliseconds >= 100 else f"{milliseconds:.3g} ms"
