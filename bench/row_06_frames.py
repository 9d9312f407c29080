"""Row 6: frames of the real protocol over 1,000 connections: PING and its answer, sealed, beside a bare echo."""

from __future__ import annotations

import socket
from collections.abc import Sequence

from smok_twisted.links.smok4 import messages

from .cpu import Subject, subject
from .fleet import Device, dialled, exactly, logged_in
from .table import Row, at_most
from .timing import microseconds, of_pairs

_CONNECTIONS = 1000
_FRAMES = 5  # on each connection, in each round
_ROUNDS = 5
_PING_OCTETS = 10


def measure() -> list[Row]:
    """One frame on every connection, then one answer from every connection, and again."""
    with (
        subject("smok4", "memory", _CONNECTIONS) as ours,
        subject("echo") as bare,
        dialled(ours.port, _CONNECTIONS) as ours_connections,
        dialled(bare.port, _CONNECTIONS) as bare_connections,
    ):
        devices = logged_in(ours_connections)
        pairs = [
            (_exchange(ours, ours_connections, _pings(devices)), _exchange(bare, bare_connections, _noise()))
            for _ in range(_ROUNDS + 1)
        ][1:]
    beside = of_pairs(pairs)
    what, reference = f"a frame and its answer, {_CONNECTIONS:,} connections", microseconds(beside.reference)
    verdict = at_most(beside.ratio, 1.6, "six layers of Python calls")
    return [Row(6, what, "<= 1.6x bare echo", microseconds(beside.ours), f"echo {reference}", beside.ratio, verdict)]


def _pings(devices: Sequence[Device]) -> list[list[bytes]]:
    return [[device.sealed(messages.ping()) for device in devices] for _ in range(_FRAMES)]


def _noise() -> list[list[bytes]]:
    return [[bytes(_PING_OCTETS)] * _CONNECTIONS] * _FRAMES


def _exchange(server: Subject, connections: Sequence[socket.socket], frames: list[list[bytes]]) -> float:
    begun = server.cpu_seconds()
    for turn in frames:
        for connection, frame in zip(connections, turn, strict=True):
            connection.sendall(frame)
        for connection in connections:
            exactly(connection, _PING_OCTETS)
    return (server.cpu_seconds() - begun) / (_FRAMES * _CONNECTIONS)
