"""The answering side: pymodbus as the master, and masters that behave badly."""

from __future__ import annotations

from typing import Any

from pymodbus.client import ModbusTcpClient
from twisted.internet import reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import SynchronousTestCase, TestCase

from smok_twisted.modbus.mbap import Adu, Decoder
from smok_twisted.modbus.pdu import (
    MaskWrite,
    Read,
    ReadIdentification,
    ReadWrite,
    Request,
    WriteCoils,
    WriteRegister,
    WriteRegisters,
)
from smok_twisted.modbus.responses import (
    IdentificationResponse,
    ModbusException,
    ReadResponse,
    Response,
    WriteResponse,
)
from smok_twisted.modbus.server import IDLE_SECONDS, MAX_CONNECTIONS, MAX_OUTSTANDING, TcpServer, TcpServerFactory
from smok_twisted.readings import Table

READ = Read(Table.HOLDING, 0, 1)


def answer(unit: int, request: Request) -> Response:
    """A unit whose registers hold their own addresses, and whose every third bit is set."""
    match request:
        case Read(table, start, count):
            addresses = range(start, start + count)
            values = (int(address % 3 == 0) if table.is_bits else address for address in addresses)
            return ReadResponse(request.function, tuple(values))
        case ReadWrite(read_start=start, read_count=count):
            return ReadResponse(request.function, tuple(range(start, start + count)))
        case WriteCoils(start, values) | WriteRegisters(start, values):
            return WriteResponse(request.function, start, len(values))
        case WriteRegister(address=666):
            raise ModbusException(4)
        case ReadIdentification(code):
            return IdentificationResponse(code, 1, False, 0, ((0, b"SMOK"), (1, b"it"), (2, b"4")))
    return request


class Pymodbus(TestCase):
    @inlineCallbacks
    def test_every_function(self) -> Any:
        """A foreign master reads and writes with every function, and understands each answer."""
        factory = TcpServerFactory(answer, reactor)
        port = yield TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(factory)
        self.addCleanup(port.stopListening)
        results = yield deferToThread(self.converse, port.getHost().port)
        for server in list(factory.connections):
            server.transport.abortConnection()
        self.assertEqual(
            results,
            [
                [True, False, False, True, False, False, True, False],
                [False, False, True, False, False, False, False, False],
                [7, 8, 9],
                list(range(125)),
                [5],
                (False, False, False, False, False, False),
                [3, 4],
                {0: b"SMOK", 1: b"it", 2: b"4"},
                4,
                [65533, 65534, 65535],
            ],
        )

    @staticmethod
    def converse(port: int) -> list[Any]:
        with ModbusTcpClient("127.0.0.1", port=port, timeout=5, retries=0) as master:
            writes = (
                master.write_coil(1, True),
                master.write_register(1, 2),
                master.write_coils(3, [True, False, True]),
                master.write_registers(3, [1, 2, 3]),
                master.mask_write_register(address=4, and_mask=0xF2, or_mask=0x25),
                master.write_register(65535, 65535),
            )
            return [
                master.read_coils(0, count=8).bits,
                master.read_discrete_inputs(1, count=3).bits,
                master.read_holding_registers(7, count=3).registers,
                master.read_input_registers(0, count=125).registers,
                master.read_holding_registers(5, count=1, device_id=9).registers,
                tuple(write.isError() for write in writes),
                master.readwrite_registers(read_address=3, read_count=2, write_address=9, values=[1]).registers,
                master.read_device_information(read_code=1).information,
                master.write_register(666, 1).exception_code,
                master.read_holding_registers(65533, count=3).registers,
            ]


