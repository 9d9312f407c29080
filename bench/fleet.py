"""Devices that cost a measurement little: blocking sockets, many at a time, each with the real login and records."""

from __future__ import annotations

import itertools
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from smok_twisted.cipher.record import Suite
from smok_twisted.handshake.machine import DeviceHandshake
from smok_twisted.handshake.messages import Login
from smok_twisted.links.smok4.messages import MAX_BODY_OCTETS

SECRET = bytes(range(20))
TAG_OCTETS = Suite.RABBIT_SHA1.tag_octets
CHOICE_OCTETS = 9
HELLO_OCTETS = LOGIN_OCTETS = 20
WELCOME_OCTETS = 18
_NONCES = itertools.count(time.time_ns())


def exactly(connection: socket.socket, octets: int) -> bytes:
    """So many octets. Raises ConnectionError when the peer closes before."""
    got = b""
    while len(got) < octets:
        more = connection.recv(octets - len(got))
        if not more:
            raise ConnectionError(f"closed after {len(got)} of {octets} octets")
        got += more
    return got


@contextmanager
def dialled(port: int, count: int, host: str = "127.0.0.1") -> Iterator[list[socket.socket]]:
    """So many connections to a port of this machine, or of a ``slow_line``."""
    connections = [socket.create_connection((host, port)) for _ in range(count)]
    try:
        for connection in connections:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield connections
    finally:
        for connection in connections:
            connection.close()


class Device:
    """One device on one connection."""

    def __init__(self, connection: socket.socket, device_id: int) -> None:
        self.connection = connection
        self._handshake = DeviceHandshake(
            device_id, 0, {Suite.RABBIT_SHA1: SECRET}, next(_NONCES), unique_for_good=True
        )

    def hello(self) -> None:
        """Say it."""
        self.connection.sendall(self._handshake.start())

    def login(self) -> None:
        """Take CHOICE, say LOGIN."""
        login = Login(flags=0, max_rx=MAX_BODY_OCTETS, firmware=1, boot=1, tick=0, cursor=0)
        agreed = self._handshake.choice(exactly(self.connection, CHOICE_OCTETS), login)
        self._sealer, self._opener = agreed.sending.sealer(), agreed.receiving.opener()
        self.connection.sendall(self.sealed(agreed.login))

    def welcomed(self) -> None:
        """Take WELCOME."""
        self._handshake.welcome(self.receive())

    def sealed(self, body: bytes) -> bytes:
        """The next record."""
        return self._sealer.seal(body)

    def receive(self) -> bytes:
        """The next body."""
        length = exactly(self.connection, 1)
        return self._opener.open(length + exactly(self.connection, length[0] + TAG_OCTETS))


def logged_in(connections: Sequence[socket.socket], first_id: int = 1) -> list[Device]:
    """Each connection becomes a device, ids counting on; all of them log in at the same time."""
    devices = [Device(connection, number) for number, connection in enumerate(connections, first_id)]
    for step in (Device.hello, Device.login, Device.welcomed):
        for device in devices:
            step(device)
    return devices
