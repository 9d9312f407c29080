"""The seam between the daemon and whatever keeps its data (design note storage).

Every store does exactly what is said here; ``tests/store_contract.py`` is this text as tests. A write's
Deferred fires only when the write is durable. Writes take effect in the order in which they were asked for;
a read sees every write whose Deferred has fired. What cannot be done ends in a StorageError; a write that
needs a device which the store does not know is one of these cases.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred

    from ..readings import Plan, Report
    from .audit import AuditEntry
    from .records import (
        Batch,
        CommandRecord,
        CredentialRecord,
        DeviceRecord,
        EventRecord,
        Health,
        ModelRecord,
        Packed,
        PackedHour,
        Place,
        Snapshot,
        Unpacked,
    )


class Store(Protocol):
    """A place where readings and everything around them are kept."""

    @property
    def health(self) -> Health:
        """Whether what is handed over becomes durable, and since when."""

    def open(self) -> Deferred[Snapshot]:
        """Begin. Raises StorageError with one clear line when the data cannot be used; nothing is changed then."""

    def close(self) -> Deferred[None]:
        """Make durable what was handed over, then let go. Later calls raise StorageError."""

    # -- readings

    def append(self, batch: Batch) -> Deferred[None]:
        """Store all reports of ``batch``, move the device's cursor to it and keep the latest of each block.

        All of it becomes durable together. A batch at or below the cursor of the same boot is stored already:
        nothing changes. Any other is new, also one whose number this boot used 65,536 batches ago; another
        boot replaces the cursor. An older reading never replaces a newer latest one. A batch does not become
        durable while an earlier one of its device may still fail: the cursor would hide that one for ever.
        """

    def backfill(self, device_id: int, reports: Sequence[Report]) -> Deferred[None]:
        """Store reports that reached us by another way than the device's own batches, such as a capture.

        All of them become durable together. Where a report has its place already, nothing changes. The cursor does
        not move: what the device brings by itself, before or after, is stored as if they were not there. An older
        reading never replaces a newer latest one. Their hours are marked for packing, as with ``append``.
        """

    def reports(
        self, device_id: int, from_us: int, to_us: int, limit: int = 1000, after: Place | None = None
    ) -> Deferred[list[Report]]:
        """Reports of the log with ``from_us <= time_us < to_us`` in order of their places, at most ``limit``.

        ``after`` is the place of the last report of the page before. An unknown device has none. The log forgets what
        is packed (``forget``): ``history.reader`` puts both together.
        """

    # -- packed history: hours as chunks, days as summaries (design note storage, "Two layers of history")

    def unpacked(
        self, from_hour: int, to_hour: int, limit: int = 1000, device_id: int | None = None
    ) -> Deferred[list[Unpacked]]:
        """Hours of ``[from_hour, to_hour)`` with reports that are in no chunk yet, oldest first, at most ``limit``.

        Of one device, if one is named. The mark that an hour needs packing is durable together with its reports.
        """

    def save_packed(self, packed: PackedHour, mark: int | None, keep_seconds: int | None = None) -> Deferred[None]:
        """Put or replace the hour's chunk and its day's summary; the hour needs no packing any more.

        It does if its mark is no longer ``mark``: reports have come since that was read. ``keep_seconds``, counted
        from the end of the day, is for stores that must know beforehand when history ends; ``forget`` tells the others.
        """

    def unmark(self, hour: Unpacked) -> Deferred[None]:
        """There is nothing to pack in this hour, so it needs no packing; it does if its mark is another one by now."""

    def chunks(self, device_id: int, from_hour: int, to_hour: int, limit: int = 1000) -> Deferred[Packed]:
        """(hour, chunk) with ``from_hour <= hour < to_hour``, in order of hours, at most ``limit``."""

    def summaries(self, device_id: int, from_day: int, to_day: int, limit: int = 1000) -> Deferred[Packed]:
        """(day, summary) with ``from_day <= day < to_day``, in order of days, at most ``limit``."""

    def forget(self, device_id: int, log_before_us: int, packed_before_day: int) -> Deferred[None]:
        """History has an end: drop packed reports of the log before a time, and chunks and summaries before a day.

        Reports of an hour that needs packing stay; an unknown device has nothing to forget. Packed history ends by
        whole days, so that a day's summary never tells of hours whose chunks are gone.
        """

    def forget_removed(self, limit: int = 1000) -> Deferred[bool]:
        """Drop about ``limit`` rows of history that devices left behind which were removed; whether there may be more.

        For stores that would keep them for ever: in small steps, as this may be years of history.
        """

    # -- devices and what belongs to them

    def save_device(self, record: DeviceRecord) -> Deferred[None]:
        """Add the device, or replace what is known of it; its readings and the rest stay."""

    def remove_device(self, device_id: int) -> Deferred[None]:
        """Forget the device with its credentials, nonces, plans, commands, cursor and latest values.

        Its history can no longer be asked for, and goes with ``forget_removed`` or when its time is over: a later
        device of the same id starts clean. Events and the audit
        trail stay. An unknown device is no error.
        """

    def save_plan(self, device_id: int, plan: Plan) -> Deferred[None]:
        """Keep ``plan`` for good. Raises StorageError if its number is already that of a different plan."""

    def save_credential(self, record: CredentialRecord) -> Deferred[None]:
        """Put ``record`` into its slot. Raises StorageError for a third slot of a device."""

    def remove_credential(self, device_id: int, kid: int) -> Deferred[None]:
        """Empty the slot. An empty one is no error."""

    def save_nonces(self, device_id: int, memory: bytes) -> Deferred[None]:
        """Replace the device's nonce memory (opaque octets)."""

    # -- register maps

    def save_model(self, record: ModelRecord) -> Deferred[None]:
        """Keep this version and make it the current one of its name. Versions are never removed."""

    def models(self) -> Deferred[list[ModelRecord]]:
        """Every version; the last one of a name is the current one."""

    # -- commands

    def save_command(self, record: CommandRecord) -> Deferred[None]:
        """Add the command or replace its record.

        Raises Conflict when its idempotency key is already that of another command of the device.
        """

    def command(self, command_id: str) -> Deferred[CommandRecord | None]:
        """The command of that id."""

    def command_by_key(self, device_id: int, idempotency_key: str) -> Deferred[CommandRecord | None]:
        """The command of that device and key."""

    def commands(self, device_id: int, limit: int = 100) -> Deferred[list[CommandRecord]]:
        """The device's last commands, newest first."""

    # -- what happened

    def append_audit(
        self, time_us: int, who: str, source: str, device_id: int | None, action: str, detail: Mapping[str, Any]
    ) -> Deferred[AuditEntry]:
        """Add to the audit trail; the entry comes back with its number and hash."""

    def audit(
        self, limit: int = 100, before: int | None = None, device_id: int | None = None
    ) -> Deferred[list[AuditEntry]]:
        """The last entries with ``seq < before``, newest first; of one device only, if one is named."""

    def append_event(self, event: EventRecord) -> Deferred[EventRecord]:
        """Add the event; it comes back with its id."""

    def acknowledge_event(self, event_id: int, who: str) -> Deferred[None]:
        """Write down who has seen it. The first one stays. Raises StorageError for an unknown event."""

    def events(
        self, limit: int = 100, before: int | None = None, device_id: int | None = None
    ) -> Deferred[list[EventRecord]]:
        """The last events with ``event_id < before``, newest first; of one device only, if one is named."""

    # -- settings

    def put_setting(self, name: str, text: str) -> Deferred[None]:
        """Keep ``text`` under ``name``."""

    def setting(self, name: str) -> Deferred[str | None]:
        """The text kept under ``name``."""
