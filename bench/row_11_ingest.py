"""Row 11: from the wire until SQLite has it on disk, login and everything on the way included."""

from __future__ import annotations

from statistics import median

from .cpu import subject
from .fleet import dialled, logged_in
from .reporting import Reporter, reporters
from .table import Row, at_least
from .twenty import COUNT

_DEVICES = 100
_RECORDS = 20  # of each device, in each round of measuring
_ROUNDS = 5
#: Rounds of readings in one record: as they come; five minutes together; a full record, after an outage.
_KINDS = {"live": 1, "5-minute batches": 5, "full records": 20}


def measure() -> list[Row]:
    """Samples a CPU second of the server, all its threads."""
    with subject("smok4", "sqlite", _DEVICES) as ours, dialled(ours.port, _DEVICES) as connections:
        fleet = reporters(logged_in(connections))
        seconds: dict[str, list[float]] = {kind: [] for kind in _KINDS}
        for _ in range(_ROUNDS + 1):
            for kind, rounds in _KINDS.items():
                begun = ours.cpu_seconds()
                _ingest(fleet, rounds)
                seconds[kind].append(ours.cpu_seconds() - begun)
    return [_row(kind, rounds, median(seconds[kind][1:])) for kind, rounds in _KINDS.items()]


def _row(kind: str, rounds: int, seconds: float) -> Row:
    speed = _DEVICES * _RECORDS * rounds * COUNT / seconds
    return Row(
        11,
        f"samples a CPU second, wire to SQLite: {kind}",
        ">= 200,000",
        f"{speed:,.0f}",
        "",
        None,
        at_least(speed, 200_000),
    )


def _ingest(fleet: list[Reporter], rounds: int) -> None:
    records = [[one.batch(rounds) for _ in range(_RECORDS)] for one in fleet]
    for one, mine in zip(fleet, records, strict=True):
        one.send(*mine)
    for one in fleet:
        one.await_ack()
