"""History as rows of Cassandra: which partition, which values, and the statements (design note storage). Pure.

Raw words and octets as in the embedded store; partitions hold a day of reports, about a month of chunks and about a
year of summaries, so that a usual question touches one to three.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ...readings import Report
from ..blob import decode, encode
from ..records import HOUR_US, HOURS_A_DAY, Place

DAY_US = HOURS_A_DAY * HOUR_US
_HOURS_A_MONTH = 30 * HOURS_A_DAY
_DAYS_A_YEAR = 360

INSERT_REPORT = """
INSERT INTO report (device, day, time_us, boot, batch_number, round, plan, flags, blocks)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ?"""
SELECT_REPORTS = """
SELECT time_us, boot, batch_number, round, plan, flags, blocks FROM report WHERE device = ? AND day = ?
    AND (time_us, boot, batch_number, round) > (?, ?, ?, ?) AND time_us < ? LIMIT ?"""

SELECT_NEWEST = """
SELECT time_us, boot, batch_number, round, plan, flags, blocks FROM report WHERE device = ? AND day = ?
ORDER BY time_us DESC, boot DESC, batch_number DESC, round DESC LIMIT ?"""


class PackedTable(NamedTuple):
    """Chunks or summaries."""

    name: str
    column: str  #: hour or day
    partition: str  #: month or year
    rows_a_partition: int

    @property
    def insert(self) -> str:
        """CQL; its last values are seconds to live (0: for ever) and a write timestamp."""
        names = f"device, {self.partition}, {self.column}, octets"
        return f"INSERT INTO {self.name} ({names}) VALUES (?, ?, ?, ?) USING TTL ? AND TIMESTAMP ?"

    @property
    def select(self) -> str:
        """CQL; of one partition."""
        return (
            f"SELECT {self.column}, octets FROM {self.name} WHERE device = ? AND {self.partition} = ? "
            f"AND {self.column} >= ? AND {self.column} < ? LIMIT ?"
        )


CHUNK = PackedTable("chunk", "hour", "month", _HOURS_A_MONTH)
SUMMARY = PackedTable("summary", "day", "year", _DAYS_A_YEAR)

#: What comes when its time is over already stays so long, so that it can be seen and compared.
LEAST_SECONDS = 86_400
#: Cassandra takes no longer time to live than 20 years.
_MOST_SECONDS = 20 * 365 * 86_400


def seconds_to_live(day: int, keep_seconds: int | None, now_us: int, least_seconds: int = 1) -> int:
    """What is left of its time for a row of this day; 0: for ever.

    All rows of a day end together, as its summary must not tell of hours whose chunks are gone. ``LEAST_SECONDS`` if
    less than ``least_seconds`` are left.
    """
    if keep_seconds is None:
        return 0
    left_seconds = keep_seconds - (now_us - (day + 1) * DAY_US) // 1_000_000
    return min(left_seconds, _MOST_SECONDS) if left_seconds >= least_seconds else LEAST_SECONDS


def values_of(number: int, report: Report, stamp: int | None = None) -> tuple[object, ...]:
    """What ``INSERT_REPORT`` takes. The write timestamp is the reading's time, so writing again changes nothing.

    Of two equal timestamps Cassandra keeps the row that expires later: what may differ needs its own ``stamp``.
    Raises StorageError for a report that cannot be stored.
    """
    row = (report.time_us, report.boot, report.batch, report.round, report.plan, report.flags, encode(report.blocks))
    return number, report.time_us // DAY_US, *row, max(1, report.time_us) if stamp is None else stamp


def report_of(device_id: int, row: tuple[int, int, int, int, int, int, bytes]) -> Report:
    """The inverse, of a row of ``SELECT_REPORTS``. Raises StorageError when it is damaged."""
    time_us, boot, batch, round_, plan, flags, blocks = row
    return Report(device_id, time_us, boot, batch, round_, plan, decode(blocks), flags)


def partitions_of(reports: Iterable[Report]) -> set[tuple[str, int]]:
    """(table, number) of all partitions that the history of these reports will need."""
    hours = {report.time_us // HOUR_US for report in reports}
    return {
        partition
        for hour in hours
        for partition in (
            ("report", hour // HOURS_A_DAY),
            ("chunk", hour // CHUNK.rows_a_partition),
            ("summary", hour // HOURS_A_DAY // SUMMARY.rows_a_partition),
        )
    }


def start_of(from_us: int, after: Place | None) -> Place:
    """The place after which a page begins."""
    first = Place(from_us, -1, -1, -1)
    return max(first, after or first)
