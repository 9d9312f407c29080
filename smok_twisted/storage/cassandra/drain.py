"""What the journal has and the database may not have: written (again), oldest first. Writing again changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.logger import Logger

from ...errors import StorageAway, StorageError
from ..journal.batches import decode
from ..journal.journal import Entry, Journal
from .bridge import Refused, Unknown, all_of
from .history import CassandraHistory
from .pending import Name

#: Entries that are read from the journal together, and written at once.
_PAGE = 64
#: So often Cassandra may refuse a batch before it is put aside.
_TRIES = 5


class Drain:
    """Of one journal. Live batches have precedence in the bridge, so they need not wait for it."""

    log = Logger()

    def __init__(
        self,
        journal: Journal,
        history: CassandraHistory,
        alarm: Callable[[str, str], None],
        on_written: Callable[[Name], None] = lambda name: None,
        on_end: Callable[[int], None] = lambda lsn: None,
    ) -> None:
        """``on_written`` hears of each batch that the database has, or never will have: then it is put aside and
        ``alarm`` hears of it. ``on_end`` hears that all entries below an lsn are done, and may ask for more."""
        self._journal = journal
        self._history = history
        self._alarm = alarm
        self._on_written = on_written
        self._on_end = on_end
        self._from = self._to = 0  # lsns
        self._has_stopped = False
        self.is_running = False  #: if it is not and something waits, the database or the disk kept it

    @property
    def waiting(self) -> int:
        """Entries that are to be written (again)."""
        return max(0, self._to - self._from)

    @property
    def first_lsn(self) -> int:
        """The oldest of them."""
        return self._from

    @property
    def end_lsn(self) -> int:
        """Behind the newest of them."""
        return self._to

    def expect(self, from_lsn: int, to_lsn: int) -> None:
        """These must be written (again), as soon as the database is there."""
        if not self.waiting:
            self._from, self._to = from_lsn, to_lsn
        self._from, self._to = min(self._from, from_lsn), max(self._to, to_lsn)

    def begin(self, from_lsn: int, to_lsn: int) -> None:
        """These too, now."""
        self.expect(from_lsn, to_lsn)
        self._start()

    def go_on(self) -> None:
        """With what was kept from being written, if anything was."""
        if self.waiting:
            self._start()

    def stop(self) -> None:
        """For good."""
        self._has_stopped = True

    def _start(self) -> None:
        if not self.is_running and not self._has_stopped:
            self.is_running = True
            self._run().addErrback(lambda failure: self.log.failure("draining ended", failure))

    @inlineCallbacks
    def _run(self) -> Generator[Deferred[Any], Any, None]:
        try:
            is_all = False
            while not is_all:
                yield self._pages()
                end, self._from, self._to = self._to, 0, 0
                self._on_end(end)
                is_all = not self.waiting
        except StorageAway:
            pass  # it is told elsewhere
        except StorageError as error:
            if not self._has_stopped:
                self.log.error("not written to the database yet: {reason}", reason=str(error))
        finally:
            self.is_running = False

    @inlineCallbacks
    def _pages(self) -> Generator[Deferred[Any], Any, None]:
        while self.waiting:
            entries = yield self._journal.read(self._from, _PAGE)
            entries = [entry for entry in entries if entry.lsn < self._to]
            if not entries:
                break
            begun = self._from
            yield all_of([self._write(entry) for entry in entries])
            if self._from == begun:  # or else older ones were asked for meanwhile
                self._from = entries[-1].lsn + 1

    @inlineCallbacks
    def _write(self, entry: Entry) -> Generator[Deferred[Any], Any, None]:
        number, batch = decode(entry.payload)
        refusals = 0
        while True:
            try:
                yield self._history.write(number, batch.reports, is_live=False)
                break
            except Unknown:
                continue  # the same row again
            except Refused as error:
                refusals += 1
                if refusals == _TRIES:
                    yield self._journal.quarantine(entry.lsn, entry.payload, str(error))
                    self._alarm("quarantined", f"a batch of device 0x{batch.device_id:016x} is put aside: {error}")
                    break
        self._journal.settle(entry.lsn)
        self._on_written(Name(batch.device_id, batch.boot, batch.batch))
