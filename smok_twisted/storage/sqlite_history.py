"""Readings in SQLite: batches in, pages of reports and latest values out. Each function works on a given cursor."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ..readings import Report
from .blob import decode, encode
from .records import HOUR_US, Adopted, Batch, Cursor, Latest, LatestByBlock, Place, latest_of, unknown_device
from .sqlite_packed import mark, put
from .sqlite_registry import number_of, signed, unsigned

_INSERT_REPORT = """
INSERT OR IGNORE INTO report (time_us, boot, batch, round, plan, flags, blocks, device)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)"""

_REPLACE_LATEST = """
INSERT INTO latest (plan, block, time_us, flags, blocks, device) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (device, plan, block) DO UPDATE
SET time_us = excluded.time_us, flags = excluded.flags, blocks = excluded.blocks
WHERE excluded.time_us >= time_us"""

_ADOPT_LATEST = """
INSERT OR REPLACE INTO latest (plan, block, time_us, flags, blocks, device) VALUES (?, ?, ?, ?, ?, ?)"""

_SELECT_PAGE = """
SELECT time_us, boot, batch, round, plan, blocks, flags FROM report
WHERE device = (SELECT number FROM device WHERE device_id = ?)
    AND (time_us, boot, batch, round) > (?, ?, ?, ?) AND time_us < ?
ORDER BY time_us, boot, batch, round LIMIT ?"""


class EncodedReports(NamedTuple):
    """Reports that are rows already, so that one that cannot be stored is refused before it is queued."""

    reports: list[tuple[object, ...]]
    latest: LatestByBlock
    hours: set[int]  #: that have reports in it


class EncodedBatch(NamedTuple):
    """A batch in rows."""

    device_id: int
    cursor: Cursor
    rows: EncodedReports


def encoded_reports(reports: Sequence[Report]) -> EncodedReports:
    """Raises StorageError for a report that cannot be stored."""
    return EncodedReports(
        [(r.time_us, r.boot, r.batch, r.round, r.plan, r.flags, encode(r.blocks)) for r in reports],
        latest_of(reports),
        {report.time_us // HOUR_US for report in reports},
    )


def encoded(batch: Batch) -> EncodedBatch:
    """Raises StorageError for a report that cannot be stored."""
    return EncodedBatch(signed(batch.device_id), Cursor(batch.boot, batch.batch), encoded_reports(batch.reports))


def latest_rows(latest: LatestByBlock) -> list[tuple[object, ...]]:
    """Raises StorageError for what cannot be stored."""
    return [(*key, one.time_us, one.flags, encode((one.report,))) for key, one in latest.items()]


def append(cursor: sqlite3.Cursor, batch: EncodedBatch) -> None:
    """Reports, latest values and cursor of one batch, unless it is stored already."""
    found = cursor.execute("SELECT number, boot, batch FROM device WHERE device_id = ?", (batch.device_id,)).fetchone()
    if found is None:
        raise unknown_device(unsigned(batch.device_id))
    number, boot, newest = found
    if boot is not None and Cursor(boot, newest).covers(*batch.cursor):
        return
    _insert(cursor, number, batch.rows)
    cursor.execute("UPDATE device SET boot = ?, batch = ? WHERE number = ?", (*batch.cursor, number))


def backfill(cursor: sqlite3.Cursor, device_id: int, rows: EncodedReports) -> None:
    """Reports and latest values, beside the batches of the device."""
    _insert(cursor, number_of(cursor, device_id), rows)


def _insert(cursor: sqlite3.Cursor, number: int, rows: EncodedReports) -> None:
    cursor.executemany(_INSERT_REPORT, [(*row, number) for row in rows.reports])
    mark(cursor, number, rows.hours)
    replace_latest(cursor, number, rows.latest)


def replace_latest(cursor: sqlite3.Cursor, number: int, latest: LatestByBlock) -> None:
    """The latest of some blocks, unless newer ones are there; ``number`` is the device's own."""
    cursor.executemany(_REPLACE_LATEST, [(*row, number) for row in latest_rows(latest)])


def adopt(
    cursor: sqlite3.Cursor, device_id: int, part: Adopted, rows: EncodedReports, latest: list[tuple[object, ...]]
) -> None:
    """What another store has, as it is there."""
    number = number_of(cursor, device_id)
    mark(cursor, number, part.unpacked)
    cursor.executemany(_INSERT_REPORT, [(*row, number) for row in rows.reports])
    put(cursor, number, "chunk", part.chunks)
    put(cursor, number, "summary", part.summaries)
    cursor.executemany(_ADOPT_LATEST, [(*row, number) for row in latest])
    if part.cursor is not None:
        cursor.execute("UPDATE device SET boot = ?, batch = ? WHERE number = ?", (*part.cursor, number))


def reports(
    cursor: sqlite3.Cursor, device_id: int, from_us: int, to_us: int, limit: int, after: Place | None
) -> list[Report]:
    """One page of a device's history."""
    start = max(Place(from_us, -1, -1, -1), after or Place(from_us, -1, -1, -1))
    rows = cursor.execute(_SELECT_PAGE, (signed(device_id), *start, to_us, limit))
    return [
        Report(device_id, time_us, boot, batch, round_, plan, decode(blocks), flags)
        for time_us, boot, batch, round_, plan, blocks, flags in rows
    ]


def load_latest(cursor: sqlite3.Cursor) -> dict[int, LatestByBlock]:
    """The latest values of all devices."""
    found: dict[int, LatestByBlock] = {}
    rows: Iterable[tuple[int, int, int, int, int, bytes]] = cursor.execute(
        "SELECT device_id, plan, block, time_us, flags, blocks FROM latest JOIN device ON device = number"
    )
    for device_id, plan, block, time_us, flags, blocks in rows:
        found.setdefault(unsigned(device_id), {})[plan, block] = Latest(time_us, decode(blocks)[0], flags)
    return found


def load_cursors(cursor: sqlite3.Cursor) -> dict[int, Cursor]:
    """The cursor of every device that has one."""
    rows = cursor.execute("SELECT device_id, boot, batch FROM device WHERE boot IS NOT NULL")
    return {unsigned(device_id): Cursor(boot, batch) for device_id, boot, batch in rows}
