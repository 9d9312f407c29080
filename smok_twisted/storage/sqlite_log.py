"""Commands, the audit trail and events in SQLite. Each function works on a given cursor."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from typing import Any

from ..errors import Conflict, StorageError
from .audit import AuditEntry, chained, to_json
from .records import PENDING_STATES, CommandRecord, EventRecord
from .sqlite_registry import number_of, signed, unsigned

_SAVE_COMMAND = """
INSERT INTO command
    (command_id, device, state, requested_us, who, point, expires_us, idempotency_key, body)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (command_id) DO UPDATE
SET state = excluded.state, requested_us = excluded.requested_us, who = excluded.who, point = excluded.point,
    expires_us = excluded.expires_us, idempotency_key = excluded.idempotency_key, body = excluded.body"""

_SELECT_COMMAND = """
SELECT command_id, device_id, state, requested_us, who, point, expires_us, idempotency_key, body
FROM command JOIN device ON device = number"""

_AUDIT_COLUMNS = "seq, time_us, who, source, device_id, action, detail, previous_hash, hash"
_EVENT_COLUMNS = "time_us, kind, severity, text, device_id, detail, acknowledged_by, event_id"


def save_command(cursor: sqlite3.Cursor, record: CommandRecord) -> None:
    """Insert or update. Raises Conflict for an idempotency key that another command has."""
    number = number_of(cursor, record.device_id)
    row = (
        *(record.command_id, number, record.state, record.requested_us, record.who, record.point),
        *(record.expires_us, record.idempotency_key, to_json(record.body)),
    )
    try:
        cursor.execute(_SAVE_COMMAND, row)
    except sqlite3.IntegrityError:
        raise Conflict(f"idempotency key {record.idempotency_key!r} belongs to another command") from None


def command(cursor: sqlite3.Cursor, command_id: str) -> CommandRecord | None:
    """The command of that id."""
    return _first(_commands(cursor, "WHERE command_id = ?", command_id))


def command_by_key(cursor: sqlite3.Cursor, device_id: int, idempotency_key: str) -> CommandRecord | None:
    """The command of that device and key."""
    return _first(
        _commands(cursor, "WHERE device_id = ? AND idempotency_key = ?", signed(device_id), idempotency_key)
    )


def commands(cursor: sqlite3.Cursor, device_id: int, limit: int) -> list[CommandRecord]:
    """The last commands of a device, newest first."""
    return _commands(cursor, "WHERE device_id = ? ORDER BY seq DESC LIMIT ?", signed(device_id), limit)


def load_pending(cursor: sqlite3.Cursor) -> list[CommandRecord]:
    """All commands that are not settled, oldest first."""
    return _commands(cursor, "WHERE state IN (?, ?) ORDER BY seq", *PENDING_STATES)


def _commands(cursor: sqlite3.Cursor, condition: str, *arguments: Any) -> list[CommandRecord]:
    rows = cursor.execute(f"{_SELECT_COMMAND} {condition}", arguments)
    return [
        CommandRecord(command_id, unsigned(device), state, requested_us, who, point, expires_us, key, json.loads(body))
        for command_id, device, state, requested_us, who, point, expires_us, key, body in rows
    ]


def _first(records: list[CommandRecord]) -> CommandRecord | None:
    return records[0] if records else None


def append_audit(
    cursor: sqlite3.Cursor,
    time_us: int,
    who: str,
    source: str,
    device_id: int | None,
    action: str,
    detail: Mapping[str, Any],
) -> AuditEntry:
    """Chain one more entry to the newest."""
    newest = audit(cursor, 1, None, None)
    entry = chained(newest[0] if newest else None, time_us, who, source, device_id, action, detail)
    cursor.execute(
        f"INSERT INTO audit ({_AUDIT_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(entry.seq, time_us, who, source, _column(device_id), action),
            *(to_json(entry.detail), entry.previous_hash, entry.hash),
        ),
    )
    return entry


def audit(cursor: sqlite3.Cursor, limit: int, before: int | None, device_id: int | None) -> list[AuditEntry]:
    """A page of the trail, newest first."""
    return [
        AuditEntry(seq, time_us, who, source, _device_id(device), action, json.loads(detail), previous, hash_)
        for seq, time_us, who, source, device, action, detail, previous, hash_ in _page(
            cursor, "audit", _AUDIT_COLUMNS, "seq", limit, before, device_id
        )
    ]


def append_event(cursor: sqlite3.Cursor, event: EventRecord) -> EventRecord:
    """Insert; the record comes back with its id."""
    row = (event.time_us, event.kind, event.severity, event.text, _column(event.device_id), to_json(event.detail))
    cursor.execute(
        f"INSERT INTO event ({_EVENT_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, NULL)", (*row, event.acknowledged_by)
    )
    return events(cursor, 1, None, None)[0]


def acknowledge_event(cursor: sqlite3.Cursor, event_id: int, who: str) -> None:
    """Write down who has seen it first."""
    cursor.execute(
        "UPDATE event SET acknowledged_by = coalesce(acknowledged_by, ?) WHERE event_id = ?", (who, event_id)
    )
    if not cursor.rowcount:
        raise StorageError(f"event {event_id} is not known to the store")


def events(cursor: sqlite3.Cursor, limit: int, before: int | None, device_id: int | None) -> list[EventRecord]:
    """A page of events, newest first."""
    return [
        EventRecord(time_us, kind, severity, text, _device_id(device), json.loads(detail), who, event_id)
        for time_us, kind, severity, text, device, detail, who, event_id in _page(
            cursor, "event", _EVENT_COLUMNS, "event_id", limit, before, device_id
        )
    ]


def _page(
    cursor: sqlite3.Cursor, table: str, columns: str, key: str, limit: int, before: int | None, device_id: int | None
) -> list[tuple[Any, ...]]:
    """Rows of ``table`` with the highest keys below ``before``, highest first."""
    conditions = {f"{key} < ?": before, "device_id = ?": _column(device_id)}
    wanted = {condition: value for condition, value in conditions.items() if value is not None}
    where = " AND ".join(wanted) or "TRUE"
    return cursor.execute(
        f"SELECT {columns} FROM {table} WHERE {where} ORDER BY {key} DESC LIMIT ?", (*wanted.values(), limit)
    ).fetchall()


def _column(device_id: int | None) -> int | None:
    return None if device_id is None else signed(device_id)


def _device_id(column: int | None) -> int | None:
    return None if column is None else unsigned(column)
