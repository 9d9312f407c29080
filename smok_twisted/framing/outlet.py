"""What goes out on one connection: all that is said in one turn together, and at once if the kernel takes it.

Twisted's ``write`` waits until the reactor has found the socket writable: two changes of what epoll watches, and one
wake-up more. That costs as much as all our layers together, so a plain TCP socket is asked first. What it does not
take is left to Twisted, and from then on everything is: octets never change their order.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.tcp import Connection


class Outlet:
    """``transport`` is any Twisted transport; only those of plain TCP can be asked first."""

    __slots__ = ("_clock", "_later", "_said", "_socket", "_transport")

    def __init__(self, transport: Any, clock: Any) -> None:
        self._transport = transport
        self._clock = clock
        self._socket = _plain_socket(transport)  # None: Twisted writes
        self._said: list[bytes] = []
        self._later: Any = None

    def say(self, octets: bytes) -> None:
        """These go out with the next ``flush``."""
        if self._socket is None:
            self._transport.write(octets)
        else:
            self._said.append(octets)

    def flush(self) -> None:
        """Send what was said."""
        if not self._said:
            return
        octets, self._said = b"".join(self._said), []
        try:
            sent: int = self._socket.send(octets)
        except OSError:  # it takes nothing now, or it is broken: Twisted finds out which
            sent = 0
        if sent < len(octets):
            self._socket = None
            self._transport.write(octets[sent:])

    def flush_later(self) -> None:
        """At the end of this turn of the reactor, with all that is said until then."""
        if self._said and self._later is None:
            self._later = self._clock.callLater(0, self._end_of_turn)

    def stop(self) -> None:
        """The connection is gone, and what was said with it."""
        self._said = []
        if self._later is not None:
            self._later.cancel()
            self._later = None

    def _end_of_turn(self) -> None:
        self._later = None
        self.flush()


def _plain_socket(transport: Any) -> Any:
    """Its socket, if what is written to ``transport`` goes into it as it is."""
    if not isinstance(transport, Connection) or transport.TLS:
        return None
    return transport.getHandle()
