"""Lines that connect by themselves, against pymodbus: over TCP, as RTU over TCP, and on a serial port."""

from __future__ import annotations

import asyncio
import os
import pty
import select
import socket
import threading
import tty
from collections.abc import Callable
from typing import Any

from pymodbus.framer import FramerType
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice
from twisted.internet import reactor
from twisted.internet.defer import inlineCallbacks
from twisted.trial.unittest import TestCase

from smok_twisted.modbus.lines import (
    open_line,
)
from smok_twisted.modbus.pdu import MaskWrite, Read, ReadIdentification, ReadWrite, Request, write_request
from smok_twisted.modbus.protocol import LineFault
from smok_twisted.modbus.responses import check_response, read_values
from smok_twisted.readings import Fault, Table

TIMEOUT_SECONDS = 5.0
READ = Read(Table.HOLDING, 3, 2)
BITS, WORDS = DataType.BITS, DataType.REGISTERS


def slave() -> SimDevice:
    """Any unit, with 16 bits and 200 registers in each table; holding register n is 100 + n, input 1000 + n."""
    return SimDevice(
        0,
        (
            [SimData(0, values=8 * [True, False], datatype=BITS)],
            [SimData(0, values=8 * [False, True], datatype=BITS)],
            [SimData(0, values=list(range(100, 300)), datatype=WORDS)],
            [SimData(0, values=list(range(1000, 1200)), datatype=WORDS)],
        ),
    )


class Pymodbus:
    """A pymodbus server in an event loop and a thread of its own."""

    def __init__(self, build: Callable[[], Any]) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        try:
            self._server = self._run(self._started(build))
        except BaseException:
            self._end()
            raise

    async def _started(self, build: Callable[[], Any]) -> Any:
        server = build()
        await server.serve_forever(background=True)
        return server

    def _run(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    @property
    def port(self) -> int:
        return int(self._server.transport.sockets[0].getsockname()[1])

    def stop(self) -> None:
        self._run(self._server.shutdown())
        self._end()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def deaf(unit_at: int) -> Callable[[bool, bytes], bytes]:
    """Makes a pymodbus server keep silent about unit 2; ``unit_at`` is where the unit stands in a message."""
    return lambda sending, packet: b"" if sending and packet[unit_at] == 2 else packet


def over_tcp(framer: FramerType, port: int = 0) -> Pymodbus:
    trace = deaf(0 if framer is FramerType.RTU else 6)
    return Pymodbus(lambda: ModbusTcpServer([slave()], framer=framer, address=("127.0.0.1", port), trace_packet=trace))


class NullModem:
    """Two serial ports that are joined by a cable; ``paths`` are their names."""

    def __init__(self) -> None:
        pairs = [pty.openpty(), pty.openpty()]
        for _, port in pairs:
            tty.setraw(port)
        self.paths = [os.ttyname(port) for _, port in pairs]
        self._ends = [end for end, _ in pairs]
        self._ports = [port for _, port in pairs]
        self._stopped, self._stop = os.pipe()
        self._thread = threading.Thread(target=self._carry, daemon=True)
        self._thread.start()

    def _carry(self) -> None:
        one, other = self._ends
        while True:
            ready, _, _ = select.select([one, other, self._stopped], [], [])
            if self._stopped in ready:
                return
            for end in ready:
                os.write(other if end == one else one, os.read(end, 4096))

    def pull(self) -> None:
        """Pull the cable out, and both adapters with it."""
        os.close(self._stop)
        self._thread.join()
        for descriptor in (*self._ports, *self._ends, self._stopped):
            os.close(descriptor)


class Conversation:
    """What holds on every kind of line. ``open`` gives one with a slave behind it."""

    @inlineCallbacks
    def setUp(self) -> Any:
        self.line = yield self.open()
        self.addCleanup(self.line.stop)

    @inlineCallbacks
    def ask(self, request: Request, unit: int = 1) -> Any:
        pdu = yield self.line.execute(unit, request.encode(), TIMEOUT_SECONDS)
        return pdu

    @inlineCallbacks
    def read(self, table: Table, start: int, count: int) -> Any:
        request = Read(table, start, count)
        pdu = yield self.ask(request)
        return list(read_values(request, pdu))

    @inlineCallbacks
    def test_reads(self) -> Any:
        """Each table is read right, up to the largest request."""
        self.assertEqual((yield self.read(Table.HOLDING, 3, 2)), [103, 104])
        self.assertEqual((yield self.read(Table.HOLDING, 0, 125)), list(range(100, 225)))
        self.assertEqual((yield self.read(Table.INPUT, 7, 1)), [1007])
        self.assertEqual((yield self.read(Table.COIL, 0, 11)), [1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1])
        self.assertEqual((yield self.read(Table.DISCRETE, 3, 2)), [1, 0])

    @inlineCallbacks
    def test_writes(self) -> Any:
        """Each way to write is understood, and read back."""
        for request in (
            write_request(Table.HOLDING, 10, [7]),
            write_request(Table.HOLDING, 11, [8, 65535]),
            write_request(Table.COIL, 1, [1]),
            write_request(Table.COIL, 2, [0, 1]),
            MaskWrite(13, 0xFFF0, 0x0005),
        ):
            check_response(request, (yield self.ask(request)))
        self.assertEqual((yield self.read(Table.HOLDING, 10, 4)), [7, 8, 65535, 113 & 0xFFF0 | 5])
        self.assertEqual((yield self.read(Table.COIL, 0, 5)), [1, 1, 0, 1, 1])
        both = ReadWrite(10, 2, 11, (9,))
        self.assertEqual(read_values(both, (yield self.ask(both))), (7, 9))

    @inlineCallbacks
    def test_exception(self) -> Any:
        """What the unit refuses comes back as its exception response."""
        self.assertEqual((yield self.ask(Read(Table.HOLDING, 5000, 1))), b"\x83\x02")
        self.assertEqual((yield self.read(Table.HOLDING, 0, 1)), [100])

    @inlineCallbacks
    def test_identification(self) -> Any:
        """A slave can be asked who made it."""
        request = ReadIdentification(1)
        response = check_response(request, (yield self.ask(request)))
        self.assertEqual(response.code, 1)

    @inlineCallbacks
    def test_many_at_once(self) -> Any:
        """Requests that are asked at once are answered one after the other, each with its own answer."""
        asked = [self.read(Table.HOLDING, number, 1) for number in range(30)]
        for number, deferred in enumerate(asked):
            self.assertEqual((yield deferred), [100 + number])

    @inlineCallbacks
    def test_dead_unit(self) -> Any:
        """A unit that is not there is a time-out, and its neighbours go on being read."""
        error = yield self.assertFailure(self.line.execute(2, READ.encode(), 0.1), LineFault)
        self.assertEqual(error.fault, Fault.TIMEOUT)
        self.assertEqual((yield self.read(Table.HOLDING, 3, 2)), [103, 104])

    @inlineCallbacks
    def test_what_is_no_request(self) -> Any:
        """Octets that are no MODBUS request never reach the bus."""
        self.assertEqual((yield self.line.execute(1, b"\x41\x54", TIMEOUT_SECONDS)), b"\xc1\x01")

    @inlineCallbacks
    def test_stopped(self) -> Any:
        """A stopped line is a bus that is down; it can be stopped twice."""
        yield self.read(Table.HOLDING, 0, 1)
        yield self.line.stop()
        error = yield self.assertFailure(self.line.execute(1, READ.encode(), 1), LineFault)
        self.assertEqual(error.fault, Fault.BUS_DOWN)


class OverTcp(Conversation, TestCase):
    def open(self) -> Any:
        server = over_tcp(FramerType.SOCKET)
        self.addCleanup(server.stop)
        return open_line(f"tcp:127.0.0.1:{server.port}", reactor)

    @inlineCallbacks
    def test_half_open_connections_are_found(self) -> Any:
        """The kernel is told to give up a connection whose other end is silent."""
        yield self.read(Table.HOLDING, 0, 1)
        handle = self.line._client.transport.getHandle()
        self.assertEqual(handle.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT), 20_000)