class InMemory(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.waiting: list[Deferred[Response]] = []

    def connect(self, handler: Any = answer) -> TcpServer:
        self.factory = TcpServerFactory(handler, self.clock)
        server = self.factory.buildProtocol(None)
        self.transport = StringTransport()
        server.makeConnection(self.transport)
        return server

    def wait(self, unit: int, request: Request) -> Deferred[Response]:
        self.waiting.append(Deferred())
        return self.waiting[-1]

    def answers(self) -> list[tuple[int, int, str]]:
        decoder = Decoder()
        decoder.feed(self.transport.value())
        self.transport.clear()
        return [(adu.transaction, adu.unit, adu.pdu.hex()) for adu in iter(decoder.next, None)]

    def test_every_cut(self) -> None:
        """Requests are answered alike however the stream is cut."""
        octets = Adu(7, 1, READ.encode()).encode() + Adu(8, 2, MaskWrite(1, 2, 3).encode()).encode()
        for cut in range(len(octets) + 1):
            server = self.connect()
            server.dataReceived(octets[:cut])
            server.dataReceived(octets[cut:])
            self.assertEqual(self.answers(), [(7, 1, "03020000"), (8, 2, "16000100020003")])

    def test_nonsense_is_answered(self) -> None:
        """A request that cannot be is answered by the exception for it; the connection goes on."""
        server = self.connect()
        for transaction, pdu in enumerate((b"\x07", b"\x03\0\0\0\0", b"\x03\xff\xff\0\x02", READ.encode())):
            server.dataReceived(Adu(transaction, 1, pdu).encode())
        self.assertEqual(self.answers(), [(0, 1, "8701"), (1, 1, "8303"), (2, 1, "8302"), (3, 1, "03020000")])

    def test_a_fault_of_the_handler(self) -> None:
        """An error in the program behind is exception 4 for the master, and a log entry for the owner."""

        def broken(unit: int, request: Request) -> Response:
            raise ZeroDivisionError

        self.connect(broken).dataReceived(Adu(1, 1, READ.encode()).encode())
        self.assertEqual(self.answers(), [(1, 1, "8304")])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_impossible_answer(self) -> None:
        """An answer that does not fit the wire is exception 4 as well."""
        self.connect(lambda unit, request: None).dataReceived(Adu(1, 1, READ.encode()).encode())
        self.assertEqual(self.answers(), [(1, 1, "8304")])
        self.flushLoggedErrors(AttributeError)

    def test_answers_may_overtake(self) -> None:
        """A slow unit does not hold up the others; the transaction id says which answer it is."""
        server = self.connect(self.wait)
        for transaction in (1, 2):
            server.dataReceived(Adu(transaction, 1, READ.encode()).encode())
        self.waiting[1].callback(ReadResponse(3, (2,)))
        self.waiting[0].errback(ModbusException(11))
        self.assertEqual(self.answers(), [(2, 1, "03020002"), (1, 1, "830b")])

    def test_no_mbap(self) -> None:
        """Octets of another protocol end the connection, after the requests before them were answered."""
        server = self.connect()
        server.dataReceived(Adu(1, 1, READ.encode()).encode() + b"GET / HTTP/1.1\r\n\r\n")
        self.assertEqual(len(self.answers()), 1)
        self.assertTrue(self.transport.disconnecting or self.transport.disconnected)

    def test_too_many_requests(self) -> None:
        """A master that asks faster than it is answered is not read from meanwhile; nothing is lost."""
        server = self.connect(self.wait)
        server.dataReceived(b"".join(Adu(number, 1, READ.encode()).encode() for number in range(1000)))
        self.assertEqual(len(self.waiting), MAX_OUTSTANDING)
        self.assertEqual(self.transport.producerState, "paused")
        for number in range(1000):
            self.waiting[number].callback(ReadResponse(3, (number,)))
        self.assertEqual([number for number, _, _ in self.answers()], list(range(1000)))
        self.assertEqual(self.transport.producerState, "producing")

    def test_many_requests_answered_at_once(self) -> None:
        """A long run of requests is no deep recursion."""
        server = self.connect()
        server.dataReceived(b"".join(Adu(number, 1, READ.encode()).encode() for number in range(5000)))
        self.assertEqual(len(self.answers()), 5000)

    def test_a_master_that_does_not_read(self) -> None:
        """While the answers pile up, no more is asked."""
        server = self.connect()
        server.pauseProducing()
        self.assertEqual(self.transport.producerState, "paused")
        server.dataReceived(Adu(1, 1, READ.encode()).encode())
        self.assertEqual(self.answers(), [])
        server.resumeProducing()
        self.assertEqual(len(self.answers()), 1)
        self.assertEqual(self.transport.producerState, "producing")

    def test_idle(self) -> None:
        """A master that asks nothing for long is disconnected; single octets do not count as asking."""
        server = self.connect()
        self.clock.advance(IDLE_SECONDS - 1)
        server.dataReceived(Adu(1, 1, READ.encode()).encode())
        self.clock.advance(IDLE_SECONDS - 1)
        server.dataReceived(b"\0")
        self.assertFalse(self.transport.disconnected)
        self.clock.advance(1)
        self.assertTrue(self.transport.disconnected)

    def test_connections(self) -> None:
        """Only so many masters are served; when one leaves there is room again."""
        factory = TcpServerFactory(answer, self.clock)
        servers = [factory.buildProtocol(None) for _ in range(MAX_CONNECTIONS)]
        self.assertIsNone(factory.buildProtocol(None))
        servers[0].makeConnection(StringTransport())
        servers[0].connectionLost(None)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertIsNotNone(factory.buildProtocol(None))
