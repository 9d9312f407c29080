"""What is measured beside a Cassandra: our bridge and the bare driver, in one process that does one thing at a time.

``python -m bench.cassandra writer KEYSPACE ADDRESS``; each line KIND COUNT is done, and answered with the requests.
"""

from __future__ import annotations

import itertools
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import Any

from twisted.internet import reactor as installed_reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.threads import blockingCallFromThread

from smok_twisted.history import chunk
from smok_twisted.readings import Report
from smok_twisted.storage.cassandra.bridge import Bridge, Statement
from smok_twisted.storage.cassandra.driver import DriverSession
from smok_twisted.storage.cassandra.options import Options
from smok_twisted.storage.cassandra.rows import CHUNK, INSERT_REPORT, SUMMARY, PackedTable, values_of
from smok_twisted.storage.records import HOURS_A_DAY, PackedHour

from . import mix
from .packed import packed_hours

reactor: Any = installed_reactor
SMALL = "INSERT INTO setting (name, text) VALUES (?, ?)"
ROW = "INSERT INTO bench_row (device, register, time_us, word) VALUES (?, ?, ?, ?)"
_WINDOW = 256
_KINDS = (
    *("bare", "bridge", "bridge_together", "reports", "reports_together", "chunks", "rows", "batches", "packed"),
    *("prepare", "sent"),
)
Values = tuple[Any, ...]


class Writer:
    """Each kind of work writes ``count`` of something, and returns when all is acknowledged; how many requests."""

    def __init__(self, options: Options) -> None:
        self._session = DriverSession(options)
        self._driver = self._session._session
        self._bridge = Bridge(options, reactor, window=_WINDOW)
        self._source = itertools.chain.from_iterable(mix.hours(1, 1))
        self._reports: Iterator[Report] = iter(())
        self._hours = itertools.count()
        self._small = self._driver.prepare(SMALL)
        blockingCallFromThread(reactor, self._bridge.connect)

    def prepare(self, count: int) -> int:
        """So many reports, so that what is measured next only takes them."""
        some = list(itertools.islice(self._source, count))
        self._reports = iter(some)
        return len(some)

    def packed(self, count: int) -> int:
        """So many hours of several devices, each with its day's summary, as the daemon writes them."""
        hours = list(itertools.islice(packed_hours(), count))
        written = [self._through_bridge(table.insert, _packed(table, hours)) for table in (CHUNK, SUMMARY)]
        return sum(written) // 2

    def bare(self, count: int) -> int:
        """Small rows through the driver's ``execute_async``, so many at once."""
        return self._through_driver((self._small, values) for values in _small(count))

    def bridge(self, count: int) -> int:
        """The same rows through our bridge, as many at once."""
        return self._through_bridge(SMALL, _small(count))

    def bridge_together(self, count: int) -> int:
        """The same rows again, up to ten a request."""
        return self._through_bridge(SMALL, _small(count), travels_together=True)

    def reports(self, count: int) -> int:
        """Reports, one a request: as the daemon writes them when few come."""
        return self._through_bridge(INSERT_REPORT, self._rows_of_reports(count))

    def reports_together(self, count: int) -> int:
        """Reports as the daemon writes them when many come: up to ten a request."""
        return self._through_bridge(INSERT_REPORT, self._rows_of_reports(count), travels_together=True)

    def sent(self, count: int) -> int:
        """Requests of our bridge until now."""
        return self._bridge.tally.sent

    def _rows_of_reports(self, count: int) -> Iterator[Values]:
        return (values_of(1, report) for report in itertools.islice(self._reports, count))

    def chunks(self, count: int) -> int:
        """Hours, packed as the daemon packs them, one a request."""
        return self._through_bridge(CHUNK.insert, (self._hour(next(self._hours)) for _ in range(count)))

    def rows(self, count: int) -> int:
        """A row and a request a sample, through the bare driver."""
        return self._through_driver((self._row, values) for values in self._samples(count))

    def batches(self, count: int) -> int:
        """A row a sample, those of one report in one unlogged batch."""
        return self._through_driver((self._batch(report), None) for report in itertools.islice(self._reports, count))

    @cached_property
    def _row(self) -> Any:
        """Prepared; its table is not always there."""
        return self._driver.prepare(ROW)

    def _hour(self, number: int) -> Values:
        octets = chunk.encode(list(itertools.islice(self._reports, mix.ROUNDS_AN_HOUR)))
        return 1, number // CHUNK.rows_a_partition, number, octets, 0, number + 1

    def _samples(self, count: int) -> Iterator[Values]:
        samples = (row for report in self._reports for row in _rows(report))
        return itertools.islice(samples, count)

    def _batch(self, report: Report) -> Any:
        from cassandra.query import BatchStatement, BatchType

        batch = BatchStatement(BatchType.UNLOGGED)
        for row in _rows(report):
            batch.add(self._row, row)
        return batch

    def _through_driver(self, requests: Iterable[tuple[Any, Values | None]]) -> int:
        room, failed, count = threading.Semaphore(_WINDOW), [], 0

        def done(_: Any) -> None:
            room.release()

        def gone(error: Exception) -> None:
            failed.append(error)
            room.release()

        for statement, values in requests:
            room.acquire()
            self._driver.execute_async(statement, values).add_callbacks(done, gone)
            count += 1
        for _ in range(_WINDOW):
            room.acquire()
        if failed:
            raise failed[0]
        return count

    def _through_bridge(self, cql: str, values: Iterable[Values], travels_together: bool = False) -> int:
        statement = Statement(cql, travels_together=travels_together)
        done: int = blockingCallFromThread(reactor, self._chains, statement, iter(values))
        return done

    def _chains(self, statement: Statement, values: Iterator[Values]) -> Deferred[int]:
        """As many as fit into the window; each answer brings the next request."""
        return gatherResults([self._chain(statement, values) for _ in range(_WINDOW)], True).addCallback(sum)

    def _chain(self, statement: Statement, values: Iterator[Values]) -> Deferred[int]:
        """Fires with how many it has written when there are no more."""
        ended: Deferred[int] = Deferred()

        def go_on(count: int) -> None:
            one = next(values, None)
            if one is None:
                return ended.callback(count)
            answer = self._bridge.execute(statement, *one)
            answer.addCallbacks(lambda _: go_on(count + 1), ended.errback)

        go_on(0)
        return ended