class OverRtuTcp(Conversation, TestCase):
    def open(self) -> Any:
        server = over_tcp(FramerType.RTU)
        self.addCleanup(server.stop)
        return open_line(f"rtutcp:localhost:{server.port}", reactor)


class OverSerial(Conversation, TestCase):
    def open(self) -> Any:
        self.cable = NullModem()
        self.addCleanup(lambda: self.cable and self.cable.pull())
        server = Pymodbus(
            lambda: ModbusSerialServer(
                [slave()],
                framer=FramerType.RTU,
                port=self.cable.paths[1],
                baudrate=115200,
                trace_packet=deaf(0),
            )
        )
        self.addCleanup(server.stop)
        return open_line(f"rtu:{self.cable.paths[0]}:115200:8N1", reactor)

    @inlineCallbacks
    def test_pulled_out(self) -> Any:
        """When the adapter is pulled out, what waits fails at once, and so does what comes later."""
        yield self.read(Table.HOLDING, 0, 1)
        asked = self.line.execute(2, READ.encode(), 60)
        cable, self.cable = self.cable, None
        cable.pull()
        for deferred in (asked, self.line.execute(1, READ.encode(), 60)):
            error = yield self.assertFailure(deferred, LineFault)
            self.assertEqual(error.fault, Fault.BUS_DOWN)


class Reconnecting(TestCase):
    @inlineCallbacks
    def test_restarted_server(self) -> Any:
        """A server that went away is a bus that is down; when it is there again, so is the line."""
        first = over_tcp(FramerType.SOCKET)
        port = first.port
        line = open_line(f"tcp:127.0.0.1:{port}", reactor)
        self.addCleanup(line.stop)
        self.assertEqual(read_values(READ, (yield line.execute(1, READ.encode(), 5))), (103, 104))
        gone = line._client.gone
        first.stop()
        yield gone
        error = yield self.assertFailure(line.execute(1, READ.encode(), 5), LineFault)
        self.assertEqual(error.fault, Fault.BUS_DOWN)
        second = over_tcp(FramerType.SOCKET, port)
        self.addCleanup(second.stop)
        line._next_try = 0.0
        self.assertEqual(read_values(READ, (yield line.execute(1, READ.encode(), 5))), (103, 104))

    @inlineCallbacks
    def test_no_such_port(self) -> Any:
        """A serial port that is not there is a bus that is down."""
        line = open_line("rtu:/dev/there-is-no-such-port:9600:8N1", reactor)
        error = yield self.assertFailure(line.execute(1, READ.encode(), 5), LineFault)
        self.assertEqual(error.fault, Fault.BUS_DOWN)
        self.assertIn("there-is-no-such-port", error.detail)
