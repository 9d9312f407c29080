"""Row 5: a storm of logins, 200 at a time, beside a server that exchanges as many octets and looks at none."""

from __future__ import annotations

from .cpu import Subject, subject
from .fleet import CHOICE_OCTETS, HELLO_OCTETS, LOGIN_OCTETS, WELCOME_OCTETS, dialled, exactly, logged_in
from .table import Row, at_least, at_most
from .timing import of_pairs

_AT_A_TIME = 200
_STORMS = 5
_ROUNDS = 5
_WHY = "keys, cred, timers, nonces, log: evenly spread"


def measure() -> list[Row]:
    """Accept, login and close; nonces go to SQLite, as in the daemon."""
    with subject("smok4", "sqlite", _AT_A_TIME) as server, subject("storm") as storm:
        pairs = [(_logins(server), _exchanges(storm)) for _ in range(_ROUNDS + 1)][1:]
    beside = of_pairs(pairs)
    speed, seconds = 1 / beside.ratio, 10_000 * beside.ours
    ours, bare = f"{1 / beside.ours:,.0f}", f"bare Twisted {1 / beside.reference:,.0f}"
    verdict, back = at_least(speed, 0.8, _WHY), at_most(seconds, 2, _WHY)
    return [
        Row(5, "logins a CPU second", ">= 0.8x bare Twisted", ours, bare, speed, verdict),
        Row(5, "10,000 devices back after a power cut", "<= 2 s a core", f"{seconds:.2f} s", "", None, back),
    ]


def _logins(server: Subject) -> float:
    begun = server.cpu_seconds()
    for _ in range(_STORMS):
        with dialled(server.port, _AT_A_TIME) as connections:
            logged_in(connections)
    return (server.cpu_seconds() - begun) / (_STORMS * _AT_A_TIME)


def _exchanges(server: Subject) -> float:
    begun = server.cpu_seconds()
    for _ in range(_STORMS):
        with dialled(server.port, _AT_A_TIME) as connections:
            for said, heard in ((HELLO_OCTETS, CHOICE_OCTETS), (LOGIN_OCTETS, WELCOME_OCTETS)):
                for connection in connections:
                    connection.sendall(bytes(said))
                for connection in connections:
                    exactly(connection, heard)
    return (server.cpu_seconds() - begun) / (_STORMS * _AT_A_TIME)
