"""A store that forgets: dictionaries behind the face of ``interface``. Most tests assert on it.

Every Deferred has fired when it is returned. ``MemoryData`` outlives the store, as a file would: hand the same one to
a second ``MemoryStore`` and it is a restart.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from twisted.internet.defer import Deferred, execute, fail, succeed

from ..errors import Conflict, StorageError
from ..readings import Plan, Report
from .audit import AuditEntry, chained, to_json
from .blob import encode
from .copying import Writable
from .memory_data import DeviceData, MemoryData
from .records import (
    CREDENTIAL_SLOTS,
    HOUR_US,
    HOURS_A_DAY,
    PENDING_STATES,
    Adopted,
    Batch,
    CommandRecord,
    CredentialRecord,
    Cursor,
    DeviceRecord,
    EventRecord,
    Health,
    ModelRecord,
    Packed,
    PackedHour,
    Place,
    Snapshot,
    Unpacked,
    place_of,
    unknown_device,
)

P = ParamSpec("P")
T = TypeVar("T")


def _at_once(
    method: Callable[Concatenate[MemoryStore, P], T],
) -> Callable[Concatenate[MemoryStore, P], Deferred[T]]:
    """The same method with its result, or what it raises, in a Deferred that has fired."""

    @wraps(method)
    def call(self: MemoryStore, /, *arguments: P.args, **keywords: P.kwargs) -> Deferred[T]:
        if not self._is_open:
            return fail(StorageError("the memory store is not open"))
        return execute(method, self, *arguments, **keywords)

    return call


class MemoryStore(Writable):
    """The promises of each method are those of ``Store`` and ``copying.Writable``."""

    def __init__(self, data: MemoryData | None = None) -> None:
        self.data = data or MemoryData()
        self._is_open = False

    @property
    def health(self) -> Health:
        return Health("ok" if self._is_open else "closed", since_us=0)

    def open(self) -> Deferred[Snapshot]:
        self._is_open = True
        return self._snapshot()

    def close(self) -> Deferred[None]:
        self._is_open = False
        return succeed(None)

    @_at_once
    def append(self, batch: Batch) -> None:
        for report in batch.reports:
            encode(report.blocks)
        device = self._device(batch.device_id)
        if device.cursor is not None and device.cursor.covers(batch.boot, batch.batch):
            return
        device.keep(batch.reports)
        device.cursor = Cursor(batch.boot, batch.batch)

    @_at_once
    def backfill(self, device_id: int, reports: Sequence[Report]) -> None:
        for report in reports:
            encode(report.blocks)
        self._device(device_id).keep(reports)

    @_at_once
    def reports(
        self, device_id: int, from_us: int, to_us: int, limit: int = 1000, after: Place | None = None
    ) -> list[Report]:
        device = self.data.devices.get(device_id)
        found = [report for report in device.reports if from_us <= report.time_us < to_us] if device else []
        return [report for report in found if after is None or place_of(report) > after][:limit]

    @_at_once
    def unpacked(
        self, from_hour: int, to_hour: int, limit: int = 1000, device_id: int | None = None
    ) -> list[Unpacked]:
        found = [
            Unpacked(id_, hour, mark)
            for id_, device in self.data.devices.items()
            for hour, mark in device.unpacked.items()
            if from_hour <= hour < to_hour and device_id in (None, id_)
        ]
        return sorted(found, key=lambda one: one.hour)[:limit]

    @_at_once
    def save_packed(self, packed: PackedHour, mark: int | None, keep_seconds: int | None = None) -> None:
        device = self._device(packed.device_id)
        device.chunks[packed.hour] = packed.chunk
        device.summaries[packed.hour // HOURS_A_DAY] = packed.summary
        if device.unpacked.get(packed.hour) == mark:
            del device.unpacked[packed.hour]

    @_at_once
    def unmark(self, hour: Unpacked) -> None:
        device = self.data.devices.get(hour.device_id)
        if device is not None and device.unpacked.get(hour.hour) == hour.mark:
            device.unpacked.pop(hour.hour, None)

    @_at_once
    def chunks(self, device_id: int, from_hour: int, to_hour: int, limit: int = 1000) -> Packed:
        device = self.data.devices.get(device_id)
        return _between(device.chunks, from_hour, to_hour, limit) if device else []

    @_at_once
    def summaries(self, device_id: int, from_day: int, to_day: int, limit: int = 1000) -> Packed:
        device = self.data.devices.get(device_id)
        return _between(device.summaries, from_day, to_day, limit) if device else []

    @_at_once
    def forget(self, device_id: int, log_before_us: int, packed_before_day: int) -> None:
        device = self.data.devices.get(device_id)
        if device is None:
            return
        device.reports = [
            one for one in device.reports if one.time_us >= log_before_us or one.time_us // HOUR_US in device.unpacked
        ]
        before_hour = packed_before_day * HOURS_A_DAY
        device.chunks = {hour: octets for hour, octets in device.chunks.items() if hour >= before_hour}
        device.summaries = {day: octets for day, octets in device.summaries.items() if day >= packed_before_day}

    @_at_once
    def forget_removed(self, limit: int = 1000) -> bool:
        return False  # it went with its device

    @_at_once
    def adopt(self, device_id: int, part: Adopted) -> None:
        for report in part.reports:
            encode(report.blocks)
        device = self._device(device_id)
        for report in part.reports:
            device.insert(report)
        for hour in part.unpacked:
            device.unpacked[hour] = device.unpacked.get(hour, 0) + 1
        device.chunks.update(part.chunks)
        device.summaries.update(part.summaries)
        device.latest.update(part.latest)
        device.cursor = part.cursor or device.cursor

    @_at_once
    def save_device(self, record: DeviceRecord) -> None:
        self.data.devices.setdefault(record.device_id, DeviceData(record)).record = record

    @_at_once
    def remove_device(self, device_id: int) -> None:
        self.data.devices.pop(device_id, None)

    @_at_once
    def save_plan(self, device_id: int, plan: Plan) -> None:
        known = self._device(device_id).plans.setdefault(plan.number, plan)
        if known != plan:
            raise StorageError(f"plan {plan.number} of device 0x{device_id:016x} is another one: take a new number")

    @_at_once
    def save_credential(self, record: CredentialRecord) -> None:
        slots = self._device(record.device_id).credentials
        if len(slots.keys() - {record.kid}) >= CREDENTIAL_SLOTS:
            raise StorageError(f"device 0x{record.device_id:016x} has {len(slots)} secrets already: remove one first")
        slots[record.kid] = record

    @_at_once
    def remove_credential(self, device_id: int, kid: int) -> None:
        if device_id in self.data.devices:
            self.data.devices[device_id].credentials.pop(kid, None)

    @_at_once
    def save_nonces(self, device_id: int, memory: bytes) -> None:
        self._device(device_id).nonces = memory

    @_at_once
    def save_model(self, record: ModelRecord) -> None:
        self.data.models.pop((record.name, record.version), None)
        self.data.models[record.name, record.version] = record

    @_at_once
    def models(self) -> list[ModelRecord]:
        return list(self.data.models.values())

    @_at_once
    def save_command(self, record: CommandRecord) -> None:
        commands = self._device(record.device_id).commands
        namesake = _of_key(commands, record.idempotency_key)
        if namesake is not None and namesake.command_id != record.command_id:
            raise Conflict(f"idempotency key {record.idempotency_key!r} belongs to another command")
        commands[record.command_id] = replace(record, body=_plain(record.body))

    @_at_once
    def command(self, command_id: str) -> CommandRecord | None:
        found = [device.commands.get(command_id) for device in self.data.devices.values()]
        return next(filter(None, found), None)

    @_at_once
    def command_by_key(self, device_id: int, idempotency_key: str) -> CommandRecord | None:
        device = self.data.devices.get(device_id)
        return _of_key(device.commands, idempotency_key) if device else None

    @_at_once
    def commands(self, device_id: int, limit: int = 100) -> list[CommandRecord]:
        device = self.data.devices.get(device_id)
        return list(device.commands.values())[::-1][:limit] if device else []

    @_at_once
    def append_audit(
        self, time_us: int, who: str, source: str, device_id: int | None, action: str, detail: Mapping[str, Any]
    ) -> AuditEntry:
        newest = self.data.audit[-1] if self.data.audit else None
        entry = chained(newest, time_us, who, source, device_id, action, detail)
        self.data.audit.append(entry)
        return entry

    @_at_once
    def audit(self, limit: int = 100, before: int | None = None, device_id: int | None = None) -> list[AuditEntry]:
        older = self.data.audit if before is None else self.data.audit[: max(0, before - 1)]
        return [entry for entry in reversed(older) if device_id in (None, entry.device_id)][:limit]

    @_at_once
    def append_event(self, event: EventRecord) -> EventRecord:
        kept = replace(event, detail=_plain(event.detail), event_id=len(self.data.events) + 1)
        self.data.events.append(kept)
        return kept

    @_at_once
    def acknowledge_event(self, event_id: int, who: str) -> None:
        if not 1 <= event_id <= len(self.data.events):
            raise StorageError(f"event {event_id} is not known to the store")
        event = self.data.events[event_id - 1]
        self.data.events[event_id - 1] = replace(event, acknowledged_by=event.acknowledged_by or who)

    @_at_once
    def events(self, limit: int = 100, before: int | None = None, device_id: int | None = None) -> list[EventRecord]:
        older = self.data.events if before is None else self.data.events[: max(0, before - 1)]
        return [event for event in reversed(older) if device_id in (None, event.device_id)][:limit]

    @_at_once
    def put_setting(self, name: str, text: str) -> None:
        self.data.settings[name] = text

    @_at_once
    def setting(self, name: str) -> str | None:
        return self.data.settings.get(name)

    @_at_once
    def settings(self) -> dict[str, str]:
        return dict(self.data.settings)

    @_at_once
    def rest(self) -> None:
        pass

    def _device(self, device_id: int) -> DeviceData:
        if device_id not in self.data.devices:
            raise unknown_device(device_id)
        return self.data.devices[device_id]

    @_at_once
    def _snapshot(self) -> Snapshot:
        devices = self.data.devices
        commands = [command for device in devices.values() for command in device.commands.values()]
        return Snapshot(
            devices={id_: device.record for id_, device in devices.items()},
            models=list(self.data.models.values()),
            plans={id_: dict(device.plans) for id_, device in devices.items() if device.plans},
            credentials={id_: dict(device.credentials) for id_, device in devices.items() if device.credentials},
            nonces={id_: device.nonces for id_, device in devices.items() if device.nonces is not None},
            cursors={id_: device.cursor for id_, device in devices.items() if device.cursor is not None},
            latest={id_: dict(device.latest) for id_, device in devices.items() if device.latest},
            pending=sorted(
                (command for command in commands if command.state in PENDING_STATES), key=lambda one: one.requested_us
            ),
        )


class ManualStore(MemoryStore):
    """For tests of what must wait for durability: nothing is, between ``hold`` and ``release``."""

    def __init__(self, data: MemoryData | None = None) -> None:
        super().__init__(data)
        self._held: list[tuple[Batch, Deferred[None]]] | None = None

    def hold(self) -> None:
        """From now on batches wait."""
        self._held = []

    def release(self) -> None:
        """All that waits becomes durable, in order, and nothing waits any more."""
        held, self._held = self._held or [], None
        for batch, deferred in held:
            self.append(batch).chainDeferred(deferred)

    def append(self, batch: Batch) -> Deferred[None]:
        if self._held is None:
            return super().append(batch)
        deferred: Deferred[None] = Deferred()
        self._held.append((batch, deferred))
        return deferred


def _between(kept: Mapping[int, bytes], first: int, end: int, limit: int) -> Packed:
    return sorted((number, octets) for number, octets in kept.items() if first <= number < end)[:limit]


def _of_key(commands: Mapping[str, CommandRecord], key: str | None) -> CommandRecord | None:
    return next((command for command in commands.values() if key is not None and command.idempotency_key == key), None)


def _plain(value: Mapping[str, Any]) -> dict[str, Any]:
    """A copy as it comes back from JSON, which is what other stores give."""
    plain: dict[str, Any] = json.loads(to_json(value))
    return plain
