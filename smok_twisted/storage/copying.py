"""All of one store into another, whatever they are: as it is, nothing lost, compared at the end.

The source must rest meanwhile. What was interrupted is begun again: what is there already is read and left alone. Audit
entries are appended once more, in order, so their chain comes out with the same hashes; likewise the ids of events.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

from twisted.internet.defer import Deferred, DeferredList

from ..errors import StorageError
from .interface import Store
from .records import Adopted, Place, Snapshot, place_of

if TYPE_CHECKING:
    from ..readings import Report
    from .records import DeviceRecord, Packed

_PAGE = 1000
_CHUNKS = 200
_ALL_US = (0, 1 << 62)
_ALL_HOURS = (0, 1 << 40)
_COMMANDS_AT_MOST = 1 << 31

#: Told what is copied or compared, and how much of it is done.
Progress = Callable[[str, int], None]


class Readable(Store, Protocol):
    """A store that can be copied: it can say all that it holds."""

    def settings(self) -> Deferred[dict[str, str]]:
        """Every setting by its name."""

    def rest(self) -> Deferred[None]:
        """Fires when all that was ever taken can be read. Raises StorageError when that cannot come to pass now."""


class Writable(Readable, Protocol):
    """A store that can be made a copy."""

    def adopt(self, device_id: int, part: Adopted) -> Deferred[None]:
        """Take over what another store has of the device, all of ``part`` together.

        Reports that are there already stay; chunks, summaries and latest values replace what is there, a cursor does
        if there is one in ``part``. Only the hours in ``unpacked`` are marked. Raises StorageError for a device that
        is not there.
        """


class Copy:
    """Both stores are open; ``snapshot`` and ``target_snapshot`` are what opening them gave."""

    def __init__(
        self,
        source: Readable,
        snapshot: Snapshot,
        target: Writable,
        target_snapshot: Snapshot,
        progress: Progress = lambda what, count: None,
        keep_seconds: Callable[[DeviceRecord], int | None] = lambda record: None,
    ) -> None:
        """``keep_seconds``: how long the target keeps history of a device, None: for ever."""
        self._source = source
        self._snapshot = snapshot
        self._target = target
        self._there = target_snapshot
        self._progress = progress
        self._keep_seconds = keep_seconds

    async def run(self) -> None:
        """Raises StorageError when the target holds anything that the source does not; nothing is changed then."""
        await self._check_target()
        await self._registry()
        for device_id in self._snapshot.devices:
            await self._device(device_id)
        await self._commands()
        await self._audit()
        await self._events()
        settings = await self._source.settings()
        await _all(self._target.put_setting(name, text) for name, text in settings.items())

    async def _check_target(self) -> None:
        strangers = self._there.devices.keys() - self._snapshot.devices.keys()
        if strangers:
            stranger = f"0x{min(strangers):016x}"
            raise StorageError(f"the target has devices that the source has not ({stranger}): take a new one")
        for name in ("audit", "events"):
            ours, theirs = [await getattr(store, name)(1) for store in (self._source, self._target)]
            if theirs and (not ours or _number(theirs[0]) > _number(ours[0])):
                raise StorageError(f"the target has a longer list of {name} than the source: take a new one")
            if theirs and await getattr(self._source, name)(1, _number(theirs[0]) + 1) != theirs:
                raise StorageError(f"the target has other {name} than the source: take a new one")

    async def _registry(self) -> None:
        snapshot, target = self._snapshot, self._target
        await _all(map(target.save_model, snapshot.models))
        await _all(map(target.save_device, snapshot.devices.values()))
        await _all(target.save_plan(id_, plan) for id_, plans in snapshot.plans.items() for plan in plans.values())
        await _all(target.save_credential(one) for slots in snapshot.credentials.values() for one in slots.values())
        await _all(target.save_nonces(device_id, memory) for device_id, memory in snapshot.nonces.items())

    async def _device(self, device_id: int) -> None:
        source, target = self._source, self._target
        keep_seconds = self._keep_seconds(self._snapshot.devices[device_id])
        marked = await source.unpacked(*_ALL_HOURS, limit=1 << 31, device_id=device_id)
        cursor, latest = self._snapshot.cursors.get(device_id), self._snapshot.latest.get(device_id, {})
        hours = tuple(one.hour for one in marked)
        await target.adopt(device_id, Adopted(unpacked=hours, cursor=cursor, latest=latest))
        after: Place | None = None
        async for page in _reports(source, device_id):
            if await target.reports(device_id, *_ALL_US, len(page), after) != page:
                await target.adopt(device_id, Adopted(reports=tuple(page)))
            after = place_of(page[-1])
            self._progress("reports", len(page))
        for kind in ("chunks", "summaries"):
            there = getattr(target, kind)
            async for packed in _packed(getattr(source, kind), device_id):
                if await there(device_id, packed[0][0], packed[-1][0] + 1, _CHUNKS) != packed:
                    part: Any = {kind: tuple(packed), "keep_seconds": keep_seconds}
                    await target.adopt(device_id, Adopted(**part))
                self._progress(kind, len(packed))

    async def _commands(self) -> None:
        """In the order in which they were asked for, also those of different devices."""
        newest_first = [await self._source.commands(id_, _COMMANDS_AT_MOST) for id_ in self._snapshot.devices]
        merged = heapq.merge(*map(reversed, newest_first), key=lambda one: one.requested_us)
        while some := list(islice(merged, _PAGE)):
            await _all(map(self._target.save_command, some))

    async def _audit(self) -> None:
        there = await self._target.audit(1)
        async for entries in _rising(self._source.audit, there[0].seq if there else 0):
            made = await _all(
                self._target.append_audit(one.time_us, one.who, one.source, one.device_id, one.action, one.detail)
                for one in entries
            )
            for one, copied in zip(entries, made, strict=True):
                if copied != one:
                    raise StorageError(f"audit entry {one.seq} came out as another one: the source's trail is broken")
            self._progress("audit entries", len(entries))

    async def _events(self) -> None:
        there = await self._target.events(1)
        async for events in _rising(self._source.events, there[0].event_id if there else 0):
            made = await _all(map(self._target.append_event, events))
            for one, copied in zip(events, made, strict=True):
                if copied != one:
                    raise StorageError(f"event {one.event_id} came out under another number: take a new target")
            self._progress("events", len(events))


async def rested(store: Readable, snapshot: Snapshot) -> Snapshot:
    """``snapshot``, which opening ``store`` gave, when nothing is on its way any more. Raises what ``rest`` does."""
    await store.rest()
    ways = {device_id: way.cursor for device_id, way in snapshot.on_their_way.items()}
    return replace(snapshot, cursors=snapshot.cursors | ways, on_their_way={})


async def digest(store: Readable, snapshot: Snapshot, progress: Progress = lambda what, count: None) -> dict[str, str]:
    """Kind -> count and checksum of all that a store holds; of two stores with the same contents it is the same.

    A kind of which there is nothing is left out.
    """
    sums: dict[str, _Sum] = {}
    add = lambda kind, item: sums.setdefault(kind, _Sum()).add(item)  # noqa: E731
    for model in snapshot.models:
        add("models", model)
    for device_id, record in snapshot.devices.items():
        add("devices", record)
        for kind, item in _entries(snapshot, device_id):
            add(kind, (device_id, item))
        for mark in sorted(await store.unpacked(*_ALL_HOURS, limit=1 << 31, device_id=device_id)):
            add("marks", mark[:2])  # the marks themselves are each store's own
        for command in await store.commands(device_id, _COMMANDS_AT_MOST):
            add("commands", command)
        async for reports in _reports(store, device_id):
            for report in reports:
                add("reports", report)
            progress("reports", len(reports))
        for kind in ("chunks", "summaries"):
            async for packed in _packed(getattr(store, kind), device_id):
                for one in packed:
                    add(kind, (device_id, one))
                progress(kind, len(packed))
    for kind in ("audit", "events"):
        async for page in _rising(getattr(store, kind), 0):
            for one in page:
                add(kind, one)
    for setting in sorted((await store.settings()).items()):
        add("settings", setting)
    return {kind: str(one) for kind, one in sums.items()}


def _entries(snapshot: Snapshot, device_id: int) -> Iterator[tuple[str, Any]]:
    """What a snapshot has of a device, each thing for itself, by kind."""
    for kind in ("plans", "credentials", "latest"):
        for item in sorted(getattr(snapshot, kind).get(device_id, {}).items()):
            yield kind, item
    for kind in ("nonces", "cursors"):
        if device_id in getattr(snapshot, kind):
            yield kind, getattr(snapshot, kind)[device_id]


class _Sum:
    """Counts and hashes what has a ``repr`` that tells all of it."""

    def __init__(self) -> None:
        self._count = 0
        self._hash = hashlib.sha256()

    def add(self, item: Any) -> None:
        self._count += 1
        self._hash.update(repr(item).encode("utf-8", "backslashreplace") + b"\n")

    def __str__(self) -> str:
        return f"{self._count} ({self._hash.hexdigest()[:16]})"


async def _reports(store: Readable, device_id: int) -> AsyncIterator[list[Report]]:
    after: Place | None = None
    while page := await store.reports(device_id, *_ALL_US, _PAGE, after):
        yield page
        after = place_of(page[-1])


async def _packed(read: Callable[..., Deferred[Packed]], device_id: int) -> AsyncIterator[Packed]:
    first, end = _ALL_HOURS
    while page := await read(device_id, first, end, _CHUNKS):
        yield page
        first = page[-1][0] + 1


async def _rising(read: Callable[..., Deferred[list[Any]]], after: int) -> AsyncIterator[list[Any]]:
    """Pages of what the store lists from the newest on, from the oldest on; numbers have no gaps."""
    while page := [one for one in await read(_PAGE, after + 1 + _PAGE) if _number(one) > after]:
        yield page[::-1]
        after = _number(page[0])


async def _all(writes: Iterable[Deferred[Any]]) -> list[Any]:
    """What all of them gave, when all have ended: together they take hardly longer than one. Raises the first error."""
    begun: list[Deferred[Any]] = []
    try:
        begun.extend(writes)
    finally:
        ended = await DeferredList(begun, consumeErrors=True)
    for is_done, result in ended:
        if not is_done:
            result.raiseException()
    return [result for _, result in ended]


def _number(one: Any) -> int:
    number: int = one.seq if hasattr(one, "seq") else one.event_id
    return number
