"""MODBUS/TCP, the answering side: connections of masters, each request handed to one function.

For embedding, for a gateway, and as the peer in tests. A master that asks faster than it is answered, or does not
read its answers, is not read from meanwhile; only octets that are no MBAP end a connection.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import Factory, Protocol
from twisted.logger import Logger
from twisted.protocols.policies import TimeoutMixin
from twisted.python.failure import Failure
from zope.interface import implementer

from ..errors import RemoteError
from . import mbap
from .pdu import Request, decode_request
from .responses import ExceptionCode, ExceptionResponse, ModbusException, Response, exception_response

#: (unit, request) -> response, or a Deferred of it. A ModbusException is the answer no.
Handler = Callable[[int, Request], Response | Deferred[Response]]

MAX_OUTSTANDING = 16
MAX_CONNECTIONS = 32
IDLE_SECONDS = 600.0


@implementer(IPushProducer)
class TcpServer(Protocol, TimeoutMixin):
    """One connection of a master. Answers may overtake each other, as transaction ids allow."""

    log = Logger()
    transport: Any
    factory: TcpServerFactory

    def __init__(self, handler: Handler, clock: Any) -> None:
        self.callLater = clock.callLater  # type: ignore[method-assign]
        self._handler = handler
        self._decoder = mbap.Decoder()
        self._outstanding = 0
        self._is_slow = False  # the master does not read its answers
        self._is_pumping = False
        self._is_closed = False

    def connectionMade(self) -> None:
        self.transport.registerProducer(self, True)
        self.setTimeout(IDLE_SECONDS)

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        self._is_closed = True
        self.setTimeout(None)
        self.factory.connections.discard(self)

    def timeoutConnection(self) -> None:
        """Nothing was asked for ``IDLE_SECONDS``."""
        self.transport.abortConnection()

    def dataReceived(self, data: bytes) -> None:
        self._decoder.feed(data)
        self._pump()

    def pauseProducing(self) -> None:
        """The transport holds enough answers that the master has not read."""
        self._is_slow = True
        self.transport.pauseProducing()

    def resumeProducing(self) -> None:
        """The master has read them."""
        self._is_slow = False
        self._pump()

    def stopProducing(self) -> None:
        """The connection is gone, which ``connectionLost`` sees to."""

    @property
    def _is_full(self) -> bool:
        return self._is_slow or self._outstanding >= MAX_OUTSTANDING

    def _pump(self) -> None:
        """Answer what is in the buffer; go on reading only when all of it is asked and there is room for more."""
        if self._is_pumping or self._is_closed:
            return
        self._is_pumping = True
        try:
            while not self._is_full and (adu := self._decoder.next()) is not None:
                self._ask(adu)
        except RemoteError as error:
            self.log.info("MODBUS master {peer} closed: {error}", peer=self.transport.getPeer(), error=error)
            self._is_closed = True
            self.transport.abortConnection()
            return
        finally:
            self._is_pumping = False
        if self._is_full:
            self.transport.pauseProducing()
        else:
            self.transport.resumeProducing()

    @inlineCallbacks
    def _ask(self, adu: mbap.Adu) -> Generator[Any, Any, None]:
        self.resetTimeout()
        self._outstanding += 1
        pdu = yield self._answer(adu)
        self._outstanding -= 1
        self.transport.write(mbap.Adu(adu.transaction, adu.unit, pdu).encode())
        self._pump()

    @inlineCallbacks
    def _answer(self, adu: mbap.Adu) -> Generator[Any, Any, bytes]:
        """The response PDU; whatever goes wrong is an exception response."""
        try:
            request = decode_request(adu.pdu)
        except RemoteError as error:
            return exception_response(adu.pdu, error).encode()
        try:
            response: Response = yield self._handler(adu.unit, request)
            return response.encode()
        except ModbusException as exception:
            code = exception.code
        except Exception:
            self.log.failure("a MODBUS request was not answered")
            code = ExceptionCode.SERVER_DEVICE_FAILURE
        return ExceptionResponse(request.function, code).encode()


class TcpServerFactory(Factory):
    """Listens for masters; ``clock`` is the reactor. Connections beyond ``max_connections`` are closed at once."""

    noisy = False

    def __init__(self, handler: Handler, clock: Any, max_connections: int = MAX_CONNECTIONS) -> None:
        self.connections: set[TcpServer] = set()
        self._handler = handler
        self._clock = clock
        self._max_connections = max_connections

    def buildProtocol(self, addr: object) -> Any:
        if len(self.connections) >= self._max_connections:
            return None
        server = TcpServer(self._handler, self._clock)
        server.factory = self
        self.connections.add(server)
        return server