def _small(count: int) -> Iterator[Values]:
    return ((f"bench {number}", "on") for number in range(count))


def _packed(table: PackedTable, hours: Iterable[PackedHour]) -> Iterator[Values]:
    """Rows of one of the two tables, in order, the later the stronger."""
    for stamp, hour in enumerate(hours, 1):
        place, octets = (hour.hour, hour.chunk) if table is CHUNK else (hour.hour // HOURS_A_DAY, hour.summary)
        yield hour.device_id, place // table.rows_a_partition, place, octets, 0, stamp


def _rows(report: Report) -> Iterator[Values]:
    [block] = report.blocks
    return ((1, register, report.time_us, word) for register, word in enumerate(block.words))


def main(keyspace: str, address: str) -> None:
    """Answer lines until there are no more."""
    writer = Writer(Options((address,), keyspace))
    print("ready", flush=True)
    kinds: dict[str, Callable[[int], int]] = {name: getattr(writer, name) for name in _KINDS}
    for line in sys.stdin:
        kind, count = line.split()
        print(kinds[kind](int(count)), flush=True)


def _run(*arguments: str) -> None:
    """A process that cannot go on ends, so that nobody waits for its answer."""
    try:
        main(*arguments)
    finally:
        reactor.callFromThread(reactor.stop)


if __name__ == "__main__":
    threading.Thread(target=_run, args=sys.argv[2:], daemon=True).start()
    reactor.run(installSignalHandlers=False)
