"""Packed history in SQLite: chunks, summaries, and hours that need packing. Each function works on a given cursor."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import NamedTuple

from .records import HOURS_A_DAY, Packed, PackedHour, Unpacked
from .sqlite_registry import number_of, signed, unsigned

_MARK = """
INSERT INTO unpacked (device, hour, mark) VALUES (?, ?, 1)
ON CONFLICT (device, hour) DO UPDATE SET mark = mark + 1"""

_SELECT_UNPACKED = """
SELECT device_id, hour, mark FROM unpacked JOIN device ON device = number
WHERE hour >= ? AND hour < ? {} ORDER BY hour, device LIMIT ?"""

_SELECT_RANGE = """
SELECT {column}, octets FROM {table}
WHERE device = (SELECT number FROM device WHERE device_id = ?) AND {column} >= ? AND {column} < ?
ORDER BY {column} LIMIT ?"""

_FORGET_LOG = """
DELETE FROM report WHERE device = ? AND time_us < ?
    AND NOT EXISTS (SELECT 1 FROM unpacked WHERE device = report.device AND hour = time_us / 3600000000)"""

#: Tables of history and what their rows of a device are ordered by.
_HISTORY = {"report": "time_us", "chunk": "hour", "summary": "day"}

#: The devices that have rows, one seek for each, until one is found that is not there.
_SELECT_LEFT = """
WITH RECURSIVE there (number) AS (
    SELECT min(device) FROM {table}
    UNION ALL SELECT (SELECT min(device) FROM {table} WHERE device > there.number) FROM there WHERE number IS NOT NULL
)
SELECT number FROM there WHERE number IS NOT NULL AND number NOT IN (SELECT number FROM device) LIMIT 1"""

_FORGET_SOME = """
DELETE FROM {table} WHERE device = :number AND {column} <= ifnull(
    (SELECT {column} FROM {table} WHERE device = :number ORDER BY {column} LIMIT 1 OFFSET :limit - 1), {column})"""


class Left(NamedTuple):
    """Where a device that was removed has left something behind."""

    table: str
    number: int  #: of the device; no other will ever have it


def mark(cursor: sqlite3.Cursor, device: int, hours: Iterable[int]) -> None:
    """These hours need packing. ``device`` is the row's number."""
    cursor.executemany(_MARK, [(device, hour) for hour in hours])


def unpacked(
    cursor: sqlite3.Cursor, from_hour: int, to_hour: int, limit: int, device_id: int | None
) -> list[Unpacked]:
    """Oldest first."""
    condition, arguments = ("", ()) if device_id is None else ("AND device_id = ?", (signed(device_id),))
    rows = cursor.execute(_SELECT_UNPACKED.format(condition), (from_hour, to_hour, *arguments, limit))
    return [Unpacked(unsigned(device), hour, mark_) for device, hour, mark_ in rows]


def save(cursor: sqlite3.Cursor, packed: PackedHour, mark_: int | None) -> None:
    """Chunk, summary and mark."""
    number = number_of(cursor, packed.device_id)
    put(cursor, number, "chunk", [(packed.hour, packed.chunk)])
    put(cursor, number, "summary", [(packed.hour // HOURS_A_DAY, packed.summary)])
    cursor.execute("DELETE FROM unpacked WHERE device = ? AND hour = ? AND mark = ?", (number, packed.hour, mark_))


def unmark(cursor: sqlite3.Cursor, hour: Unpacked) -> None:
    """This hour needs no packing, if its mark is still the same."""
    of_device = "(SELECT number FROM device WHERE device_id = ?)"
    row = (signed(hour.device_id), hour.hour, hour.mark)
    cursor.execute(f"DELETE FROM unpacked WHERE device = {of_device} AND hour = ? AND mark = ?", row)


def put(cursor: sqlite3.Cursor, device: int, table: str, rows: Iterable[tuple[int, bytes]]) -> None:
    """Chunks by hour or summaries by day; ``device`` is the row's number."""
    column = {"chunk": "hour", "summary": "day"}[table]
    statement = f"INSERT OR REPLACE INTO {table} (device, {column}, octets) VALUES (?, ?, ?)"
    cursor.executemany(statement, [(device, *row) for row in rows])


def chunks(cursor: sqlite3.Cursor, device_id: int, from_hour: int, to_hour: int, limit: int) -> Packed:
    """In order of hours."""
    query = _SELECT_RANGE.format(table="chunk", column="hour")
    return cursor.execute(query, (signed(device_id), from_hour, to_hour, limit)).fetchall()


def summaries(cursor: sqlite3.Cursor, device_id: int, from_day: int, to_day: int, limit: int) -> Packed:
    """In order of days."""
    query = _SELECT_RANGE.format(table="summary", column="day")
    return cursor.execute(query, (signed(device_id), from_day, to_day, limit)).fetchall()


def forget(cursor: sqlite3.Cursor, device_id: int, log_before_us: int, packed_before_day: int) -> None:
    """Packed rows of the log, old chunks and summaries."""
    found = cursor.execute("SELECT number FROM device WHERE device_id = ?", (signed(device_id),)).fetchone()
    if found is None:
        return
    (number,) = found
    cursor.execute(_FORGET_LOG, (number, log_before_us))
    cursor.execute("DELETE FROM chunk WHERE device = ? AND hour < ?", (number, packed_before_day * HOURS_A_DAY))
    cursor.execute("DELETE FROM summary WHERE device = ? AND day < ?", (number, packed_before_day))


def left_behind(cursor: sqlite3.Cursor) -> Left | None:
    """Some history of a device that was removed, if there is any."""
    for table in _HISTORY:
        found = cursor.execute(_SELECT_LEFT.format(table=table)).fetchone()
        if found is not None:
            return Left(table, *found)
    return None


def forget_some(cursor: sqlite3.Cursor, left: Left, limit: int) -> None:
    """The oldest ``limit`` rows, and those of the same time as the last of them."""
    statement = _FORGET_SOME.format(table=left.table, column=_HISTORY[left.table])
    cursor.execute(statement, {"number": left.number, "limit": limit})
