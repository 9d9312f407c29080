"""Row 12: what a sample costs the process that writes it to a real Cassandra, there and on the disk.

What our bridge adds to the bare driver; then samples as we write them, beside a row for each of them.
"""

from __future__ import annotations

from statistics import median
from typing import NamedTuple

from smok_twisted.errors import LocalError
from tools.cassandra import Cluster

from .cpu import Subject, subject
from .mix import REGISTERS, SAMPLES_AN_HOUR
from .nodes import KEYSPACE, beside_cassandra, octets_on_disk
from .table import Row, at_least, at_most
from .timing import of_pairs

_ROUNDS = 3
_WRITES = 20_000


class _Kind(NamedTuple):
    """``writes`` of them in each round."""

    name: str
    writes: int
    samples: int  #: in each
    table: str
    target: int | None = None


class _Speed(NamedTuple):
    """What was measured of a kind."""

    samples: float  #: a CPU second
    requests: float  #: per 1,000 samples


_KINDS = {
    "reports": _Kind("a report a row", 4000, REGISTERS, "report", 150_000),
    "reports_together": _Kind("a report a row, up to ten a request", 4000, REGISTERS, "report", 150_000),
    "chunks": _Kind("chunks of an hour", 400, SAMPLES_AN_HOUR, "chunk", 500_000),
    "rows": _Kind("a row a sample, one by one", 8000, 1, "bench_row"),
    "batches": _Kind("a row a sample, batches of 20", 1000, REGISTERS, "bench_row"),
}


#: How our bridge is asked; the bare driver is asked one by one beside each.
_ADAPTERS = {"bridge": "one a request", "bridge_together": "up to ten a request"}


def measure() -> list[Row]:
    """One node: what is measured is the process that writes."""
    return beside_cassandra(12, "Cassandra", _measure)


def _measure(node: Cluster) -> list[Row]:
    node.cql(
        f"CREATE TABLE {KEYSPACE}.bench_row (device bigint, register int, time_us bigint, word int, "
        "PRIMARY KEY ((device, register), time_us))"
    )
    with subject("writer", KEYSPACE, node.addresses[0], module="bench.cassandra") as writer:
        adapters = [_adapter(writer, kind, how) for kind, how in _ADAPTERS.items()]
        speeds = {kind: _speed(writer, kind) for kind in _KINDS}
    octets = {table: octets_on_disk(node, table) / _samples(table) for table in ("report", "chunk", "bench_row")}
    return [*adapters, *(_row(kind, speeds, octets) for kind in _KINDS)]


def _adapter(writer: Subject, kind: str, how: str) -> Row:
    for each in ("bare", kind):
        _seconds(writer, each, _WRITES // 4)
    beside = of_pairs([(_seconds(writer, kind, _WRITES), _seconds(writer, "bare", _WRITES)) for _ in range(_ROUNDS)])
    return Row(
        12,
        f"{_WRITES:,} small writes to Cassandra, {how}, CPU of each",
        "<= 1.1x the driver",
        _microseconds(beside.ours),
        f"bare driver {_microseconds(beside.reference)}",
        beside.ratio,
        at_most(beside.ratio, 1.1, "each answer goes through the reactor"),
    )


def _row(kind: str, speeds: dict[str, _Speed], octets: dict[str, float]) -> Row:
    name, _, _, table, target = _KINDS[kind]
    speed, requests = speeds[kind]
    rows = speeds["rows"].samples
    return Row(
        12,
        f"samples a CPU second to Cassandra: {name}; {requests:,.4g} requests per 1,000 samples",
        f">= {target:,}" if target else "",
        f"{speed:,.0f}; {octets[table]:.3g} octets each on disk",
        f"a row a sample {rows:,.0f}; {octets['bench_row']:.3g} octets" if target else "",
        speed / rows if target else None,
        at_least(speed, target) if target else "for comparison",
    )


def _samples(table: str) -> int:
    """All that were written to it."""
    return sum((_ROUNDS + 1) * one.writes * one.samples for one in _KINDS.values() if one.table == table)


def _speed(writer: Subject, kind: str) -> _Speed:
    one, before = _KINDS[kind], int(writer.ask("sent 0"))
    seconds = median([_prepared(writer, kind) for _ in range(_ROUNDS + 1)][1:])
    writes = (_ROUNDS + 1) * one.writes
    sent = int(writer.ask("sent 0")) - before or writes  # the bare driver sends each by itself
    return _Speed(one.samples / seconds, 1000 * sent / (writes * one.samples))


def _prepared(writer: Subject, kind: str) -> float:
    """``_seconds``, with the reports there beforehand."""
    one = _KINDS[kind]
    writer.ask(f"prepare {-(-one.writes * one.samples // REGISTERS)}")
    return _seconds(writer, kind, one.writes)


def _seconds(writer: Subject, kind: str, count: int) -> float:
    """CPU time of one request, all threads; that each was sent and acknowledged is counted."""
    begun = writer.cpu_seconds()
    answer = writer.ask(f"{kind} {count}")
    if answer != str(count):
        raise LocalError(f"{kind}: {answer or 'an error'} instead of {count} requests")
    return (writer.cpu_seconds() - begun) / count


def _microseconds(seconds: float) -> str:
    return f"{seconds * 1e6:.0f} us"
