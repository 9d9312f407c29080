"""Lines that connect by themselves: ``tcp:HOST:PORT``, ``rtu:/dev/ttyUSB0:9600:8N1``, ``rtutcp:HOST:PORT``.

A line connects when something is asked, and again when the connection was lost. A connection that is refused or lost
is a BUS_DOWN at once; after a refusal the line waits a little before it tries again, and says BUS_DOWN meanwhile.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Generator
from typing import Any, NamedTuple

from twisted.internet.defer import Deferred, DeferredLock, fail, inlineCallbacks, maybeDeferred, succeed
from twisted.internet.endpoints import HostnameEndpoint, connectProtocol
from twisted.internet.serialport import SerialPort

from ..errors import RemoteError, UserError
from ..readings import Fault
from .pdu import Request, decode_request
from .protocol import Client, Line, LineFault, TcpClient
from .responses import ExceptionResponse, ModbusException, exception_response
from .rtu_client import RtuClient

FORM = "tcp:HOST:PORT, rtu:/dev/ttyUSB0:9600:8N1 or rtutcp:HOST:PORT"

CONNECT_SECONDS = 5.0
BACK_OFF_SECONDS = 1.0
MAX_WAITING = 64
#: Unacknowledged octets for so long mean that the other end is gone (TCP_USER_TIMEOUT).
UNACKNOWLEDGED_SECONDS = 20.0
#: A serial server may still hold what came for the connection before.
SERIAL_SERVER_SETTLE_SECONDS = 0.2
#: MODBUS over Serial Line, section 2.5.1.1: 3.5 characters of 11 bits between frames, 1.75 ms at least.
GAP_BITS = 3.5 * 11
SHORTEST_GAP_SECONDS = 0.00175

_NETWORK = re.compile(r"(tcp|rtutcp):(\[[0-9a-fA-F:.]+\]|[^:\[\]\s]+):([0-9]{1,5})")
_SERIAL = re.compile(r"rtu:(/.+):([0-9]{2,7}):([78])([NEO])([12])")


class NetworkAddress(NamedTuple):
    """MODBUS/TCP, or RTU frames over TCP."""

    host: str
    port: int
    is_rtu: bool


class SerialAddress(NamedTuple):
    """A serial port of this machine."""

    path: str
    baud: int
    data_bits: int
    parity: str  #: N, E or O
    stop_bits: int


def parse_line(text: str) -> NetworkAddress | SerialAddress:
    """What ``text`` names. Raises UserError."""
    if (network := _NETWORK.fullmatch(text)) and 1 <= int(network[3]) <= 0xFFFF:
        return NetworkAddress(network[2].strip("[]"), int(network[3]), network[1] == "rtutcp")
    if serial := _SERIAL.fullmatch(text):
        return SerialAddress(serial[1], int(serial[2]), int(serial[3]), serial[4], int(serial[5]))
    raise UserError(f"{text!r} is no MODBUS line, accepted are {FORM}")


def open_line(text: str, reactor: Any) -> Line:
    """The line that ``text`` names; it connects when it is first asked. Raises UserError."""
    address = parse_line(text)
    if isinstance(address, SerialAddress):
        return ReconnectingLine(lambda: _open_serial(address, reactor), reactor)
    return ReconnectingLine(lambda: _connect(address, reactor), reactor)


def _open_serial(address: SerialAddress, reactor: Any) -> Client:
    client = RtuClient(reactor, max(SHORTEST_GAP_SECONDS, GAP_BITS / address.baud))
    SerialPort(
        client,
        address.path,
        reactor,
        baudrate=address.baud,
        bytesize=address.data_bits,
        parity=address.parity,
        stopbits=address.stop_bits,
    )
    return client


@inlineCallbacks
def _connect(address: NetworkAddress, reactor: Any) -> Generator[Any, Any, Any]:
    if address.is_rtu:
        protocol: Any = RtuClient(reactor, settle_seconds=SERIAL_SERVER_SETTLE_SECONDS)
    else:
        protocol = TcpClient(reactor)
    client = yield connectProtocol(HostnameEndpoint(reactor, address.host, address.port, CONNECT_SECONDS), protocol)
    client.transport.setTcpNoDelay(True)
    client.transport.getHandle().setsockopt(
        socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(1000 * UNACKNOWLEDGED_SECONDS)
    )
    return client


class ReconnectingLine:
    """A ``Line`` over whatever ``connect`` gives: a Client or a Deferred of one. ``clock`` is the reactor."""

    def __init__(self, connect: Callable[[], Client | Deferred[Client]], clock: Any) -> None:
        self._connect = connect
        self._clock = clock
        self._lock = DeferredLock()
        self._client: Client | None = None
        self._connecting: Deferred[Client] | None = None
        self._next_try = 0.0
        self._stopped = False

    def execute(self, unit: int, pdu: bytes, timeout_seconds: float) -> Deferred[bytes]:
        """See ``Line``. What is no request that this package knows is answered by an exception, not forwarded."""
        try:
            request = decode_request(pdu)
        except RemoteError as error:
            return succeed(exception_response(pdu, error).encode())
        if len(self._lock.waiting) >= MAX_WAITING:
            return fail(LineFault(Fault.BUS_DOWN, f"{MAX_WAITING} requests are waiting"))
        return self._lock.run(self._ask, unit, request, timeout_seconds)

    def stop(self) -> Deferred[None]:
        """See ``Line``."""
        self._stopped = True
        if self._connecting is not None:
            self._connecting.cancel()
        if self._client is None or not self._client.is_up:
            return succeed(None)
        transport = self._client.transport
        getattr(transport, "abortConnection", transport.loseConnection)()
        gone: Deferred[None] = Deferred()
        self._client.gone.chainDeferred(gone)
        return gone

    @inlineCallbacks
    def _ask(self, unit: int, request: Request, timeout_seconds: float) -> Generator[Any, Any, bytes]:
        client = yield self._connected()
        try:
            response = yield client.request(unit, request, timeout_seconds)
        except ModbusException as exception:
            response = ExceptionResponse(request.function, exception.code)
        encoded: bytes = response.encode()
        return encoded

    @inlineCallbacks
    def _connected(self) -> Generator[Any, Any, Client]:
        if self._client is not None and self._client.is_up:
            return self._client
        if self._stopped:
            raise LineFault(Fault.BUS_DOWN, "the line is stopped")
        if self._clock.seconds() < self._next_try:
            raise LineFault(Fault.BUS_DOWN, "the last attempt to connect has just failed")
        try:
            self._connecting = maybeDeferred(self._connect)  # type: ignore[call-overload]
            client: Client = yield self._connecting
        except Exception as error:
            self._next_try = self._clock.seconds() + BACK_OFF_SECONDS
            raise LineFault(Fault.BUS_DOWN, str(error)) from None
        finally:
            self._connecting = None
        self._client = client
        return client
