"""The device's side of a SMOK/4 session, from WELCOME to the end (design note smok4, "Messages").

``Backlog`` is where readings are kept, ``Host`` the rest of the device; ``upload`` sends the readings.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from ...clock import WallClock
from ...errors import RemoteError
from ...handshake.messages import Welcome
from ...interfaces import Below
from ...readings import Block
from . import messages
from .messages import ModbusRequest, ModbusResponse, Reason, Type
from .plans import PlanAssembler
from .upload import Backlog, Upload

#: Why a PLAN was not taken, in PLANOK; the note leaves the numbers to us.
PLAN_IMPOSSIBLE = 1
PLAN_NOT_KEPT = 2


class Host(Protocol):
    """The rest of the device. What returns a Deferred fires when it is durable, or fails."""

    def tick(self) -> int:
        """Uptime in seconds mod 2**16."""

    def take_plan(self, number: int, blocks: tuple[Block, ...]) -> Deferred[None]:
        """Read by this plan from now on."""

    def take_secret(self, kid: int, secret: bytes) -> Deferred[None]:
        """Put it into the spare slot and read it back; log in with it next time. Raises RemoteError."""

    def take_servers(self, addresses: list[str]) -> None:
        """Dial these from now on."""

    def go_away(self, after_seconds: int, jitter_seconds: int) -> None:
        """Connect again then; this session is about to close."""

    def serve(self, request: ModbusRequest) -> Deferred[bytes]:
        """The PDU to answer with; never fails."""

    def session_over(self, mood: str) -> None:
        """Nothing comes from this session any more."""


class DeviceSession:
    """One session; an ``interfaces.Above`` for what follows ``welcome``. ``clock`` gives timers."""

    _log = Logger()
    _below: Below[bytes]

    def __init__(self, welcome: Welcome, backlog: Backlog, host: Host, clock: Any, wall_clock: WallClock) -> None:
        self._cursor = welcome.cursor
        self._backlog = backlog
        self._host = host
        self._upload = Upload(backlog, self._send, self._renumber, clock, wall_clock)
        self._keepalive = Keepalive(10 * welcome.keepalive_10s, clock, self._ask)
        self._assembler = PlanAssembler()
        self._handlers: dict[int, Callable[[bytes], None]] = {
            Type.PING: self._ping,
            Type.ACK: self._ack,
            Type.MODBUS_REQ: self._modbus_request,
            Type.KEYUPDATE: self._key_update,
            Type.GOAWAY: self._go_away,
            Type.BYE: self._bye,
            Type.PLAN: self._plan,
            Type.SERVERS: self._servers,
        }

    # -- from below

    def started(self, below: Below[bytes]) -> None:
        """WELCOME has verified. A cursor of 0 says that nothing is stored yet."""
        self._below = below
        self._keepalive.start()
        if self._cursor and not self._backlog.settle(self._cursor):
            self._backlog.begin_anew()
            self._renumber()
        else:
            self._upload.start()

    def received(self, body: bytes) -> None:
        """One message. Raises RemoteError when the server breaks the protocol."""
        self._keepalive.heard()
        handler = self._handlers.get(body[0])
        if handler is not None:
            handler(body[1:])
        elif body[0] >= messages.FIRST_CRITICAL_TYPE:
            self._send(messages.bye(Reason.UNKNOWN_CRITICAL))
            raise RemoteError("unknown-critical", f"message type {body[0]:#04x}")
        elif body[0] in Type.__members__.values():
            raise RemoteError("unexpected-message", f"message type {body[0]:#04x} from a server")

    def stopped(self, mood: str) -> None:
        """The connection is gone; what was sent and not acknowledged is still kept."""
        self._upload.stop()
        self._keepalive.stop()
        self._host.session_over(mood)

    # -- from above

    def close(self, mood: str) -> None:
        """Say BYE and close."""
        self._upload.stop()
        self._send(messages.bye(Reason.DONE))
        self._below.close(mood)

    # -- messages

    def _ping(self, payload: bytes) -> None:
        if messages.decode_ping(payload) is not None:
            raise RemoteError("bad-message", "a PING with a tick from a server")
        if not self._keepalive.is_answer():
            self._send(messages.ping(self._host.tick()))

    def _ack(self, payload: bytes) -> None:
        number = messages.decode_ack(payload)
        if not self._upload.acknowledged(number):
            raise RemoteError("bad-ack", f"batch {number} was never sent")

    def _plan(self, payload: bytes) -> None:
        """A plan that cannot be is refused by its number; the one that is held goes on."""
        try:
            whole = self._assembler.add(payload)
        except RemoteError as error:
            if len(payload) < 2:
                raise
            self._log.warn("a plan is refused: {reason}", reason=error.detail)
            self._send(messages.plan_ok(int.from_bytes(payload[:2]), PLAN_IMPOSSIBLE))
            return
        if whole is not None:
            self._whole_plan(*whole)

    def _whole_plan(self, number: int, blocks: tuple[Block, ...]) -> None:
        if number == self._backlog.plan:
            self._upload.confirm_plan()
        else:
            kept = self._host.take_plan(number, blocks)
            kept.addCallbacks(lambda _: self._upload.confirm_plan(), self._plan_not_kept, errbackArgs=(number,))

    def _plan_not_kept(self, failure: Failure, number: int) -> None:
        self._log.error("plan {number} is not kept: {reason}", number=number, reason=failure.getErrorMessage())
        self._send(messages.plan_ok(number, PLAN_NOT_KEPT))

    def _modbus_request(self, payload: bytes) -> None:
        request = messages.decode_modbus_request(payload)
        self._host.serve(request).addCallback(self._answer, request.txid)

    def _answer(self, pdu: bytes, txid: int) -> None:
        self._send(messages.modbus_response(ModbusResponse(txid, pdu)))

    def _key_update(self, payload: bytes) -> None:
        kid, secret = messages.decode_key_update(payload)
        kept = self._host.take_secret(kid, secret)
        kept.addCallbacks(lambda _: self._send(messages.key_ok(kid)), self._key_not_kept)

    def _key_not_kept(self, failure: Failure) -> None:
        self._log.error("a new secret is not kept: {reason}", reason=failure.getErrorMessage())

    def _servers(self, payload: bytes) -> None:
        self._host.take_servers(messages.decode_servers(payload))

    def _go_away(self, payload: bytes) -> None:
        self._host.go_away(*messages.decode_go_away(payload))
        self.close("goaway")

    def _bye(self, payload: bytes) -> None:
        self._upload.stop()
        self._below.close(f"bye-{messages.decode_bye(payload)}")

    # -- inside

    def _send(self, body: bytes) -> None:
        self._below.send(body)

    def _ask(self) -> None:
        self._send(messages.ping())

    def _renumber(self) -> None:
        self.close("renumbering")


class Keepalive:
    """Asks when nothing was heard for ``seconds``. One timer, which messages do not touch."""

    def __init__(self, seconds: float, clock: Any, ask: Callable[[], None]) -> None:
        self._seconds = seconds
        self._clock = clock
        self._ask = ask
        self._heard_seconds = 0.0
        self._asked = False
        self._timer: Any = None

    def start(self) -> None:
        """The session begins."""
        self.heard()
        self._timer = self._clock.callLater(self._seconds, self._look)

    def heard(self) -> None:
        """A message has come."""
        self._heard_seconds = self._clock.seconds()

    def is_answer(self) -> bool:
        """Whether an empty PING answers ours; one more is a question."""
        asked, self._asked = self._asked, False
        return asked

    def stop(self) -> None:
        """The session is over."""
        self._timer.cancel()

    def _look(self) -> None:
        silent_seconds = self._clock.seconds() - self._heard_seconds
        if silent_seconds >= self._seconds:
            self._asked = True
            self._ask()
            silent_seconds = 0.0
        self._timer = self._clock.callLater(self._seconds - silent_seconds, self._look)
