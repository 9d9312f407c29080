"""The client of MODBUS RTU, over a serial port or any other stream of frames.

An RTU answer carries no number, so a late one looks like the answer to the next request. After a failure the next
request therefore waits until the line has been silent for as long as the answer was waited for (design note dtu,
rule 5): an answer that is late by no more than that is never taken for another.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure

from ..errors import LocalError, RemoteError
from ..readings import Fault
from . import rtu
from .pdu import Request
from .protocol import LineFault
from .responses import ModbusException, Response, check_response

#: A line that goes on for so long, instead of falling silent, is given up.
LONGEST_BABBLE_SECONDS = 10.0
#: More than so many octets are no answer with noise around it; looking for one in them would only cost time.
MOST_OCTETS_PER_ANSWER = 4 * rtu.MAX_FRAME_OCTETS


@dataclass(eq=False)
class _Exchange:
    """One request on a serial line, from when it was asked for to its end."""

    unit: int
    request: Request
    timeout_seconds: float
    answer: Deferred[Response]
    give_up_at: float
    decoder: rtu.Decoder | None = None  #: there once the request has been sent
    fault: Fault = Fault.TIMEOUT  #: what it will have been if no answer comes
    heard_octets: int = 0


class RtuClient(Protocol):
    """One request at a time. ``clock`` is the reactor; ``gap_seconds`` is the silence kept between frames, and
    ``settle_seconds`` the one before the first request.

    Whatever comes that is no answer is passed over, since the answer may stand behind it; so a request fails only when
    its time is up, with the worst that was heard: nothing, something else, or a frame whose CRC was wrong.
    """

    transport: Any

    def __init__(self, clock: Any, gap_seconds: float = 0.0, settle_seconds: float = 0.0) -> None:
        self.is_up = False
        self.gone: Deferred[None] = Deferred()
        self.stray_octets = 0  #: heard while nothing was asked: late answers, or noise
        self._clock = clock
        self._gap_seconds = gap_seconds
        self._exchange: _Exchange | None = None
        self._timer: Any = None
        self._settle_seconds = settle_seconds  # how long the line must have been silent
        self._silent_at = 0.0  # when that will be so if nothing is heard

    def connectionMade(self) -> None:
        self.is_up = True
        self._silent_at = self._clock.seconds() + self._settle_seconds

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        self.is_up = False
        if self._exchange is not None:
            self._end(self._exchange, LineFault(Fault.BUS_DOWN, reason.getErrorMessage()), self._gap_seconds)
        self.gone.callback(None)

    def request(self, unit: int, request: Request, timeout_seconds: float) -> Deferred[Response]:
        """See ``protocol.Client``. Raises LocalError while another request is outstanding."""
        if not self.is_up:
            return fail(LineFault(Fault.BUS_DOWN, "not connected"))
        if self._exchange is not None:
            raise LocalError("a request is outstanding, a serial line takes one at a time")
        give_up_at = self._clock.seconds() + 2 * self._settle_seconds + LONGEST_BABBLE_SECONDS
        exchange = _Exchange(unit, request, timeout_seconds, Deferred(self._cancelled), give_up_at)
        self._exchange = exchange
        self._send_when_silent(exchange)
        return exchange.answer

    def dataReceived(self, data: bytes) -> None:
        exchange = self._exchange
        if exchange is None or exchange.decoder is None:
            self.stray_octets += len(data)
            self._silent_at = self._clock.seconds() + self._settle_seconds
            return
        exchange.heard_octets += len(data)
        if exchange.heard_octets > MOST_OCTETS_PER_ANSWER:
            self._end(exchange, LineFault(Fault.WRONG_REPLY, "the line babbles"), exchange.timeout_seconds)
            return
        exchange.decoder.feed(data)
        self._decode(exchange, exchange.decoder)

    def _send_when_silent(self, exchange: _Exchange) -> None:
        wait_seconds = self._silent_at - self._clock.seconds()
        if wait_seconds <= 0:
            exchange.decoder = rtu.response_decoder(exchange.unit, exchange.request)
            self._timer = self._clock.callLater(exchange.timeout_seconds, self._time_is_up, exchange, exchange.decoder)
            self.transport.write(rtu.build_frame(exchange.unit, exchange.request.encode()))
        elif self._silent_at > exchange.give_up_at:
            self._end(exchange, LineFault(Fault.WRONG_REPLY, "the line does not fall silent"), self._settle_seconds)
        else:
            self._timer = self._clock.callLater(wait_seconds, self._send_when_silent, exchange)

    def _decode(self, exchange: _Exchange, decoder: rtu.Decoder) -> None:
        while self._exchange is exchange and (found := decoder.next()) is not None:
            if isinstance(found, rtu.Frame):
                self._received(exchange, found.pdu)
            elif found.crc:
                exchange.fault = Fault.CRC
            elif exchange.fault is Fault.TIMEOUT:
                exchange.fault = Fault.WRONG_REPLY

    def _received(self, exchange: _Exchange, pdu: bytes) -> None:
        try:
            response = check_response(exchange.request, pdu)
        except RemoteError:
            exchange.fault = Fault.WRONG_REPLY
        except ModbusException as exception:
            self._end(exchange, exception, self._gap_seconds)
        else:
            self._end(exchange, response, self._gap_seconds)

    def _time_is_up(self, exchange: _Exchange, decoder: rtu.Decoder) -> None:
        """What still looks like the begin of an answer is none: the answer may stand behind it."""
        while self._exchange is exchange and decoder.silence() is not None:
            exchange.fault = Fault.CRC if exchange.fault is Fault.CRC else Fault.WRONG_REPLY
            self._decode(exchange, decoder)
        if self._exchange is exchange:
            detail = f"no answer of unit {exchange.unit} within {exchange.timeout_seconds:g} s"
            self._end(exchange, LineFault(exchange.fault, detail), exchange.timeout_seconds)

    def _end(self, exchange: _Exchange, result: Response | Exception, settle_seconds: float) -> None:
        self._forget()
        self._settle(settle_seconds)
        if isinstance(result, Exception):
            exchange.answer.errback(result)
        else:
            exchange.answer.callback(result)

    def _cancelled(self, _: object) -> None:
        """Nobody wants the answer any more; once asked for, it may come all the same."""
        exchange = self._forget()
        if exchange is not None and exchange.decoder is not None:
            self._settle(exchange.timeout_seconds)

    def _forget(self) -> _Exchange | None:
        exchange, self._exchange = self._exchange, None
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        return exchange

    def _settle(self, seconds: float) -> None:
        self._settle_seconds = seconds
        self._silent_at = self._clock.seconds() + seconds
