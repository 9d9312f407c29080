"""Lines without a wire: what a line makes of answers that are late, wrong or missing; and its addresses."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionDone, ConnectionRefusedError
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransportWithDisconnection
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.errors import UserError
from smok_twisted.modbus.lines import (
    BACK_OFF_SECONDS,
    MAX_WAITING,
    NetworkAddress,
    ReconnectingLine,
    SerialAddress,
    open_line,
    parse_line,
)
from smok_twisted.modbus.mbap import Adu
from smok_twisted.modbus.protocol import LineFault, TcpClient
from smok_twisted.modbus.responses import ExceptionResponse, ReadResponse
from smok_twisted.readings import Fault

from .test_modbus_lines import READ


class InMemory(SynchronousTestCase):
    """The line alone: ``connect`` gives a client on a transport in memory, or what ``outcome`` holds."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(100)
        self.attempts = 0
        self.outcome: Deferred[Any] | None = None
        self.line = ReconnectingLine(self.connect, self.clock)

    def connect(self) -> Any:
        self.attempts += 1
        if self.outcome is not None:
            return self.outcome
        self.transport = StringTransportWithDisconnection()
        self.transport.protocol = TcpClient(self.clock)
        self.transport.protocol.makeConnection(self.transport)
        return self.transport.protocol

    def ask(self) -> Deferred[bytes]:
        return self.line.execute(1, READ.encode(), 1.0)

    def answer(self, transaction: int) -> bytes:
        pdu = ReadResponse(3, (transaction, 0)).encode()
        self.transport.protocol.dataReceived(Adu(transaction, 1, pdu).encode())
        return pdu

    def fault(self, deferred: Deferred[bytes]) -> Fault:
        return self.failureResultOf(deferred, LineFault).value.fault

    def test_connects_when_asked(self) -> None:
        """Nothing is connected before it is needed, and one connection serves all requests."""
        self.assertEqual(self.attempts, 0)
        for transaction in (1, 2):
            asked = self.ask()
            self.assertEqual(self.answer(transaction), self.successResultOf(asked))
        self.assertEqual(self.attempts, 1)

    def test_one_at_a_time(self) -> None:
        """The second request is sent when the first is answered, and its time runs from then."""
        asked = [self.ask(), self.ask()]
        self.assertEqual(len(self.transport.value()), 12)
        self.clock.advance(0.9)
        self.answer(1)
        self.assertEqual(len(self.transport.value()), 24)
        self.clock.advance(0.9)
        self.assertNoResult(asked[1])
        self.clock.advance(0.1)
        self.assertEqual(self.fault(asked[1]), Fault.TIMEOUT)

    def test_exceptions_are_answers(self) -> None:
        """The unit's no comes back as it was sent."""
        asked = self.ask()
        self.transport.protocol.dataReceived(Adu(1, 1, ExceptionResponse(3, 6).encode()).encode())
        self.assertEqual(self.successResultOf(asked), b"\x83\x06")

    def test_lost_connection(self) -> None:
        """What was sent fails at once; what waits goes out over a new connection."""
        asked = [self.ask(), self.ask()]
        first = self.transport
        first.protocol.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(self.fault(asked[0]), Fault.BUS_DOWN)
        self.assertIsNot(self.transport, first)
        self.answer(1)
        self.successResultOf(asked[1])

    def test_back_off(self) -> None:
        """After a refusal the line does not try again at once, and says so."""
        self.outcome = Deferred()
        asked = [self.ask(), self.ask()]
        self.outcome.errback(ConnectionRefusedError())
        self.assertEqual([self.fault(deferred) for deferred in asked], 2 * [Fault.BUS_DOWN])
        self.outcome = None
        self.assertEqual(self.fault(self.ask()), Fault.BUS_DOWN)
        self.assertEqual(self.attempts, 1)
        self.clock.advance(BACK_OFF_SECONDS)
        asked.append(self.ask())
        self.answer(1)
        self.successResultOf(asked[2])
        self.assertEqual(self.attempts, 2)

    def test_bound(self) -> None:
        """Only so many requests may wait."""
        asked = [self.ask() for _ in range(1 + MAX_WAITING)]
        self.assertEqual(self.fault(self.ask()), Fault.BUS_DOWN)
        for transaction, deferred in enumerate(asked, 1):
            self.answer(transaction)
            self.successResultOf(deferred)

    def test_stop_while_connecting(self) -> None:
        """Stopping ends an attempt to connect, and fails what waits for it."""
        self.outcome = Deferred()
        asked = [self.ask(), self.ask()]
        self.successResultOf(self.line.stop())
        self.assertEqual([self.fault(deferred) for deferred in asked], 2 * [Fault.BUS_DOWN])
        self.assertEqual(self.attempts, 1)

    def test_stop_while_asking(self) -> None:
        """Stopping disconnects, and fails what was sent and what waits."""
        asked = [self.ask(), self.ask()]
        self.successResultOf(self.line.stop())
        self.assertFalse(self.transport.connected)
        self.assertEqual([self.fault(deferred) for deferred in asked], 2 * [Fault.BUS_DOWN])
        self.successResultOf(self.line.stop())

    def test_cancelled_while_waiting(self) -> None:
        """Who does not want to wait any more leaves the queue; the others move up."""
        asked = [self.ask(), self.ask(), self.ask()]
        asked[1].cancel()
        self.failureResultOf(asked[1], CancelledError)
        self.answer(1)
        self.answer(2)
        self.assertEqual([self.successResultOf(deferred)[3] for deferred in (asked[0], asked[2])], [1, 2])

    def test_connection_in_time(self) -> None:
        """A connection that takes a while is waited for."""
        self.outcome = Deferred()
        asked = self.ask()
        outcome, self.outcome = self.outcome, None
        outcome.callback(self.connect())
        self.answer(1)
        self.successResultOf(asked)


class Addresses(SynchronousTestCase):
    def test_forms(self) -> None:
        """The three forms, IPv6, and serial ports with a colon in their name."""
        for text, address in {
            "tcp:10.0.0.7:502": NetworkAddress("10.0.0.7", 502, False),
            "rtutcp:plc.example:4001": NetworkAddress("plc.example", 4001, True),
            "tcp:[fe80::1]:502": NetworkAddress("fe80::1", 502, False),
            "rtu:/dev/ttyUSB0:9600:8N1": SerialAddress("/dev/ttyUSB0", 9600, 8, "N", 1),
            "rtu:/dev/serial/by-path/pci-0:0:1-port0:19200:7E2": SerialAddress(
                "/dev/serial/by-path/pci-0:0:1-port0", 19200, 7, "E", 2
            ),
        }.items():
            self.assertEqual(parse_line(text), address)

    def test_mistakes(self) -> None:
        """Anything else is refused, naming the three forms."""
        for text in (
            "", "tcp", "tcp:host", "tcp:host:0", "tcp:host:65536", "tcp:host:http", "tcp::502", "tcp:a b:502",
            "tcp:fe80::1:502", "udp:host:502", "rtu:ttyUSB0:9600:8N1", "rtu:/dev/ttyUSB0", "rtu:/dev/ttyUSB0:9600",
            "rtu:/dev/ttyUSB0:9600:9N1", "rtu:/dev/ttyUSB0:9600:8X1", "rtu:/dev/ttyUSB0:9600:8N3",
            "rtu:/dev/ttyUSB0:fast:8N1", "tcp:host:502 ",
        ):  # fmt: skip
            error = self.assertRaises(UserError, open_line, text, None)
            self.assertIn("tcp:HOST:PORT, rtu:/dev/ttyUSB0:9600:8N1 or rtutcp:HOST:PORT", str(error))
