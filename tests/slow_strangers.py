"""Peers that keep a connection busy with as little as possible, each for over a minute, and when each is cut (F18)."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

from .independent_device import IndependentDevice
from .processes import Daemon

_STEP_SECONDS = 5.0
_LONGEST_SECONDS = 90.0


class Slow:
    """One of them: says one octet of ``octets`` every few seconds. ``cut_after`` in seconds; ``heard``: what it got."""

    def __init__(self, connection: socket.socket, octets: bytes = b"") -> None:
        self.heard = b""
        self.cut_after: float | None = None
        self._connection = connection
        self._connection.settimeout(0.01)
        self._octets = iter(octets)
        self._begun = self._spoken = time.monotonic()

    def go_on(self) -> None:
        """Say what is due, and look whether it is over."""
        if self.cut_after is not None:
            return
        now = time.monotonic()
        try:
            if now - self._spoken >= _STEP_SECONDS:
                self._spoken = now
                self._connection.send(bytes([octet]) if (octet := next(self._octets, None)) is not None else b"")
            piece = self._connection.recv(100)
            self.heard += piece
            is_over = not piece
        except TimeoutError:
            is_over = False
        except OSError:
            is_over = True
        if is_over:
            self.cut_after = time.monotonic() - self._begun
            self._connection.close()


def watch(some: dict[str, Slow], meanwhile: Callable[[], Any]) -> None:
    """Until each of ``some`` is cut, or far too late; ``meanwhile`` is called about once a second."""
    until = time.monotonic() + _LONGEST_SECONDS
    while time.monotonic() < until and any(one.cut_after is None for one in some.values()):
        for one in some.values():
            one.go_on()
        meanwhile()
        time.sleep(1 - 0.01 * len(some))


def before_login(daemon: Daemon, device: IndependentDevice) -> Iterator[tuple[str, Slow]]:
    """Nothing at all, HELLO octet by octet, LOGIN octet by octet; over P24 as well."""
    hello = b"S4\x01\x00" + device.device_id.to_bytes(8) + bytes(8)
    yield "silent", Slow(_connect(daemon.smok4))
    yield "slow hello", Slow(_connect(daemon.smok4), hello)
    waiting = _connect(daemon.smok4)
    waiting.sendall(hello)
    yield "silent after hello", Slow(waiting)
    device.open()
    assert device.sock is not None
    device.hello()
    yield "slow login", Slow(device.sock, b"\x0b" + bytes(18))
    yield "silent in P24", Slow(_connect(daemon.p24))
    yield "slow in P24", Slow(_connect(daemon.p24), bytes(12)[:11])


def after_login(device: IndependentDevice) -> Slow:
    """A device that is logged in, and then begins a record that it never ends."""
    device.connect()
    device.send_ping()
    device.receive()
    assert device.sock is not None
    device.sock.sendall(b"\xff")
    return Slow(device.sock, bytes(100))


def _connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), 10, source_address=("127.0.0.18", 0))
