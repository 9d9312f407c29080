"""Reports, chunks and summaries in Cassandra, through the bridge."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import Any, NamedTuple

from twisted.internet.defer import Deferred, inlineCallbacks

from ...readings import Report
from ..records import HOURS_A_DAY, Packed, PackedHour, Place
from .bridge import BACKGROUND, LIVE, Bridge, Statement, all_of
from .local import LocalStore
from .rows import (
    CHUNK,
    DAY_US,
    INSERT_REPORT,
    SELECT_NEWEST,
    SELECT_REPORTS,
    SUMMARY,
    PackedTable,
    report_of,
    seconds_to_live,
    start_of,
    values_of,
)

#: Of the type int in Cassandra.
_LARGEST = (1 << 31) - 1

_INSERT_REPORT = Statement(INSERT_REPORT, travels_together=True)
_SELECT_REPORTS = Statement(SELECT_REPORTS)
_SELECT_NEWEST = Statement(SELECT_NEWEST)
_INSERT = {table.name: Statement(table.insert) for table in (CHUNK, SUMMARY)}
_SELECT = {table.name: Statement(table.select) for table in (CHUNK, SUMMARY)}


class PackedRow(NamedTuple):
    """A chunk or a summary."""

    table: PackedTable
    place: int  #: hour or day
    octets: bytes
    keep_seconds: int  #: 0: for ever

    @property
    def partition(self) -> int:
        """Where it is."""
        return self.place // self.table.rows_a_partition


class CassandraHistory:
    """Answers as ``interface.Store`` says. Raises StorageAway while the database is away."""

    def __init__(self, bridge: Bridge, local: LocalStore) -> None:
        self._bridge = bridge
        self._local = local
        self.accepted = 0  #: writes of reports that the database has taken since the start

    @property
    def is_away(self) -> bool:
        """Whether everything here raises StorageAway."""
        return not self._bridge.is_up

    def write(
        self, number: int, reports: tuple[Report, ...], is_live: bool = True, stamp: int | None = None
    ) -> Deferred[Any]:
        """All of them, once; fires when each is kept by the consistency that was configured.

        ``stamp``: the write timestamp, if it is not to be the reading's time.
        """
        priority = LIVE if is_live else BACKGROUND
        rows = [values_of(number, one, stamp) for one in reports]
        written = all_of([self._bridge.execute(_INSERT_REPORT, *row, priority=priority) for row in rows])
        return written.addCallback(self._count)

    def _count(self, result: Any) -> Any:
        self.accepted += 1
        return result

    @inlineCallbacks
    def reports(
        self, device_id: int, from_us: int, to_us: int, limit: int, after: Place | None
    ) -> Generator[Deferred[Any], Any, list[Report]]:
        """One page, day by day."""
        start = start_of(from_us, after)
        days = yield self._local.partitions(device_id, "report", start.time_us // DAY_US, -(-to_us // DAY_US))
        found: list[Report] = []
        for number, day in days:
            rows = yield self._bridge.execute(_SELECT_REPORTS, number, day, *start, to_us, limit - len(found))
            found += [report_of(device_id, row) for row in rows]
            if len(found) >= limit:
                break
        return found

    @inlineCallbacks
    def newest(self, device_id: int, limit: int = 200) -> Generator[Deferred[Any], Any, list[Report]]:
        """The last reports of the newest day that has any, newest first."""
        days = yield self._local.partitions(device_id, "report", 0, 1 << 40)
        for number, day in reversed(days):
            rows = yield self._bridge.execute(_SELECT_NEWEST, number, day, limit)
            if rows:
                return [report_of(device_id, row) for row in rows]
        return []

    @inlineCallbacks
    def packed(
        self, table: PackedTable, device_id: int, first: int, end: int, limit: int
    ) -> Generator[Deferred[Any], Any, Packed]:
        """Rows of ``[first, end)`` in order."""
        first, end = min(first, _LARGEST), min(end, _LARGEST)
        size = table.rows_a_partition
        partitions = yield self._local.partitions(device_id, table.name, first // size, -(-end // size))
        found: Packed = []
        for number, partition in partitions:
            statement, rest = _SELECT[table.name], limit - len(found)
            found += yield self._bridge.execute(statement, number, partition, first, end, rest)
            if len(found) >= limit:
                break
        return found

    def put(self, number: int, rows: Iterable[PackedRow], stamp: int) -> Deferred[Any]:
        """All of them, whose partitions are noted already; of two with different stamps the larger stays."""
        return all_of(
            [
                self._bridge.execute(
                    _INSERT[row.table.name],
                    *(number, row.partition, row.place, row.octets, row.keep_seconds, stamp),
                    priority=BACKGROUND,
                )
                for row in rows
            ]
        )

    @inlineCallbacks
    def save_packed(
        self, hour: PackedHour, stamp: int, keep_seconds: int | None, now_us: int
    ) -> Generator[Deferred[Any], Any, None]:
        """Chunk and summary, kept so long after their day; of two with different stamps the larger stays."""
        number = yield self._local.number_of(hour.device_id)
        day = hour.hour // HOURS_A_DAY
        seconds = seconds_to_live(day, keep_seconds, now_us)
        rows = [PackedRow(CHUNK, hour.hour, hour.chunk, seconds), PackedRow(SUMMARY, day, hour.summary, seconds)]
        yield self._local.note(hour.device_id, (), [(row.table.name, row.partition) for row in rows])
        for row in rows:
            yield self.put(number, [row], stamp)
