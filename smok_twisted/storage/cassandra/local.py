"""The local half of the Cassandra store: a SQLite file with everything but history.

It is what the daemon starts from when the database is away. Triggers note each change of a small table in ``outbox``;
``mirror`` brings them to Cassandra.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from twisted.internet.defer import Deferred

from ...errors import StorageError
from ..records import HOURS_A_DAY, Cursor, LatestByBlock, PackedHour, Snapshot
from ..sqlite import SqliteStore, load_snapshot
from ..sqlite_history import load_cursors, replace_latest
from ..sqlite_packed import mark
from ..sqlite_registry import number_of, signed, unsigned
from .tables import BY_NAME, LOCAL, TABLES, Mirrored


class Change(NamedTuple):
    """A row of a small table as it is now; ``row`` None: it is gone."""

    seq: int  #: of the newest change of this row
    table: Mirrored
    key: tuple[Any, ...]
    row: tuple[Any, ...] | None


class Progress(NamedTuple):
    """How far the journal is folded into the local file: everything before ``lsn``."""

    lsn: int
    settled: int  #: entries below this were durable
    taken: dict[int, Cursor]  #: by device id


class LocalStore(SqliteStore):
    """See the module. Everything of ``Store`` that is no history works as in ``SqliteStore``."""

    script = LOCAL + "".join(table.triggers for table in TABLES)

    def snapshot(self) -> Deferred[Snapshot]:
        """What ``open`` would answer now."""
        return self._read(load_snapshot)

    # -- small tables on their way to Cassandra

    def changes(self, limit: int) -> Deferred[tuple[list[Change], bool]]:
        """The oldest of what Cassandra has not been told, each row once; and whether that is all."""
        return self._read(_changes, limit)

    def told(self, up_to: int, now_us: int) -> Deferred[None]:
        """Cassandra has all changes up to this one."""
        return self._write(_execute, "UPDATE outbox SET told_us = ? WHERE seq <= ? AND told_us IS NULL", now_us, up_to)

    def doubt(self) -> Deferred[None]:
        """What Cassandra was told lately may be lost: tell it again, pack those hours again."""
        return self._write(_doubt)

    def trust(self, before_us: int) -> Deferred[None]:
        """What Cassandra was told before this time, it has for good."""
        return self._write(_trust, before_us)

    def begin_restoring(self, now_us: int) -> Deferred[None]:
        """Sequence numbers of a new file begin here; it is not whole before ``restored``."""
        return self._write(_begin_restoring, now_us)

    def restored(self) -> Deferred[None]:
        """All that Cassandra has is in it."""
        return self._write(_execute, "DELETE FROM counter WHERE name = 'restoring'")

    def is_half_restored(self) -> Deferred[bool]:
        """Whether a restore was begun and did not come to its end."""
        return self._read(_is_half_restored)

    def stamp(self, now_us: int) -> Deferred[int]:
        """A write timestamp in microseconds that is larger than every one before."""
        return self._write(_stamp, now_us)

    def fill(self, table: Mirrored, rows: list[tuple[Any, ...]]) -> Deferred[None]:
        """Rows out of Cassandra, into a new file; they are not noted as changes."""
        return self._write(_fill, table, rows)

    def fill_partitions(self, table: str, rows: Iterable[tuple[int, int]]) -> Deferred[None]:
        """(number of the device, partition) of a table of history; those of devices that are gone are left out.

        Which hours of ``report`` are packed, only the old file knew: all of them are packed again.
        """
        return self._write(_fill_partitions, table, list(rows))

    def no_number_up_to(self, number: int) -> Deferred[None]:
        """Devices that are added from now on have larger numbers."""
        return self._write(_no_number_up_to, number)

    # -- history's marks and cursors

    def note(self, device_id: int, hours: Iterable[int], partitions: Iterable[tuple[str, int]]) -> Deferred[int]:
        """Reports come for these hours and go into these (table, number); the device's own number.

        Raises StorageError for a device that is not known.
        """
        return self._write(_note, device_id, list(hours), list(partitions))

    def number_of(self, device_id: int) -> Deferred[int]:
        """The device's own number. Raises StorageError."""
        return self._write(number_of, device_id)

    def partitions(self, device_id: int, table: str, first: int, end: int) -> Deferred[list[tuple[int, int]]]:
        """(number of the device, number of the partition) with ``first <= partition < end``, in order."""
        return self._read(_partitions, device_id, table, first, end)

    def packed(self, hour: PackedHour, mark_: int | None, now_us: int) -> Deferred[None]:
        """Chunk and summary are in Cassandra."""
        return self._write(_packed, hour, mark_, now_us)

    def keep(
        self,
        lsn: int,
        settled: int,
        cursors: Mapping[int, Cursor],
        taken: Mapping[int, Cursor],
        latest: Mapping[int, LatestByBlock],
    ) -> Deferred[None]:
        """Write down what moved since the last time.

        The journal is folded in up to ``lsn`` and durable below ``settled``.
        """
        return self._write(_keep, lsn, settled, dict(cursors), dict(taken), latest)

    def progress(self) -> Deferred[Progress]:
        """What ``keep`` wrote down last."""
        return self._read(_progress)


