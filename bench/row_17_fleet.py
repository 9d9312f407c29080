"""Row 17: 10,000 devices with a report a minute each, at their real pace, from the wire until SQLite has it.

At this pace a process wakes up for each report by itself; the bare echo server beside it shows what that alone costs.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence

from .cpu import Subject, subject
from .fleet import dialled, logged_in
from .reporting import Reporter, reporters
from .table import Row, at_most
from .timing import of_pairs

_REPORTS_A_SECOND = 10_000 / 60
_COUNT = 500  # in each round
_DEVICES = 1000
_ROUNDS = 5


def measure() -> list[Row]:
    """1,000 devices report ten times as often, one after the other."""
    with (
        subject("smok4", "sqlite", _DEVICES) as ours,
        subject("echo") as bare,
        dialled(ours.port, _DEVICES) as connections,
        dialled(bare.port, 1) as [echo],
    ):
        fleet = itertools.cycle(reporters(logged_in(connections)))
        echoes = [lambda: echo.sendall(bytes(20))] * _COUNT
        pairs = [(_share(ours, _reports(fleet)), _share(bare, echoes)) for _ in range(_ROUNDS)]
    beside = of_pairs(pairs)
    microseconds = beside.ours / _REPORTS_A_SECOND * 1e6
    return [
        Row(
            17,
            "10,000 devices, a report a minute",
            "<= 1 % of a core",
            f"{beside.ours:.2%}",
            f"bare echo at that pace {beside.reference:.2%}",
            beside.ratio,
            at_most(beside.ours, 0.01, f"{microseconds:.0f} us a report, one or few to a wake-up and a commit"),
        )
    ]


def _reports(fleet: itertools.cycle[Reporter]) -> list[Callable[[], None]]:
    """The next ones, sealed beforehand."""
    return [_sender(one, one.batch(1)) for one in itertools.islice(fleet, _COUNT)]


def _sender(one: Reporter, record: bytes) -> Callable[[], None]:
    return lambda: one.send(record)


def _share(server: Subject, sendings: Sequence[Callable[[], None]]) -> float:
    """Of a core, while all this is sent."""
    begun, cpu_begun = time.monotonic(), server.cpu_seconds()
    for number, send in enumerate(sendings):
        time.sleep(max(0.0, begun + number / _REPORTS_A_SECOND - time.monotonic()))
        send()
    return (server.cpu_seconds() - cpu_begun) / (time.monotonic() - begun)
