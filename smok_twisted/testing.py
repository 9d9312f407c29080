"""Fakes for the tests of those who embed SMOK: the real layers, over memory instead of sockets.

``connect`` joins two protocols; ``BankLine`` is a bus of simulated units; ``ManualStore`` keeps readings and commits
when the test says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IPushProducer, ITCPTransport
from twisted.python.failure import Failure
from zope.interface import implementer

from .modbus.bank import RegisterBank
from .modbus.protocol import LineFault
from .readings import Fault
from .storage.memory import ManualStore

__all__ = ["BankLine", "ManualStore", "MemoryTransport", "connect"]


@implementer(ITCPTransport, IPushProducer)
class MemoryTransport:
    """One end of a connection in memory. Octets wait until ``Wire.pump`` delivers them."""

    def __init__(self, host: str) -> None:
        self.sent: list[bytes] = []
        self.octets_sent = 0
        self.closing = False
        self.paused = False
        self._peer = IPv4Address("TCP", host, 40000)

    def write(self, data: bytes) -> None:
        """Put octets on the wire."""
        if not self.closing:
            self.sent.append(data)
            self.octets_sent += len(data)

    def writeSequence(self, data: Any) -> None:
        """Put octets on the wire."""
        self.write(b"".join(data))

    def loseConnection(self) -> None:
        """Close once what was written is delivered."""
        self.closing = True

    def abortConnection(self) -> None:
        """Close at once."""
        self.sent = []
        self.closing = True

    def pauseProducing(self) -> None:
        """Deliver nothing."""
        self.paused = True

    def resumeProducing(self) -> None:
        """Deliver again."""
        self.paused = False

    def stopProducing(self) -> None:
        """Close."""
        self.loseConnection()

    def getPeer(self) -> IPv4Address:
        """The address that the other end has for us."""
        return self._peer

    getHost = getPeer

    def setTcpNoDelay(self, enabled: bool) -> None:
        """Nothing to set."""

    setTcpKeepAlive = setTcpNoDelay

    def getTcpNoDelay(self) -> bool:
        """Memory does not delay."""
        return True

    getTcpKeepAlive = getTcpNoDelay

    def loseWriteConnection(self) -> None:
        """Half a close is a close here."""
        self.loseConnection()


class Wire:
    """Two protocols and what travels between them."""

    def __init__(self, one: Any, other: Any, one_host: str, other_host: str) -> None:
        self.ends = (one, MemoryTransport(other_host)), (other, MemoryTransport(one_host))
        self.up = True

    def pump(self) -> None:
        """Deliver until nothing moves any more, then what was closed is lost at both ends."""
        while self.up and any([self._deliver(0, 1), self._deliver(1, 0)]):
            pass
        if self.up and any(transport.closing for _, transport in self.ends):
            self.cut()

    def cut(self, reason: Exception | None = None) -> None:
        """Lose the connection now; what is on the wire is lost with it."""
        if self.up:
            self.up = False
            for protocol, _ in self.ends:
                protocol.connectionLost(Failure(reason or ConnectionDone()))

    def _deliver(self, giver: int, taker: int) -> bool:
        (_, source), (protocol, sink) = self.ends[giver], self.ends[taker]
        if not source.sent or sink.paused:
            return False
        data, source.sent = b"".join(source.sent), []
        if not sink.closing:
            protocol.dataReceived(data)
        return True


def connect(server: Any, client: Any, server_host: str = "192.0.2.1", client_host: str = "198.51.100.1") -> Wire:
    """Connect two Twisted protocols; call ``pump`` on the answer to let octets flow."""
    wire = Wire(server, client, server_host, client_host)
    for protocol, transport in wire.ends:
        protocol.makeConnection(transport)
    wire.pump()
    return wire


class BankLine:
    """A bus of ``RegisterBank`` units; a ``modbus.protocol.Line``. ``silent`` units do not answer.

    ``asked`` keeps every request as (unit, PDU). With ``hold`` set, answers wait in ``held`` until called.
    """

    def __init__(self, units: Mapping[int, RegisterBank]) -> None:
        self.units = dict(units)
        self.silent: set[int] = set()
        self.asked: list[tuple[int, bytes]] = []
        self.hold = False
        self.held: list[Callable[[], None]] = []

    def execute(self, unit: int, pdu: bytes, timeout_seconds: float) -> Deferred[bytes]:
        """See ``Line``; a time-out comes at once."""
        self.asked.append((unit, pdu))
        if unit in self.silent or unit not in self.units:
            return fail(LineFault(Fault.TIMEOUT))
        if not self.hold:
            return succeed(self.units[unit].answer(pdu))
        answer: Deferred[bytes] = Deferred()
        self.held.append(lambda: answer.callback(self.units[unit].answer(pdu)))
        return answer

    def stop(self) -> Deferred[None]:
        """Nothing to stop."""
        return succeed(None)
