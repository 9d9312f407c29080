"""The asking side over TCP: one answer to each request, its own, whatever comes when."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransportWithDisconnection
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.errors import LocalError
from smok_twisted.modbus.mbap import Adu
from smok_twisted.modbus.pdu import Read, Request
from smok_twisted.modbus.protocol import MAX_OUTSTANDING, LineFault, TcpClient
from smok_twisted.modbus.responses import ModbusException, ReadResponse, Response
from smok_twisted.modbus.rtu_client import RtuClient
from smok_twisted.readings import Fault, Table

READ = Read(Table.HOLDING, 100, 1)
OTHER = Read(Table.HOLDING, 200, 1)


def answer(value: int) -> bytes:
    return ReadResponse(3, (value,)).encode()


class ClientCase(SynchronousTestCase):
    def connect(self, client: TcpClient | RtuClient) -> None:
        self.client = client
        self.transport = StringTransportWithDisconnection()
        self.transport.protocol = client
        client.makeConnection(self.transport)

    def ask(self, request: Request = READ, unit: int = 1, timeout_seconds: float = 1.0) -> Deferred[Response]:
        return self.client.request(unit, request, timeout_seconds)

    def sent(self) -> bytes:
        octets = self.transport.value()
        self.transport.clear()
        return octets

    def values(self, deferred: Deferred[Response]) -> tuple[int, ...]:
        return self.successResultOf(deferred).values

    def fault(self, deferred: Deferred[Response]) -> Fault:
        return self.failureResultOf(deferred, LineFault).value.fault


class Tcp(ClientCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.connect(TcpClient(self.clock))

    def receive(self, transaction: int, pdu: bytes, unit: int = 1) -> None:
        self.client.dataReceived(Adu(transaction, unit, pdu).encode())

    def test_request_and_answer(self) -> None:
        """What is asked goes out with a header, what is answered comes back as values."""
        asked = self.ask()
        self.assertEqual(self.sent(), Adu(1, 1, READ.encode()).encode())
        self.assertNoResult(asked)
        self.receive(1, answer(41))
        self.assertEqual(self.values(asked), (41,))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_answers_in_another_order(self) -> None:
        """Several requests may be outstanding; each gets the answer with its own transaction id."""
        asked = [self.ask(), self.ask(OTHER)]
        self.receive(2, answer(2))
        self.receive(1, answer(1))
        self.assertEqual([self.values(deferred) for deferred in asked], [(1,), (2,)])

    def test_every_cut(self) -> None:
        """The answer is the same however the stream is cut."""
        octets = Adu(1, 1, answer(7)).encode() + Adu(2, 1, answer(8)).encode()
        for cut in range(len(octets) + 1):
            self.connect(TcpClient(self.clock))
            asked = [self.ask(), self.ask()]
            for piece in (octets[:cut], octets[cut:]):
                self.client.dataReceived(piece)
            self.assertEqual([self.values(deferred) for deferred in asked], [(7,), (8,)])

    def test_late_answer(self) -> None:
        """An answer that comes after its time is counted and never taken for the next one."""
        first = self.ask()
        self.clock.advance(1)
        self.assertEqual(self.fault(first), Fault.TIMEOUT)
        second = self.ask(OTHER)
        self.receive(1, answer(1))
        self.assertNoResult(second)
        self.receive(2, answer(2))
        self.assertEqual(self.values(second), (2,))
        self.assertEqual(self.client.late_responses, 1)

    def test_wrong_answers(self) -> None:
        """Another unit, function or length is a wrong reply, and the connection goes on."""
        for pdu, unit in ((answer(1), 2), (b"\x04\x02\0\0", 1), (b"\x03\x04\0\0\0\0", 1), (b"\x84\x02", 1)):
            self.connect(TcpClient(self.clock))
            asked = self.ask()
            self.receive(1, pdu, unit)
            self.assertEqual(self.fault(asked), Fault.WRONG_REPLY)
            asked = self.ask()
            self.receive(2, answer(1))
            self.assertEqual(self.values(asked), (1,))

    def test_the_unit_says_no(self) -> None:
        """An exception is an answer."""
        asked = self.ask()
        self.receive(1, b"\x83\x02")
        self.assertEqual(self.failureResultOf(asked, ModbusException).value.code, 2)

    def test_no_mbap(self) -> None:
        """A peer that speaks something else fails what waits and is disconnected."""
        asked = [self.ask(), self.ask()]
        self.client.dataReceived(b"HTTP/1.1 400 Bad Request\r\n")
        self.assertEqual([self.fault(deferred) for deferred in asked], 2 * [Fault.WRONG_REPLY])
        self.assertFalse(self.transport.connected)

    def test_connection_lost(self) -> None:
        """What waits fails at once, and so does what is asked later."""
        asked = self.ask()
        self.client.connectionLost(Failure(ConnectionLost()))
        self.assertEqual(self.fault(asked), Fault.BUS_DOWN)
        self.assertEqual(self.fault(self.ask()), Fault.BUS_DOWN)
        self.successResultOf(self.client.gone)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_cancelled(self) -> None:
        """Nobody has to wait for an answer; it is late when it comes."""
        asked = self.ask()
        asked.cancel()
        self.failureResultOf(asked)
        self.receive(1, answer(1))
        self.assertEqual(self.client.late_responses, 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_bound(self) -> None:
        """No more requests are outstanding than the implementation guide allows."""
        asked = [self.ask() for _ in range(MAX_OUTSTANDING)]
        self.assertRaises(LocalError, self.ask)
        self.receive(1, answer(1))
        asked.append(self.ask())
        self.clock.advance(1)
        self.assertEqual(len([self.fault(deferred) for deferred in asked[1:]]), MAX_OUTSTANDING)

    def test_transaction_ids_wrap(self) -> None:
        """After 65535 comes 0."""
        self.client._transaction = 0xFFFE
        asked = [self.ask(), self.ask()]
        self.receive(0xFFFF, answer(1))
        self.receive(0, answer(2))
        self.assertEqual([self.values(deferred) for deferred in asked], [(1,), (2,)])
