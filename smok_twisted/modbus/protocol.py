"""MODBUS over Twisted transports, the asking side: what a bus looks like from above, and ``TcpClient``.

The client of RTU frames is in ``rtu_client``; ``lines`` has buses that connect by themselves; the answering side is
in ``server``.
"""

from __future__ import annotations

from typing import Any, Protocol

from twisted.internet.defer import Deferred, fail
from twisted.internet.protocol import Protocol as TwistedProtocol
from twisted.python.failure import Failure

from ..errors import LocalError, RemoteError
from ..readings import QUALITY_OF_FAULT, Fault
from . import mbap
from .pdu import Request
from .responses import ModbusException, Response, check_response

#: Requests that one MODBUS/TCP connection may have outstanding (Implementation Guide, section 4.3.2).
MAX_OUTSTANDING = 16


class LineFault(Exception):
    """No usable answer. ``fault`` says why, ``detail`` is for the log."""

    def __init__(self, fault: Fault, detail: str = "") -> None:
        quality = QUALITY_OF_FAULT[fault]
        super().__init__(f"{quality}: {detail}" if detail else quality)
        self.fault = fault
        self.detail = detail


class Line(Protocol):
    """A bus with MODBUS units on it. One request is outstanding at a time, further ones wait their turn."""

    def execute(self, unit: int, pdu: bytes, timeout_seconds: float) -> Deferred[bytes]:
        """Fires with the response PDU, which answers this request for certain; it may be an exception response.

        The time runs from when the request is sent. Fails with LineFault.
        """

    def stop(self) -> Deferred[None]:
        """Disconnect for good; what waits fails with BUS_DOWN. Fires when the connection is gone."""


class Client(Protocol):
    """What ``TcpClient`` and ``RtuClient`` are to a line."""

    transport: Any
    is_up: bool
    gone: Deferred[None]  #: fires when the connection is lost

    def request(self, unit: int, request: Request, timeout_seconds: float) -> Deferred[Response]:
        """Fires with the checked response. Fails with ModbusException (the unit says no) or LineFault."""


class TcpClient(TwistedProtocol):
    """MODBUS/TCP, up to ``MAX_OUTSTANDING`` requests at a time. ``clock`` is the reactor.

    A late answer is known by its transaction id; it is counted and passed over.
    """

    transport: Any

    def __init__(self, clock: Any) -> None:
        self.is_up = False
        self.gone: Deferred[None] = Deferred()
        self.late_responses = 0
        self._clock = clock
        self._decoder = mbap.Decoder()
        self._transaction = 0
        self._waiting: dict[int, tuple[int, Request, Deferred[Response]]] = {}

    def connectionMade(self) -> None:
        self.is_up = True

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        self.is_up = False
        self._fail_all(LineFault(Fault.BUS_DOWN, reason.getErrorMessage()))
        self.gone.callback(None)

    def request(self, unit: int, request: Request, timeout_seconds: float) -> Deferred[Response]:
        """See ``Client``. Raises LocalError when too many requests are outstanding."""
        if not self.is_up:
            return fail(LineFault(Fault.BUS_DOWN, "not connected"))
        if len(self._waiting) >= MAX_OUTSTANDING:
            raise LocalError(f"{MAX_OUTSTANDING} requests are outstanding, more are not accepted")
        transaction = self._transaction = (self._transaction + 1) & 0xFFFF
        answer: Deferred[Response] = Deferred(lambda _: self._waiting.__delitem__(transaction))
        self._waiting[transaction] = unit, request, answer
        self.transport.write(mbap.Adu(transaction, unit, request.encode()).encode())
        return answer.addTimeout(timeout_seconds, self._clock, _timed_out)

    def dataReceived(self, data: bytes) -> None:
        try:
            self._decoder.feed(data)
            while (adu := self._decoder.next()) is not None:
                self._received(adu)
        except RemoteError as error:
            self._fail_all(LineFault(Fault.WRONG_REPLY, str(error)))
            self.transport.abortConnection()

    def _received(self, adu: mbap.Adu) -> None:
        if adu.transaction not in self._waiting:
            self.late_responses += 1
            return
        unit, request, answer = self._waiting.pop(adu.transaction)
        try:
            if adu.unit != unit:
                raise RemoteError("wrong-reply", f"unit {adu.unit} to a request to {unit}")
            response = check_response(request, adu.pdu)
        except RemoteError as error:
            answer.errback(LineFault(Fault.WRONG_REPLY, error.detail))
        except ModbusException as exception:
            answer.errback(exception)
        else:
            answer.callback(response)

    def _fail_all(self, fault: LineFault) -> None:
        waiting, self._waiting = self._waiting, {}
        for _, _, answer in waiting.values():
            answer.errback(fault)


def _timed_out(_: object, timeout_seconds: float) -> Any:
    raise LineFault(Fault.TIMEOUT, f"no answer within {timeout_seconds:g} s")
