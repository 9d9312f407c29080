"""The server's side of a P24 connection, from the accepted init to its end (design note p24).

To the device's orders a session is a line: ``execute`` says a MODBUS request in P24 commands, and says what they gave
as a MODBUS response. The device never speaks unasked and its answers carry no identity, so any surprise closes the
link; to the device a close is the command to reboot and dial again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, succeed

from ...devices.orders import NotSent
from ...errors import Conflict, RemoteError
from ...framing.protocol import Pause
from ...modbus.pdu import Read, Request, decode_request
from ...modbus.protocol import LineFault
from ...modbus.responses import ExceptionCode, ExceptionResponse, exception_response
from ...readings import Fault, Plan
from .commands import Answer, Code, Command
from .pipeline import Pipeline
from .translation import commands_of, response_of

if TYPE_CHECKING:
    from ...devices.device import Device
    from ...devices.poller import Poller


@dataclass(frozen=True)
class P24Times:
    """Seconds; a device resets a connection that is idle for 60 (design note p24, "Timers of the device")."""

    keepalive_seconds: float = 25.0  #: silence after which the device is asked for a sign of life
    answer_seconds: float = 20.0  #: what is sent is answered by then: 1.5 on the serial line, the rest for the network
    idle_seconds: float = 60.0


@dataclass(eq=False)
class Acquaintance:
    """What is known of a device for as long as the daemon runs; it stays over connections, as the poller does."""

    device: Device
    poller: Poller
    unsupported: set[Code] = field(default_factory=set)  #: commands that it answered with "not implemented"
    count_fault: Callable[[Fault], None] = lambda fault: None  #: hears of each TIMEOUT and CRC, of any unit


@dataclass(eq=False)
class _Exchange:
    """One request while its commands are on their way."""

    request: Request
    missing: int  #: commands without an answer
    timeout_seconds: float
    values: list[int] = field(default_factory=list)
    answer: Deferred[bytes] = field(default_factory=Deferred)
    timer: Any = None


class P24Session:
    """One accepted connection; an ``interfaces.Above`` and a ``devices.device.Session``. See the module.

    ``check_allowed`` raises RemoteError as soon as the device may not be here any more. ``window`` is how many commands
    may be outstanding.
    """

    link = "p24"

    def __init__(
        self,
        known: Acquaintance,
        source: str,
        check_allowed: Callable[[], None],
        clock: Any,
        times: P24Times,
        window: int,
    ) -> None:
        self.source = source
        self._known = known
        self._device = known.device
        self._check_allowed = check_allowed
        self._clock = clock
        self._times = times
        self._window = window
        self._pipeline: Pipeline[_Exchange | None] = Pipeline(window)  # a keepalive is nobody's
        self._exchanges: set[_Exchange] = set()  # those not settled
        self._pauses = 0
        self._spoke_seconds = 0.0
        self._heard_seconds = 0.0
        self._next_tick: Any = None
        self._no_answer: Any = None

    # -- from below

    def started(self, below: Any) -> None:
        """The device is told that it is accepted; orders may flow."""
        self._below = below
        self._spoke_seconds = self._clock.seconds()
        self._tick()
        self._device.attach(self, self._window)
        if self._device.wanted is not None:
            self.want(self._device.wanted)

    def received(self, item: bytes) -> None:
        """One answer. Raises RemoteError for anything that is not due."""
        command, exchange, answer = self._pipeline.answered(item)
        self._heard_seconds = self._clock.seconds()
        self._no_answer.cancel()
        self._remember(command, answer)
        if exchange is not None and exchange in self._exchanges:
            self._advance(exchange, answer)
        self._send_due()

    def stopped(self, mood: str) -> None:
        """The connection is gone; whoever waits for an answer is told by the device's orders."""
        for timer in (self._next_tick, self._no_answer, *(one.timer for one in self._exchanges)):
            if timer is not None and timer.active():
                timer.cancel()
        self._exchanges = set()
        if self._device.session is self:
            self._known.poller.stop()
        self._device.detach(self, mood)

    # -- from above: the device's link

    def execute(self, unit: int, pdu: bytes, timeout_seconds: float) -> Deferred[bytes]:
        """Run one request on the equipment; what P24 cannot say is MODBUS exception 1.

        Fails with LineFault(TIMEOUT) when ``timeout_seconds`` pass without any answer of the device, and with the fault
        of the first command that has one. Answers to others count: the equipment is asked one command after the other,
        so this one waits its turn there. Fails with NotSent when a write could not go out within its time.
        """
        try:
            request = decode_request(pdu)
            commands = commands_of(unit, request)
        except RemoteError as error:
            return succeed(exception_response(pdu, error).encode())
        if commands[0].code in self._known.unsupported:
            return succeed(_unsupported(request))
        exchange = _Exchange(request, len(commands), timeout_seconds)
        exchange.timer = self._clock.callLater(timeout_seconds, self._look_at, exchange)
        self._exchanges.add(exchange)
        self._pipeline.put(commands, exchange)
        self._send_due()
        return exchange.answer

    def want(self, plan: Plan) -> None:
        """P24 devices hold no plans: the server reads by it."""
        if not self._pauses:
            self._known.poller.run(plan)

    def acknowledge(self) -> None:
        """P24 devices keep nothing that could be acknowledged."""

    def update_key(self, kid: int, secret: bytes) -> None:
        """Raises Conflict."""
        raise Conflict(f"device {self._device.record.name!r} comes over p24, which knows no secrets")

    def go_away(self, after_seconds: int, jitter_seconds: int) -> None:
        """P24 has no word for it; ``close`` makes the device reboot and dial again."""

    def close(self, mood: str) -> None:
        """End the session."""
        self._below.close(mood)

    def tap_into(self, capture: Any) -> None:
        """Let a capture hear this connection."""
        self._below.tap_into(capture)

    def pause(self) -> Pause:
        """Read nothing by plan until the answer is released; orders and keepalives go on."""
        self._pauses += 1
        self._known.poller.stop()
        return Pause(self._resume)

    # -- inside

    def _resume(self) -> None:
        self._pauses -= 1
        if self._device.session is self and self._device.wanted is not None:
            self.want(self._device.wanted)

    def _remember(self, command: Command, answer: Answer) -> None:
        if command.unit is None:
            return
        if answer.fault == ExceptionCode.ILLEGAL_FUNCTION:
            self._known.unsupported.add(command.code)
        elif answer.fault:
            fault = Fault(answer.fault)
            self._device.line_faults[command.unit, fault] += 1
            self._known.count_fault(fault)

    def _advance(self, exchange: _Exchange, answer: Answer) -> None:
        """An answer to one of its commands. After a fault the rest is not sent."""
        exchange.missing -= 1
        if answer.value is not None:
            exchange.values.append(answer.value)
        if answer.fault == ExceptionCode.ILLEGAL_FUNCTION:
            self._settle(exchange, _unsupported(exchange.request))
        elif answer.fault:
            self._settle(exchange, LineFault(Fault(answer.fault)))
        elif not exchange.missing:
            self._settle(exchange, response_of(exchange.request, exchange.values).encode())

    def _look_at(self, exchange: _Exchange) -> None:
        """Its time may be up. One timer, moved on by itself, not by every answer to any of a hundred exchanges."""
        left = self._heard_seconds + exchange.timeout_seconds - self._clock.seconds()
        if not isinstance(exchange.request, Read) and self._pipeline.is_waiting(exchange):
            seconds = f"{exchange.timeout_seconds:g} s"
            self._settle(exchange, NotSent(f"others were before it for {seconds}; nothing was sent, try again"))
        elif left > 0:
            exchange.timer = self._clock.callLater(left, self._look_at, exchange)
        else:
            self._settle(exchange, LineFault(Fault.TIMEOUT))

    def _settle(self, exchange: _Exchange, result: bytes | LineFault | NotSent) -> None:
        """Answers of its commands that still come are nobody's."""
        self._exchanges.remove(exchange)
        if exchange.timer.active():
            exchange.timer.cancel()
        if exchange.missing:
            self._pipeline.drop(exchange)
        if isinstance(result, bytes):
            exchange.answer.callback(result)
        else:
            exchange.answer.errback(result)

    def _send_due(self) -> None:
        """All that may go out, in one write; and somebody watches that it is answered."""
        octets = self._pipeline.due()
        if octets:
            self._spoke_seconds = self._clock.seconds()
            self._below.send(octets)
        if self._pipeline.outstanding and (self._no_answer is None or not self._no_answer.active()):
            self._no_answer = self._clock.callLater(self._times.answer_seconds, self._unanswered)

    def _unanswered(self) -> None:
        """A late answer could not be told from the next one's."""
        self._below.fail(RemoteError("no-answer", f"nothing for {self._times.answer_seconds:g} s"))

    def _tick(self) -> None:
        """Break the silence; end what is not allowed any more. One timer, moved on by itself, not by every packet."""
        try:
            self._check_allowed()
        except RemoteError as error:
            self._below.fail(error)
            return
        left = self._spoke_seconds + self._times.keepalive_seconds - self._clock.seconds()
        if left <= 0:
            self._pipeline.put([Command(Code.KEEPALIVE)], None)
            self._send_due()
            left = self._times.keepalive_seconds
        self._next_tick = self._clock.callLater(left, self._tick)


def _unsupported(request: Request) -> bytes:
    return ExceptionResponse(request.function, ExceptionCode.ILLEGAL_FUNCTION).encode()