_UNTOLD = "SELECT seq, tbl, key FROM outbox WHERE told_us IS NULL ORDER BY seq LIMIT ?"


def _doubt(cursor: sqlite3.Cursor) -> None:
    cursor.execute("UPDATE outbox SET told_us = NULL")
    for device, hour in cursor.execute("SELECT device, hour FROM packed_lately").fetchall():
        mark(cursor, device, [hour])
    cursor.execute("DELETE FROM packed_lately")


def _trust(cursor: sqlite3.Cursor, before_us: int) -> None:
    cursor.execute("DELETE FROM outbox WHERE told_us < ?", (before_us,))
    cursor.execute("DELETE FROM packed_lately WHERE packed_us < ?", (before_us,))


def _execute(cursor: sqlite3.Cursor, statement: str, *arguments: Any) -> None:
    cursor.execute(statement, arguments)


def _changes(cursor: sqlite3.Cursor, limit: int) -> tuple[list[Change], bool]:
    untold = cursor.execute(_UNTOLD, (limit,)).fetchall()
    newest = {(name, key): seq for seq, name, key in untold}
    changes = [
        Change(seq, BY_NAME[name], tuple(json.loads(key)), _row(cursor, BY_NAME[name], json.loads(key)))
        for (name, key), seq in newest.items()
    ]
    return changes, len(untold) < limit


def _row(cursor: sqlite3.Cursor, table: Mirrored, key: list[Any]) -> tuple[Any, ...] | None:
    condition = " AND ".join(f"{name} = ?" for name in table.key)
    found: tuple[Any, ...] | None = cursor.execute(
        f"SELECT {', '.join(table.columns)} FROM {table.name} WHERE {condition}", key
    ).fetchone()
    return found


def _is_half_restored(cursor: sqlite3.Cursor) -> bool:
    return cursor.execute("SELECT 1 FROM counter WHERE name = 'restoring'").fetchone() is not None


def _begin_restoring(cursor: sqlite3.Cursor, now_us: int) -> None:
    cursor.execute("INSERT OR REPLACE INTO counter (name, value) VALUES ('restoring', 1)")
    if cursor.execute("SELECT 1 FROM sqlite_sequence WHERE name = 'outbox'").fetchone() is None:
        cursor.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('outbox', ?)", (now_us,))


def _stamp(cursor: sqlite3.Cursor, now_us: int) -> int:
    return _count(cursor, "stamp", now_us)


def _count(cursor: sqlite3.Cursor, name: str, least: int) -> int:
    value: int = cursor.execute(
        "INSERT INTO counter (name, value) VALUES (?, ?)"
        " ON CONFLICT (name) DO UPDATE SET value = max(value + 1, excluded.value) RETURNING value",
        (name, least),
    ).fetchone()[0]
    return value


