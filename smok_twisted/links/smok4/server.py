"""The server's side of a SMOK/4 session, from WELCOME to the end: messages in, a ``Device`` above.

To the device's orders a session is a line: ``execute`` sends a MODBUS-REQ and answers with the PDU of the
MODBUS-RSP (design note smok4, "Messages").
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from twisted.internet.defer import Deferred, fail

from ...devices.orders import NotSent
from ...errors import LocalError, RemoteError, UserError
from ...handshake.messages import Login
from ...modbus.pdu import ReadIdentification
from ...modbus.protocol import LineFault
from ...readings import Fault, Plan, Table
from . import messages, plans
from .acks import AckPace
from .messages import Reason, Type
from .rounds import RoundDecoder

if TYPE_CHECKING:
    from ...devices.device import Device

#: A write that the device has not begun within so many seconds is not executed any more.
ORDER_LIFE_SECONDS = 30
#: A clock that is 10 % wrong is 24 s wrong after so long: a write's life is longer.
CLOCK_SECONDS = 240
#: Functions that change nothing, and have no deadline.
_READS = (*Table, ReadIdentification.function)
#: A device that has been silent for so many keepalives is asked for a sign of life.
_ASK_AFTER = 1.25


@dataclass(frozen=True)
class SessionTimes:
    """Seconds; the defaults of design note smok4, "Timers and limits"."""

    keepalive_seconds: int = 240  #: the device gives a sign of life at least so often; in steps of 10
    ack_seconds: float = 0.0  #: while batches come, the device hears of them at least so often; 0: of each
    age_seconds: float = 30 * 24 * 3600.0  #: then the device is asked to come again
    age_jitter: float = 0.1

    @property
    def idle_seconds(self) -> float:
        """Silence for so long ends the session."""
        return 2.5 * self.keepalive_seconds


class ServerSession:
    """One logged-in device. See the module."""

    link = "smok4"

    def __init__(
        self,
        device: Device,
        login: Login,
        source: str,
        clock: Any,
        times: SessionTimes = SessionTimes(),
        spread: Callable[[], float] = lambda: 1.0,
    ) -> None:
        self.source = source
        self._device = device
        self._clock = clock
        self._times = times
        self._max_body_octets = login.max_rx
        self._tick = (login.tick, clock.seconds())
        self._waiting: dict[int, tuple[Deferred[bytes], float]] = {}  # by txid: who waits, until when
        self._overdue: Any = None
        self._held: dict[int, tuple[int, bytes]] = {}  # txid -> unit and PDU, until the device has told its clock
        self._plan_number: int | None = None  # under which the DATA that follow were read
        self._decoder: RoundDecoder | None = None  # None: nobody here knows that plan
        self._told_plan: int | None = None
        self._owes_plan = False  # to a capture that did not hear how this session came by it
        self._stopped = False
        self._ack: Any = None
        self._pace = AckPace(times.ack_seconds)
        self._heard_seconds = clock.seconds()
        age_seconds = times.age_seconds * (1 - times.age_jitter * spread())
        self._old_seconds = clock.seconds() + age_seconds  # when it is asked to come again
        self._look: Any = None

    # -- from below

    def started(self, below: Any) -> None:
        """WELCOME is sent; orders may flow."""
        self._below = below
        self._look_after()
        self._device.attach(self)

    def received(self, body: bytes) -> None:
        """One message. Raises RemoteError when the device breaks the protocol."""
        self._heard_seconds = self._clock.seconds()
        handler = self._HANDLERS.get(body[0])
        if handler is not None:
            handler(self, body[1:])
        elif body[0] >= messages.FIRST_CRITICAL_TYPE:
            self._send(messages.bye(Reason.UNKNOWN_CRITICAL))
            raise RemoteError("unknown-critical", f"message type {body[0]:#04x}")
        elif body[0] in Type.__members__.values():
            raise RemoteError("unexpected-message", f"message type {body[0]:#04x} from a device")

    def stopped(self, mood: str) -> None:
        """The connection is gone; whoever waits for an answer is told by the device's orders."""
        self._stopped = True
        for timer in (self._look, self._ack, self._overdue):
            if timer is not None and timer.active():
                timer.cancel()
        self._ack, self._waiting, self._held = None, {}, {}
        self._device.detach(self, mood)

    # -- from above: the device's link

    def execute(self, unit: int, pdu: bytes, timeout_seconds: float) -> Deferred[bytes]:
        """Run one request on the equipment. Fails with LineFault(TIMEOUT) when no answer comes in time.

        A write has a deadline of the device's clock, which may run fast or slow: when it was told too long ago, the
        device is asked first. Fails with NotSent when it does not tell.
        """
        if len(pdu) + 6 > self._max_body_octets:
            return fail(UserError(f"the request has {len(pdu)} octets, the device takes {self._max_body_octets - 6}"))
        txid = self._device.next_txid()
        answer: Deferred[bytes] = Deferred()
        self._waiting[txid] = (answer, self._clock.seconds() + timeout_seconds)
        self._watch_answers(timeout_seconds)
        if pdu[0] in _READS or self._clock.seconds() - self._tick[1] <= CLOCK_SECONDS:
            self._request(txid, unit, pdu)
        else:
            self._held[txid] = (unit, pdu)
            self._send(messages.ping())
        return answer

    def want(self, plan: Plan) -> None:
        """Let the device read by this plan; told once, and only when the device holds another."""
        if self._plan_number != plan.number and self._told_plan != plan.number:
            self._told_plan = plan.number
            self._tell(plan)

    def acknowledge(self) -> None:
        """One more batch is durable. They become so in groups: one ACK tells of all of them."""
        if self._stopped:
            return
        wait_seconds = self._pace.durable(self._clock.seconds())
        if self._ack is None:
            self._ack = self._clock.callLater(wait_seconds, self._send_ack)
        else:
            self._ack.reset(wait_seconds)

    def update_key(self, kid: int, secret: bytes) -> None:
        """Give the device a new secret; ``Device.key_stored`` is called when it has it."""
        self._send(messages.key_update(kid, secret))

    def go_away(self, after_seconds: int, jitter_seconds: int) -> None:
        """Ask the device to come again later; it closes."""
        self._send(messages.go_away(messages.GoAway(after_seconds, jitter_seconds)))

    def close(self, mood: str) -> None:
        """End the session. A replaced one ends without a word: its device has long moved on."""
        if mood != "replaced":
            self._send(messages.bye(Reason.DONE))
        self._below.close(mood)

    def tap_into(self, capture: Any) -> None:
        """Let a capture hear this connection; whoever reads it must be able to tell what was reported.

        So the device is told its plan again, under the same number: the next report of each block is then full.
        """
        self._below.tap_into(capture)
        self._owes_plan = True
        self._pay_plan()

    def pause(self) -> Any:
        """Take nothing more from the device until the answer is released."""
        return self._below.pause()

    # -- messages

    def _ping(self, payload: bytes) -> None:
        tick = messages.decode_ping(payload)
        if tick is None:
            self._send(messages.ping())
        else:
            self._tick = (tick, self._clock.seconds())
            held, self._held = self._held, {}
            for txid, request in held.items():
                self._request(txid, *request)

    def _plan_ok(self, payload: bytes) -> None:
        number, status = messages.decode_plan_ok(payload)
        if status:
            self._device.plan_refused(number, status)
        elif number != self._plan_number:
            self._plan_number = number
            blocks = self._device.blocks_of(number)
            self._decoder = None if blocks is None else RoundDecoder(blocks)
        if self._device.wanted is not None:
            self.want(self._device.wanted)
            self._pay_plan()

    def _data(self, payload: bytes) -> None:
        if self._plan_number is None:
            raise RemoteError("data-before-planok")
        if len(payload) < 2:
            raise RemoteError("bad-data", "DATA without a batch number")
        self._pace.arrived(self._heard_seconds)
        batch = int.from_bytes(payload[:2])
        rounds = self._decoder.decode(payload[2:]) if self._decoder is not None else []
        self._device.take(batch, self._plan_number, rounds)

    def _modbus_response(self, payload: bytes) -> None:
        response = messages.decode_modbus_response(payload)
        if response.txid in self._waiting:  # else it comes too late, and its order was answered already
            answer, _ = self._waiting.pop(response.txid)
            answer.callback(response.pdu)

    def _event(self, payload: bytes) -> None:
        self._device.reported_event(*messages.decode_event(payload))

    def _key_ok(self, payload: bytes) -> None:
        self._device.key_stored(messages.decode_key_ok(payload))

    def _bye(self, payload: bytes) -> None:
        self._below.close(f"bye-{messages.decode_bye(payload)}")

    _HANDLERS: ClassVar[dict[int, Callable[[ServerSession, bytes], None]]] = {
        Type.PING: _ping,
        Type.DATA: _data,
        Type.MODBUS_RSP: _modbus_response,
        Type.EVENT: _event,
        Type.KEYOK: _key_ok,
        Type.BYE: _bye,
        Type.PLANOK: _plan_ok,
    }

    # -- inside

    def _tell(self, plan: Plan) -> None:
        self._owes_plan = False
        try:
            bodies = plans.encode(plan.number, plan.blocks, self._max_body_octets)
        except LocalError as reason:
            return self._device.plan_untold(plan.number, str(reason))
        for body in bodies:
            self._send(body)

    def _pay_plan(self) -> None:
        """Only the plan that the device says it reads by: one that is on its way comes first, or is what it is owed."""
        wanted = self._device.wanted
        if self._owes_plan and wanted is not None and self._plan_number == wanted.number:
            self._tell(wanted)

    def _look_after(self) -> None:
        """One timer a session, moved on by itself, not by every message: is it silent, is it old?"""
        now = self._clock.seconds()
        if now >= self._old_seconds:
            self._old_seconds = math.inf
            self.go_away(0, 60)
        left = self._heard_seconds + _ASK_AFTER * self._times.keepalive_seconds - now
        if left <= 0:
            self._send(messages.ping())
            left = self._times.keepalive_seconds
        self._look = self._clock.callLater(min(left, self._old_seconds - now), self._look_after)

    def _watch_answers(self, seconds: float) -> None:
        """One timer for all orders, which no answer stops: most orders come and go while it runs."""
        if self._overdue is None or not self._overdue.active():
            self._overdue = self._clock.callLater(seconds, self._answers_due)
        elif self._clock.seconds() + seconds < self._overdue.getTime():
            self._overdue.reset(seconds)

    def _answers_due(self) -> None:
        now = self._clock.seconds()
        for txid in [txid for txid, (_, until) in self._waiting.items() if until <= now]:
            if txid in self._waiting:  # else whoever heard of the one before has ended the session
                self._no_answer(txid)
        if self._waiting:
            self._watch_answers(min(until for _, until in self._waiting.values()) - now)

    def _no_answer(self, txid: int) -> None:
        answer, _ = self._waiting.pop(txid)
        if self._held.pop(txid, None) is not None:
            answer.errback(NotSent("the device was asked for its clock and did not answer"))
        else:
            answer.errback(LineFault(Fault.TIMEOUT))

    def _request(self, txid: int, unit: int, pdu: bytes) -> None:
        deadline = (self._now_tick() + ORDER_LIFE_SECONDS) & 0xFFFF
        self._send(messages.modbus_request(messages.ModbusRequest(txid, deadline, unit, pdu)))

    def _now_tick(self) -> int:
        tick, since = self._tick
        return (tick + int(self._clock.seconds() - since)) & 0xFFFF

    def _send(self, body: bytes) -> None:
        """An ACK that waits goes along: in the same segment it costs no header."""
        if self._ack is not None:
            self._ack.cancel()
            self._send_ack()
        self._below.send(body)

    def _send_ack(self) -> None:
        self._ack = None
        if not self._device.ledger.is_new:
            self._pace.told(self._clock.seconds())
            self._below.send(messages.ack(self._device.ledger.durable))
