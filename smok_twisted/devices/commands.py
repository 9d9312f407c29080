"""The life of a write that somebody asked for: queued, sent, and confirmed by read-back, refused, expired or unknown.

A write is never repeated. When its outcome is unknown it is settled by reading back, now or when the device is
there again (design note product, "Rules of conduct towards equipment"). Each ends in one audit entry.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from twisted.internet.defer import CancelledError, Deferred, inlineCallbacks
from twisted.internet.task import deferLater
from twisted.logger import Logger

from ..clock import WallClock
from ..errors import Conflict, Impossible, NotAllowed, NotFound, RemoteError, UserError
from ..modbus.protocol import LineFault
from ..modbus.responses import ExceptionCode, ModbusException, check_response, read_values
from ..readings import quality_of
from ..storage.records import CommandRecord
from .device import Device, Removed
from .orders import NotSent, OutcomeUnknown, Priority
from .writes import Write, check_device

if TYPE_CHECKING:
    from collections.abc import Generator

    from ..storage.interface import Store

#: A write that may wait and could not be sent, although the device is there, is tried again then.
TRY_AGAIN_SECONDS = 1.0
#: A user may let a write wait for its device so long at most.
LONGEST_EXPIRY_SECONDS = 7 * 24 * 3600
#: Exceptions of whoever stands between: the line may have failed after the unit had heard.
_NO_WORD_OF_THE_UNIT = (
    ExceptionCode.GATEWAY_PATH_UNAVAILABLE,
    ExceptionCode.GATEWAY_TARGET_DEVICE_FAILED_TO_RESPOND,
)
SETTLED = ("confirmed", "refused", "expired", "unknown")


class Asker(NamedTuple):
    """Who wants it, and from where."""

    who: str
    source: str


class Command:
    """One write on its way. ``record`` is what users see; it is replaced, never changed.

    It expires at ``until_seconds``, which is monotonic: a step of the wall clock neither ends a write nor prolongs it.
    """

    def __init__(self, record: CommandRecord, write: Write, asker: Asker, until_seconds: float | None = None) -> None:
        self.record = record
        self.write = write
        self.asker = asker
        self.until_seconds = until_seconds
        self._waiting: list[Deferred[CommandRecord]] = []

    @property
    def settled(self) -> bool:
        """Its state will not change by itself any more, but for an unknown one that is read back later."""
        return self.record.state in SETTLED

    def when_settled(self) -> Deferred[CommandRecord]:
        """Fires with the record; cancel it when nobody waits any more."""
        waiting: Deferred[CommandRecord] = Deferred(self._waiting.remove)
        self._waiting.append(waiting)
        if self.settled:
            self.tell()
        return waiting

    def tell(self) -> None:
        """Answer everybody who waits."""
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            one.callback(self.record)


class Commands:
    """All commands of the daemon. ``new_id()`` gives a text that no other command has, ``settled`` hears of ends."""

    log = Logger()

    def __init__(
        self,
        store: Store,
        clock: Any,
        wall_clock: WallClock,
        new_id: Callable[[], str],
        settled: Callable[[str], None] = lambda state: None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._wall_clock = wall_clock
        self._new_id = new_id
        self._settled = settled
        self._running: dict[str, Command] = {}

    def recover(self, pending: list[CommandRecord]) -> None:
        """After a restart nothing is written by itself: what was queued has expired, what was sent is unknown."""
        for record in pending:
            state = "expired" if record.state == "queued" else "unknown"
            body = {**record.body, "error": "the server was restarted meanwhile"}
            self._keep(replace(record, state=state, body=body))
            detail = {"command": record.command_id, "state": state, **body}
            self._store.append_audit(
                self._wall_clock(), record.who, "restart", record.device_id, "write", detail
            ).addErrback(self._not_kept)

    @inlineCallbacks
    def submit(
        self, device: Device, write: Write, asker: Asker, *, key: str | None = None, expires_in: float | None = None
    ) -> Generator[Any, Any, CommandRecord | Command]:
        """Begin a write; the same ``key`` again gives the command it began.

        Raises Conflict when the device is not connected and there is no ``expires_in`` (seconds).
        """
        if key is not None:
            stored = yield self._store.command_by_key(device.record.device_id, key)
            before = self._running_by_key(device, key) or stored
            if before is not None:
                return self._same(before, write)
        if expires_in is not None and not 0 < expires_in <= LONGEST_EXPIRY_SECONDS:
            raise Impossible(f"expires_in {expires_in} is not accepted: seconds, up to {LONGEST_EXPIRY_SECONDS}")
        if device.session is None and expires_in is None:
            raise Conflict(f"device {device.record.name!r} is not connected; `expires_in` lets the write wait for it")
        until_seconds = None if expires_in is None else self._clock.seconds() + expires_in
        command = Command(self._new_record(device, write, asker, key, expires_in), write, asker, until_seconds)
        self._running[command.record.command_id] = command
        self._keep(command.record)
        self._run(device, command).addErrback(self._crashed, command)
        return command

    @inlineCallbacks
    def find(self, device: Device, command_id: str) -> Generator[Any, Any, CommandRecord]:
        """The record of a command of this device. Raises NotFound."""
        running = self._running.get(command_id)
        record = running.record if running else (yield self._store.command(command_id))
        if record is None or record.device_id != device.record.device_id:
            raise NotFound(f"command {command_id!r} of device {device.record.name!r} does not exist")
        return record

    # -- the life

    @inlineCallbacks
    def _run(self, device: Device, command: Command) -> Generator[Any, Any, None]:
        while not command.settled:
            yield self._connected(device, command)
            if not command.settled:
                yield device.writing.run(self._attempt, device, command)
            if not command.settled:
                yield deferLater(self._clock, TRY_AGAIN_SECONDS)
        if command.record.state == "unknown":
            yield self._read_back_later(device, command)
        del self._running[command.record.command_id]

    @inlineCallbacks
    def _attempt(self, device: Device, command: Command) -> Generator[Any, Any, None]:
        """Read, write, read back. Returns with the command unsettled when nothing was sent and it may wait."""
        write = command.write
        try:
            before = yield self._read(device, write)
            if self._is_over(device, command):
                return
            self._change(command, state="sent", before=self._shown(write, before))
            pdu = yield device.orders.ask(write.unit, write.request.encode(), Priority.OPERATOR_WRITE)
            check_response(write.request, pdu)
        except (NotSent, OutcomeUnknown) as reason:
            self._link_lost(command, reason)
        except UserError as reason:  # such as a request longer than the device can take
            self._settle(command, "refused", error=f"not sent: {reason}")
        except (ModbusException, LineFault, RemoteError) as reason:
            yield self._failed(device, command, reason)
        else:
            yield self._verify(device, command)

    def _is_over(self, device: Device, command: Command) -> bool:
        """Looked at last before sending: a write that waited may have expired, or may not be done any more."""
        if command.until_seconds is not None and self._clock.seconds() >= command.until_seconds:
            self._settle(command, "expired", error="it could not be sent in time")
        else:
            try:
                check_device(device.record)
            except NotAllowed as reason:
                self._settle(command, "refused", error=f"not sent: {reason}")
        return command.settled

    def _link_lost(self, command: Command, reason: NotSent | OutcomeUnknown) -> None:
        """Only a write that was sent has an unknown outcome; else it may wait for its device until it expires."""
        if command.record.state == "sent" and isinstance(reason, OutcomeUnknown):
            self._settle(command, "unknown", error=str(reason))
        elif command.until_seconds is None:
            self._settle(command, "refused", error=f"not sent: {reason}")
        else:
            self._change(command, state="queued")

    @inlineCallbacks
    def _failed(self, device: Device, command: Command, reason: Exception) -> Generator[Any, Any, None]:
        """Before it was sent, or refused by the equipment: nothing has happened. Else only a read-back can tell."""
        certain = isinstance(reason, ModbusException) and reason.code not in _NO_WORD_OF_THE_UNIT
        if command.record.state == "queued" or certain:
            self._settle(command, "refused", error=_words(reason))
        else:
            yield self._verify(device, command, _words(reason))

    @inlineCallbacks
    def _verify(self, device: Device, command: Command, doubt: str | None = None) -> Generator[Any, Any, None]:
        """Read back; ``doubt`` says why it is not even sure that the write was executed."""
        write = command.write
        try:
            words = yield self._read(device, write)
        except (NotSent, OutcomeUnknown, ModbusException, LineFault, RemoteError) as reason:
            doubt = doubt or f"the read-back failed: {_words(reason)}"
            self._settle(command, "unknown", error=doubt)
            return
        if words is None:
            self._settle(command, "unknown" if doubt else "confirmed", **({"error": doubt} if doubt else {}))
        elif words == write.words:
            self._settle(command, "confirmed", read_back=self._shown(write, words))
        else:
            read_back = self._shown(write, words)
            self._settle(command, "refused", read_back=read_back, error=f"the equipment holds {read_back}")

    @inlineCallbacks
    def _read_back_later(self, device: Device, command: Command) -> Generator[Any, Any, None]:
        """The link was lost after sending: read, never write, as soon as the device is there again."""
        if command.write.read_back is None or device.session is not None:
            return
        doubt = str(command.record.body.get("error"))
        try:
            yield device.connected()
        except Removed as reason:
            self._settle(command, "unknown", error=f"{doubt}, and {reason} before it could be read back")
        else:
            yield device.writing.run(self._verify, device, command, doubt)

    # -- parts

    @inlineCallbacks
    def _read(self, device: Device, write: Write) -> Generator[Any, Any, tuple[int, ...] | None]:
        if write.read_back is None:
            return None
        pdu = yield device.orders.ask(write.unit, write.read_back.encode(), Priority.OPERATOR_WRITE)
        words = read_values(write.read_back, pdu)
        if write.point is not None:
            device.values.read_alone(write.point, self._wall_clock(), words)
        return write.kept(words)

    @staticmethod
    def _shown(write: Write, words: tuple[int, ...] | None) -> Any:
        return None if words is None else write.shown(words)

    @inlineCallbacks
    def _connected(self, device: Device, command: Command) -> Generator[Any, Any, None]:
        """Wait for the device; the command is settled if it does not come any more, or not before the end."""
        if command.until_seconds is None:
            return
        arrival = device.connected()
        timer = self._clock.callLater(max(0.0, command.until_seconds - self._clock.seconds()), arrival.cancel)
        try:
            yield arrival
        except CancelledError:
            self._settle(command, "expired", error="the device did not come in time")
        except Removed as reason:
            self._settle(command, "refused", error=f"not sent: {reason}")
        finally:
            if timer.active():
                timer.cancel()

    def _new_record(
        self, device: Device, write: Write, asker: Asker, key: str | None, expires_in: float | None
    ) -> CommandRecord:
        now_us = self._wall_clock()
        body = {"point": write.point, "value": write.shown(write.words), "before": None, "read_back": None}
        return CommandRecord(
            self._new_id(), device.record.device_id, "queued", now_us, asker.who, write.point,
            None if expires_in is None else now_us + int(expires_in * 1e6), key, body,
        )  # fmt: skip

    def _running_by_key(self, device: Device, key: str) -> Command | None:
        names = (device.record.device_id, key)
        running = self._running.values()
        return next((one for one in running if (one.record.device_id, one.record.idempotency_key) == names), None)

    @staticmethod
    def _same(before: CommandRecord | Command, write: Write) -> CommandRecord | Command:
        record = before.record if isinstance(before, Command) else before
        if (record.body.get("point"), record.body.get("value")) != (write.point, write.shown(write.words)):
            raise Conflict(f"Idempotency-Key {record.idempotency_key!r} was used for another command; take a new one")
        return before

    def _change(self, command: Command, state: str, **body: Any) -> None:
        command.record = replace(command.record, state=state, body={**command.record.body, **body})
        self._keep(command.record)

    def _settle(self, command: Command, state: str, **body: Any) -> None:
        self._change(command, state, **body)
        command.tell()
        self._settled(state)
        record, write = command.record, command.write
        detail = {"command": record.command_id, "state": state, "pdu": write.request.encode().hex(), **record.body}
        self._store.append_audit(
            self._wall_clock(), command.asker.who, command.asker.source, record.device_id, "write", detail
        ).addErrback(self._not_kept)

    def _keep(self, record: CommandRecord) -> None:
        self._store.save_command(record).addErrback(self._not_kept)

    def _not_kept(self, failure: Any) -> None:
        self.log.error("a command's record is not kept: {reason}", reason=failure.getErrorMessage())

    def _crashed(self, failure: Any, command: Command) -> None:
        self.log.failure("command {id}", failure=failure, id=command.record.command_id)
        self._running.pop(command.record.command_id, None)
        if not command.settled:
            state = "unknown" if command.record.state == "sent" else "refused"
            self._settle(command, state, error="an internal error; the log of the daemon has it")


def _words(reason: Exception) -> str:
    """A fault as users read it."""
    if isinstance(reason, LineFault):
        return f"the equipment did not answer ({quality_of(reason.fault)})"
    return str(reason)