def _fill(cursor: sqlite3.Cursor, table: Mirrored, rows: list[tuple[Any, ...]]) -> None:
    marks = ", ".join("?" * len(table.columns))
    cursor.executemany(f"INSERT OR REPLACE INTO {table.name} ({', '.join(table.columns)}) VALUES ({marks})", rows)
    cursor.execute("DELETE FROM outbox")


def _fill_partitions(cursor: sqlite3.Cursor, table: str, rows: list[tuple[int, int]]) -> None:
    cursor.executemany(
        "INSERT OR IGNORE INTO partition (device, tbl, number) SELECT number, ?, ? FROM device WHERE number = ?",
        [(table, partition, device) for device, partition in rows],
    )
    if table == "report":
        there = {number for (number,) in cursor.execute("SELECT number FROM device")}
        for device, day in rows:
            if device in there:
                mark(cursor, device, range(day * HOURS_A_DAY, (day + 1) * HOURS_A_DAY))


def _no_number_up_to(cursor: sqlite3.Cursor, number: int) -> None:
    cursor.execute("DELETE FROM sqlite_sequence WHERE name = 'device' AND seq < ?", (number,))
    cursor.execute(
        "INSERT INTO sqlite_sequence (name, seq)"
        " SELECT 'device', ? WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'device')",
        (number,),
    )


def _note(cursor: sqlite3.Cursor, device_id: int, hours: list[int], partitions: list[tuple[str, int]]) -> int:
    number = number_of(cursor, device_id)
    mark(cursor, number, hours)
    cursor.executemany(
        "INSERT OR IGNORE INTO partition (device, tbl, number) VALUES (?, ?, ?)",
        [(number, *partition) for partition in partitions],
    )
    return number


def _partitions(cursor: sqlite3.Cursor, device_id: int, table: str, first: int, end: int) -> list[tuple[int, int]]:
    return cursor.execute(
        "SELECT device, partition.number FROM partition JOIN device ON device.number = device"
        " WHERE device_id = ? AND tbl = ? AND partition.number >= ? AND partition.number < ? ORDER BY partition.number",
        (signed(device_id), table, first, end),
    ).fetchall()


def _packed(cursor: sqlite3.Cursor, hour: PackedHour, mark_: int | None, now_us: int) -> None:
    number = number_of(cursor, hour.device_id)
    cursor.execute(
        "INSERT OR REPLACE INTO packed_lately (device, hour, packed_us) VALUES (?, ?, ?)", (number, hour.hour, now_us)
    )
    cursor.execute("DELETE FROM unpacked WHERE device = ? AND hour = ? AND mark = ?", (number, hour.hour, mark_))


def _keep(
    cursor: sqlite3.Cursor,
    lsn: int,
    settled: int,
    cursors: dict[int, Cursor],
    taken: dict[int, Cursor],
    latest: Mapping[int, LatestByBlock],
) -> None:
    for device_id, (boot, batch) in cursors.items():
        cursor.execute("UPDATE device SET boot = ?, batch = ? WHERE device_id = ?", (boot, batch, signed(device_id)))
    for device_id, (boot, batch) in taken.items():
        cursor.execute(
            "INSERT OR REPLACE INTO taken (device, boot, batch) SELECT number, ?, ? FROM device WHERE device_id = ?",
            (boot, batch, signed(device_id)),
        )
    for device_id, blocks in latest.items():
        with contextlib.suppress(StorageError):  # it was removed meanwhile
            replace_latest(cursor, number_of(cursor, device_id), blocks)
    cursor.executemany(
        "INSERT OR REPLACE INTO counter (name, value) VALUES (?, ?)", [("lsn", lsn), ("settled", settled)]
    )


def _progress(cursor: sqlite3.Cursor) -> Progress:
    counters = dict(cursor.execute("SELECT name, value FROM counter").fetchall())
    rows = cursor.execute(
        "SELECT device_id, taken.boot, taken.batch FROM taken JOIN device ON number = device"
    ).fetchall()  # the cursor is used for another question before they are looked at
    taken = load_cursors(cursor) | {unsigned(device_id): Cursor(boot, batch) for device_id, boot, batch in rows}
    return Progress(counters.get("lsn", 0), counters.get("settled", 0), taken)
