"""Row 11: from the wire until SQLite has it on disk, login and everything on the way included.

The reference has no wire: a row a sample, straight into SQLite, as many in a transaction as 100 devices report at once.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path

from .cpu import subject
from .fleet import dialled, logged_in
from .plain_rows import PlainRows, Sample
from .reporting import Reporter, reporters
from .table import Row, at_least
from .timing import Comparison, cpu_seconds_a_unit, of_pairs
from .twenty import COUNT

_DEVICES = 100
_RECORDS = 20  # of each device, in each round of measuring
_ROUNDS = 5
#: Rounds of readings in one record: as they come; five minutes together; a full record, after an outage.
_KINDS = {"live": 1, "5-minute batches": 5, "full records": 20}


def measure() -> list[Row]:
    """CPU time of the server, all its threads, and of the reference, in turns."""
    pairs: dict[str, list[tuple[float, float]]] = {kind: [] for kind in _KINDS}
    with (
        tempfile.TemporaryDirectory(prefix="smok-bench-") as folder,
        subject("smok4", "sqlite", _DEVICES) as ours,
        dialled(ours.port, _DEVICES) as connections,
    ):
        fleet, rows = reporters(logged_in(connections)), _rows(PlainRows(Path(folder, "rows.db")))
        for _ in range(_ROUNDS + 1):
            reference = cpu_seconds_a_unit(lambda: next(rows))
            for kind, rounds in _KINDS.items():
                begun = ours.cpu_seconds()
                samples = _ingest(fleet, rounds)
                pairs[kind].append(((ours.cpu_seconds() - begun) / samples, reference))
    return [_row(kind, of_pairs(pairs[kind][1:])) for kind in _KINDS]


def _row(kind: str, beside: Comparison) -> Row:
    speed = 1 / beside.ours
    return Row(
        11,
        f"samples a CPU second, wire to SQLite: {kind}",
        ">= 200,000",
        f"{speed:,.0f}",
        f"no wire, a row a sample into SQLite {1 / beside.reference:,.0f}",
        beside.reference / beside.ours,
        at_least(speed, 200_000),
    )


def _ingest(fleet: list[Reporter], rounds: int) -> int:
    records = [[one.batch(rounds) for _ in range(_RECORDS)] for one in fleet]
    for one, mine in zip(fleet, records, strict=True):
        one.send(*mine)
    for one in fleet:
        one.await_ack()
    return _DEVICES * _RECORDS * rounds * COUNT


def _rows(model: PlainRows) -> Iterator[int]:
    """As many samples as live ones, once more with each ``next``."""
    for first in itertools.count(0, _RECORDS):
        for minute in range(first, first + _RECORDS):
            model.insert(_reports(minute))
        yield _DEVICES * _RECORDS * COUNT


def _reports(minute: int) -> Iterator[Sample]:
    time_us = minute * 60_000_000
    return ((device, register, time_us, 20.0) for device in range(_DEVICES) for register in range(COUNT))
