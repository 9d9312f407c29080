"""The embedded store: one SQLite file, one thread that writes, one that reads (design note storage).

Writes go through ``writer``; reads have a connection and a thread of their own and never wait for a write, nor a
write for them. The statements are in ``sqlite_registry``, ``sqlite_history`` and ``sqlite_log``.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any, Concatenate, ParamSpec, TypeVar

from twisted.internet.defer import Deferred, fail, inlineCallbacks, succeed
from twisted.internet.interfaces import IReactorFromThreads
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

from ..clock import WallClock, wall_clock_us
from ..errors import StorageError
from ..readings import Plan, Report
from . import sqlite_history as history
from . import sqlite_log as log
from . import sqlite_packed as packed_history
from . import sqlite_registry as registry
from .audit import AuditEntry
from .copying import Writable
from .database import Database, check, damaged, explained, schema
from .records import (
    Adopted,
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
from .writer import Marks, Signals, Writer

P = ParamSpec("P")
T = TypeVar("T")

APPLICATION_ID = int.from_bytes(b"SMOK", "big")

#: Small enough to be looked through at every start; damage in the history shows when it is read.
_CHECKED_TABLES = ("device", "model", "plan", "credential", "nonces", "latest", "command", "setting")


class SqliteStore(Writable):
    """A store in the file ``path``, which is made if it is not there; its folder is not.

    The promises of each method are those of ``Store``. ``script`` is for a subclass: more tables, made where they
    are not there.
    """

    script = ""

    def __init__(
        self,
        path: Path,
        reactor: IReactorFromThreads,
        signals: Signals | None = None,
        marks: Marks | None = None,
        window_seconds: float = 0.05,
        now_us: WallClock = wall_clock_us,
    ) -> None:
        """``signals``, ``marks`` and ``window_seconds`` as in ``writer.Writer``."""
        self._path = path
        self._reactor = reactor
        self._writer_options = (signals, marks, window_seconds, now_us)
        self._writer: Writer | None = None
        self._health = Health("closed", now_us())
        self._is_open = False
        self._readers = ThreadPool(1, 1, name=f"read {path.name}")
        # A store that nobody closed must not keep the process from ending.
        self._readers.threadFactory = partial(Thread, daemon=True)  # type: ignore[assignment]

    @property
    def health(self) -> Health:
        return self._writer.health if self._writer else self._health

    @inlineCallbacks
    def open(self) -> Generator[Deferred[Any], Any, Snapshot]:
        self._readers.start()
        try:
            snapshot: Snapshot = yield deferToThreadPool(self._reactor, self._readers, self._open_file)
        except Exception:
            self._readers.stop()
            raise
        self._writer = Writer(self._database, self._reactor, *self._writer_options)
        self._is_open = True
        return snapshot

    @inlineCallbacks
    def close(self) -> Generator[Deferred[Any], Any, None]:
        if not self._is_open or self._writer is None:
            return
        self._is_open = False
        # The reader first: whoever closes last moves the log into the file, and that takes time.
        yield deferToThreadPool(self._reactor, self._readers, self._connection.close)
        self._readers.stop()
        yield self._writer.close()
        self._database.close()

    def _open_file(self) -> Snapshot:
        with ExitStack() as undo:
            database = Database(self._path, schema("sqlite"), APPLICATION_ID)
            undo.callback(database.close)
            connection = undo.enter_context(closing(database.connect()))
            snapshot = self._load(connection)
            self._database, self._connection = database, connection
            undo.pop_all()
        return snapshot

    def _load(self, connection: sqlite3.Connection) -> Snapshot:
        try:
            check(self._path, connection, *_CHECKED_TABLES)
            connection.executescript(self.script)
            connection.execute("PRAGMA query_only = ON")
            return load_snapshot(connection.cursor())
        except sqlite3.Error as error:
            raise explained(self._path, error) from error
        except ValueError as error:
            raise damaged(self._path, str(error)) from error

    def _write(
        self, function: Callable[Concatenate[sqlite3.Cursor, P], T], *arguments: P.args, **keywords: P.kwargs
    ) -> Deferred[T]:
        if not self._is_open or self._writer is None:
            return fail(StorageError(f"{self._path} is not open"))
        return self._writer.submit(lambda cursor: function(cursor, *arguments, **keywords))

    def _read(
        self, function: Callable[Concatenate[sqlite3.Cursor, P], T], *arguments: P.args, **keywords: P.kwargs
    ) -> Deferred[T]:
        if not self._is_open:
            return fail(StorageError(f"{self._path} is not open"))
        return deferToThreadPool(
            self._reactor, self._readers, self._query, lambda cursor: function(cursor, *arguments, **keywords)
        )

    def _query(self, function: Callable[[sqlite3.Cursor], T]) -> T:
        try:
            return function(self._connection.cursor())
        except sqlite3.Error as error:
            raise explained(self._path, error) from error

    def append(self, batch: Batch) -> Deferred[None]:
        try:
            encoded = history.encoded(batch)
        except StorageError:
            return fail()
        return self._write(history.append, encoded)

    def backfill(self, device_id: int, reports: Sequence[Report]) -> Deferred[None]:
        try:
            rows = history.encoded_reports(reports)
        except StorageError:
            return fail()
        return self._write(history.backfill, device_id, rows)

    def reports(
        self, device_id: int, from_us: int, to_us: int, limit: int = 1000, after: Place | None = None
    ) -> Deferred[list[Report]]:
        return self._read(history.reports, device_id, from_us, to_us, limit, after)

    def unpacked(
        self, from_hour: int, to_hour: int, limit: int = 1000, device_id: int | None = None
    ) -> Deferred[list[Unpacked]]:
        return self._read(packed_history.unpacked, from_hour, to_hour, limit, device_id)

    def save_packed(self, packed: PackedHour, mark: int | None, keep_seconds: int | None = None) -> Deferred[None]:
        return self._write(packed_history.save, packed, mark)

    def unmark(self, hour: Unpacked) -> Deferred[None]:
        return self._write(packed_history.unmark, hour)

    def chunks(self, device_id: int, from_hour: int, to_hour: int, limit: int = 1000) -> Deferred[Packed]:
        return self._read(packed_history.chunks, device_id, from_hour, to_hour, limit)

    def summaries(self, device_id: int, from_day: int, to_day: int, limit: int = 1000) -> Deferred[Packed]:
        return self._read(packed_history.summaries, device_id, from_day, to_day, limit)

    def forget(self, device_id: int, log_before_us: int, packed_before_day: int) -> Deferred[None]:
        return self._write(packed_history.forget, device_id, log_before_us, packed_before_day)

    @inlineCallbacks
    def forget_removed(self, limit: int = 1000) -> Generator[Deferred[Any], Any, bool]:
        """What is to go is looked for where nobody waits for it."""
        left = yield self._read(packed_history.left_behind)
        if left is not None:
            yield self._write(packed_history.forget_some, left, limit)
        return left is not None

    def adopt(self, device_id: int, part: Adopted) -> Deferred[None]:
        try:
            rows = history.encoded_reports(part.reports)
            latest = history.latest_rows(part.latest)
        except StorageError:
            return fail()
        return self._write(history.adopt, device_id, part, rows, latest)

    def save_device(self, record: DeviceRecord) -> Deferred[None]:
        return self._write(registry.save_device, record)

    def remove_device(self, device_id: int) -> Deferred[None]:
        return self._write(registry.remove_device, device_id)

    def save_plan(self, device_id: int, plan: Plan) -> Deferred[None]:
        return self._write(registry.save_plan, device_id, plan)

    def save_credential(self, record: CredentialRecord) -> Deferred[None]:
        return self._write(registry.save_credential, record)

    def remove_credential(self, device_id: int, kid: int) -> Deferred[None]:
        return self._write(registry.remove_credential, device_id, kid)

    def save_nonces(self, device_id: int, memory: bytes) -> Deferred[None]:
        return self._write(registry.save_nonces, device_id, memory)

    def save_model(self, record: ModelRecord) -> Deferred[None]:
        return self._write(registry.save_model, record)

    def models(self) -> Deferred[list[ModelRecord]]:
        return self._read(registry.models)

    def save_command(self, record: CommandRecord) -> Deferred[None]:
        return self._write(log.save_command, record)

    def command(self, command_id: str) -> Deferred[CommandRecord | None]:
        return self._read(log.command, command_id)

    def command_by_key(self, device_id: int, idempotency_key: str) -> Deferred[CommandRecord | None]:
        return self._read(log.command_by_key, device_id, idempotency_key)

    def commands(self, device_id: int, limit: int = 100) -> Deferred[list[CommandRecord]]:
        return self._read(log.commands, device_id, limit)

    def append_audit(
        self, time_us: int, who: str, source: str, device_id: int | None, action: str, detail: Mapping[str, Any]
    ) -> Deferred[AuditEntry]:
        return self._write(log.append_audit, time_us, who, source, device_id, action, detail)

    def audit(
        self, limit: int = 100, before: int | None = None, device_id: int | None = None
    ) -> Deferred[list[AuditEntry]]:
        return self._read(log.audit, limit, before, device_id)

    def append_event(self, event: EventRecord) -> Deferred[EventRecord]:
        return self._write(log.append_event, event)

    def acknowledge_event(self, event_id: int, who: str) -> Deferred[None]:
        return self._write(log.acknowledge_event, event_id, who)

    def events(
        self, limit: int = 100, before: int | None = None, device_id: int | None = None
    ) -> Deferred[list[EventRecord]]:
        return self._read(log.events, limit, before, device_id)

    def put_setting(self, name: str, text: str) -> Deferred[None]:
        return self._write(registry.put_setting, name, text)

    def setting(self, name: str) -> Deferred[str | None]:
        return self._read(registry.setting, name)

    def settings(self) -> Deferred[dict[str, str]]:
        return self._read(registry.settings)

    def rest(self) -> Deferred[None]:
        return succeed(None)


def load_snapshot(cursor: sqlite3.Cursor) -> Snapshot:
    return Snapshot(
        devices=registry.load_devices(cursor),
        models=registry.models(cursor),
        plans=registry.load_plans(cursor),
        credentials=registry.load_credentials(cursor),
        nonces=registry.load_nonces(cursor),
        cursors=history.load_cursors(cursor),
        latest=history.load_latest(cursor),
        pending=log.load_pending(cursor),
    )
