"""What others do, as a reference: a row for each sample in SQLite, clustered as plots ask for it, values scaled."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path

from smok_twisted.readings import Report

from .mix import SCALE

_TABLE = """
CREATE TABLE IF NOT EXISTS sample (device INTEGER, register INTEGER, time_us INTEGER, value REAL,
PRIMARY KEY (device, register, time_us)) WITHOUT ROWID"""
_BUCKETS = """
SELECT time_us / :width, avg(value), min(value), max(value) FROM sample
WHERE device = :device AND register = :register AND time_us >= :from_us AND time_us < :to_us GROUP BY 1"""
_AS_READ = """
SELECT time_us, value FROM sample
WHERE device = ? AND register = ? AND time_us >= ? AND time_us < ? ORDER BY time_us"""

Sample = tuple[int, int, int, float]  #: device, register, time in microseconds, value


class PlainRows:
    """A file, made if it is not there; each ``insert`` is one transaction, and on disk when it returns."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute(_TABLE)
        self._octets_before = self._octets()

    def insert(self, samples: Iterable[Sample]) -> None:
        """All of them."""
        self._connection.execute("BEGIN")
        self._connection.executemany("INSERT INTO sample VALUES (?, ?, ?, ?)", samples)
        self._connection.execute("COMMIT")

    def octets(self) -> int:
        """Of the file, without what it had when it was opened."""
        return self._octets() - self._octets_before

    def plot(self, device: int, register: int, from_us: int, to_us: int, width_us: int | None) -> int:
        """How many points; each of a width with mean, lowest and highest, or (None) as read."""
        if width_us is None:
            return len(self._connection.execute(_AS_READ, (device, register, from_us, to_us)).fetchall())
        where = {"device": device, "register": register, "from_us": from_us, "to_us": to_us, "width": width_us}
        return len(self._connection.execute(_BUCKETS, where).fetchall())

    def close(self) -> None:
        """Of its own accord nothing closes it."""
        self._connection.close()

    def _octets(self) -> int:
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return self._path.stat().st_size


def samples_of(reports: Iterable[Report]) -> Iterator[Sample]:
    """A row for each register of each report."""
    for report in reports:
        for register, word in enumerate(report.blocks[0].words):
            yield report.device_id, register, report.time_us, word * SCALE
