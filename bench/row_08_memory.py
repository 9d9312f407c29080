"""Row 8: what a session takes of the server's memory while nothing happens."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from statistics import median

from .cpu import Subject, subject
from .fleet import dialled, logged_in
from .reporting import reporters
from .table import Row, at_most

_SESSIONS = 2000
_WARM_UP = 1000
_AT_A_TIME = 200
_REGISTERED = 10_000
_ROUNDS = 3


def measure() -> list[Row]:
    """RSS with 2,000 sessions more, after the first 1,000: those also pay for what is needed once."""
    kilobytes, bare, away = (median(one() for _ in range(_ROUNDS)) for one in (_ours, _bare, _away))
    reference = f"bare Twisted connection {bare:.3g} KB"
    verdict = at_most(kilobytes, 8, "what the login needed is kept")
    data = {"kilobytes": {"a bare Twisted connection": bare, "an idle session": kilobytes, "a registered device": away}}
    ours, ratio = f"{kilobytes:.3g} KB", kilobytes / bare
    return [
        Row(8, "memory of an idle session, 20 registers", "<= 8 KB", ours, reference, ratio, verdict, data),
        Row(8, "memory of a device that is registered, connected or not", "", f"{away:.3g} KB", "", None, "no target"),
    ]


def _ours() -> float:
    count = _WARM_UP + _SESSIONS
    with subject("smok4", "sqlite", count) as server, dialled(server.port, count) as connections:
        before = 0
        for first in range(0, count, _AT_A_TIME):
            if first == _WARM_UP:
                before = server.resident_octets()
            reporters(logged_in(connections[first : first + _AT_A_TIME], first + 1))
        return _each(server, before)


def _bare() -> float:
    with subject("echo") as server, dialled(server.port, _WARM_UP) as first:
        _echo(first)
        before = server.resident_octets()
        with dialled(server.port, _SESSIONS) as connections:
            _echo(connections)
            return _each(server, before)


def _away() -> float:
    with subject("smok4", "sqlite", _WARM_UP) as few, subject("smok4", "sqlite", _WARM_UP + _REGISTERED) as many:
        return (many.resident_octets() - few.resident_octets()) / _REGISTERED / 1000


def _echo(connections: Sequence[socket.socket]) -> None:
    for connection in connections:
        connection.sendall(b"x")
        connection.recv(1)


def _each(server: Subject, before: int) -> float:
    return (server.resident_octets() - before) / _SESSIONS / 1000
