"""The mix in our embedded store: packed hour by hour over all devices, and written, as the daemon does it.

Blocking, no reactor. The log is left out: it is kept three days beside whatever there is.
"""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from smok_twisted.history import packing
from smok_twisted.storage import sqlite_packed, sqlite_registry
from smok_twisted.storage.database import Database, schema
from smok_twisted.storage.records import HOURS_A_DAY, DeviceRecord, PackedHour, Unpacked
from smok_twisted.storage.sqlite import APPLICATION_ID

from . import mix

DEVICES, HOURS = 8, 4 * HOURS_A_DAY
SAMPLES = DEVICES * HOURS * mix.SAMPLES_AN_HOUR


class Stored(NamedTuple):
    """Octets."""

    chunks: int
    summaries: int
    file: int  #: without what an empty store has


def packed_hours(devices: int = DEVICES, hours: int = HOURS) -> Iterator[PackedHour]:
    """In the order in which a daemon packs them; a day's summary comes again with each of its hours."""
    views = {1: mix.view()}
    sources = [mix.hours(number, number) for number in range(1, devices + 1)]
    days: dict[int, bytes | None] = {}
    for hour in range(mix.FIRST_HOUR, mix.FIRST_HOUR + hours):
        for number, source in enumerate(sources, 1):
            known = days.get(number) if hour % HOURS_A_DAY else None
            one = packing.packed(Unpacked(number, hour, 1), next(source), None, known, views)
            days[number] = one.summary
            yield one


def fill(path: Path, hours: Iterable[PackedHour], devices: int = DEVICES) -> Stored:
    """A new store with these hours."""
    database = Database(path, schema("sqlite"), APPLICATION_ID)
    try:
        with closing(database.connect()) as connection:
            cursor = connection.cursor()
            for number in range(1, devices + 1):
                sqlite_registry.save_device(cursor, DeviceRecord(number, f"plant {number}", "plant", 0))
            empty = _file_octets(path, cursor)
            for some in _batches(hours):
                cursor.execute("BEGIN")
                for one in some:
                    sqlite_packed.save(cursor, one, None)
                cursor.execute("COMMIT")
            chunks, summaries = (_length(cursor, table) for table in ("chunk", "summary"))
            return Stored(chunks, summaries, _file_octets(path, cursor) - empty)
    finally:
        database.close()


def _batches(hours: Iterable[PackedHour]) -> Iterator[list[PackedHour]]:
    source = iter(hours)
    while some := list(itertools.islice(source, 500)):
        yield some


def _length(cursor: sqlite3.Cursor, table: str) -> int:
    found: int = cursor.execute(f"SELECT sum(length(octets)) FROM {table}").fetchone()[0]
    return found


def _file_octets(path: Path, cursor: sqlite3.Cursor) -> int:
    cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return path.stat().st_size
