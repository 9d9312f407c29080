"""What the server asks the equipment through the device (design note smok4, "Writes to equipment").

A write that comes too late is not executed, and none is executed twice. Every request gets an answer: what the
unit said, or the MODBUS exception that tells why there is none.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred, fail, succeed
from twisted.python.failure import Failure

from ..devices.orders import Line, NotSent, Orders, Priority
from ..errors import LocalError, RemoteError
from ..links.smok4.messages import ModbusRequest
from ..modbus.pdu import Read, ReadIdentification, decode_request
from ..modbus.protocol import LineFault
from ..modbus.responses import ExceptionCode, ExceptionResponse, exception_response
from ..readings import Fault

#: A write runs only while ``(deadline - tick) mod 2**16`` is not larger.
LONGEST_LIFE_SECONDS = 600
_LONGEST_REPLY_OCTETS = 252


class TooLate(LocalError):
    """The deadline has passed while the request waited: nothing has happened."""


class Perishable(bytes):
    """A PDU that must not reach the equipment any more once ``is_fresh`` answers False."""

    is_fresh: Callable[[], bool]


class PunctualLine:
    """The line below the orders; keeps back what has perished in the queue."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def execute(self, unit: int, pdu: bytes, timeout_seconds: float) -> Deferred[bytes]:
        """As the line does it, or TooLate."""
        if isinstance(pdu, Perishable) and not pdu.is_fresh():
            return fail(TooLate("the deadline has passed"))
        return self._line.execute(unit, pdu, timeout_seconds)


class Requests:
    """The requests of one session; transaction numbers count for as long as it lasts.

    ``orders`` lead to a ``PunctualLine``; ``tick`` is the device's uptime as the server knows it.
    """

    def __init__(self, orders: Orders, tick: Callable[[], int], timeout_seconds: float) -> None:
        self._orders = orders
        self._tick = tick
        self._timeout_seconds = timeout_seconds
        self._over = False
        # By whether it writes, and txid: what waits or runs, and of each kind what was executed last.
        self._answers: dict[tuple[bool, int], Deferred[bytes]] = {}
        self._executed: dict[bool, int] = {}

    def serve(self, request: ModbusRequest) -> Deferred[bytes]:
        """The PDU to answer with; never fails."""
        try:
            writes = not isinstance(decode_request(request.pdu), Read | ReadIdentification)
        except RemoteError as error:
            return succeed(exception_response(request.pdu, error).encode())
        answer = self._answers.get((writes, request.txid))
        if answer is None:
            answer = self._answers[writes, request.txid] = Deferred()
            self._execute(request, writes).chainDeferred(answer)
        return _copy(answer)

    def stop(self) -> None:
        """The session is over: what has not begun is not begun any more."""
        self._over = True

    def _execute(self, request: ModbusRequest, writes: bool) -> Deferred[bytes]:
        pdu = Perishable(request.pdu)
        pdu.is_fresh = lambda: not self._over and (not writes or self._in_time(request))
        priority = Priority.OPERATOR_WRITE if writes else Priority.OPERATOR_READ
        answer = self._orders.ask(request.unit, pdu, priority, self._timeout_seconds)
        return answer.addCallbacks(self._checked, self._explained, (request, writes), errbackArgs=(request, writes))

    def _in_time(self, request: ModbusRequest) -> bool:
        return (request.deadline - self._tick()) % 0x10000 <= LONGEST_LIFE_SECONDS

    def _explained(self, failure: Failure, request: ModbusRequest, writes: bool) -> bytes:
        """Why there is no answer, as an exception. What was not executed may be asked again."""
        reason = failure.value
        if isinstance(reason, TooLate | NotSent):
            del self._answers[writes, request.txid]
            return _exception(request, ExceptionCode.SERVER_DEVICE_BUSY)
        self._remember(request, writes)
        if isinstance(reason, LineFault) and reason.fault is Fault.BUS_DOWN:
            return _exception(request, ExceptionCode.GATEWAY_PATH_UNAVAILABLE)
        return _exception(request, ExceptionCode.GATEWAY_TARGET_DEVICE_FAILED_TO_RESPOND)

    def _checked(self, reply: bytes, request: ModbusRequest, writes: bool) -> bytes:
        """MODBUS allows 253 octets, a MODBUS-RSP one less."""
        self._remember(request, writes)
        if len(reply) > _LONGEST_REPLY_OCTETS:
            return _exception(request, ExceptionCode.SERVER_DEVICE_FAILURE)
        return reply

    def _remember(self, request: ModbusRequest, writes: bool) -> None:
        """It was executed, perhaps: its answer is kept in place of the one before."""
        before = self._executed.get(writes)
        self._executed[writes] = request.txid
        if before is not None:
            del self._answers[writes, before]


def _exception(request: ModbusRequest, code: int) -> bytes:
    return ExceptionResponse(request.pdu[0], code).encode()


def _copy(answer: Deferred[bytes]) -> Deferred[bytes]:
    """Fires with the same reply, for one more who waits."""
    copy: Deferred[bytes] = Deferred()

    def pass_on(reply: bytes) -> bytes:
        copy.callback(reply)
        return reply

    answer.addCallback(pass_on)
    return copy
