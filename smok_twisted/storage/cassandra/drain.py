"""What the journal has and the database may not have: written (again), oldest first. Writing again changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, inlineCallbacks
from twisted.internet.task import deferLater
from twisted.logger import Logger

from ...errors import StorageAway, StorageError
from ..journal.batches import decode
from ..journal.journal import Entry, Journal
from ..records import Batch
from .bridge import Failed, Refused, Unknown, all_of
from .history import CassandraHistory
from .pending import Name

#: Entries that are read from the journal together, and written at once.
_PAGE = 64
#: So often Cassandra may refuse a batch, or fail over it, before the batch itself is suspected.
_REFUSALS, _FAILURES = 5, 20
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.05, 5.0


class _Tries:
    """Of one batch. It is put aside only when the database has taken others meanwhile: or else all would be, one after
    the other, when a table is missing, a right was withdrawn, or the keyspace is another one."""

    def __init__(self, history: CassandraHistory) -> None:
        self.pause_seconds = _FIRST_PAUSE_SECONDS / 2
        self._history = history
        self._accepted_before = history.accepted
        self._refusals = self._failures = 0

    def note(self, error: StorageError) -> None:
        """One more was in vain."""
        self._refusals += isinstance(error, Refused)
        self._failures += isinstance(error, Failed)
        self.pause_seconds = min(2 * self.pause_seconds, _LONGEST_PAUSE_SECONDS)

    @property
    def are_enough(self) -> bool:
        """What nobody has answered is asked for ever."""
        return self._refusals >= _REFUSALS or self._failures >= _FAILURES

    @property
    def blames_the_batch(self) -> bool:
        """Whether others were taken meanwhile."""
        return self._history.accepted > self._accepted_before


class Drain:
    """Of one journal. Live batches have precedence in the bridge, so they need not wait for it."""

    log = Logger()

    def __init__(
        self,
        journal: Journal,
        history: CassandraHistory,
        alarm: Callable[[str, str], None],
        clock: Any,
        on_written: Callable[[Name], None] = lambda name: None,
        on_end: Callable[[int], None] = lambda lsn: None,
    ) -> None:
        """``on_written`` hears of each batch that the database has, or never will have: then it is put aside and
        ``alarm`` hears of it. ``on_end`` hears that all entries below an lsn are done, and may ask for more."""
        self._journal = journal
        self._history = history
        self._alarm = alarm
        self._clock = clock
        self._pauses: set[Deferred[None]] = set()
        self._on_written = on_written
        self._on_end = on_end
        self._from = self._to = 0  # lsns
        self._has_stopped = False
        self.refusal: StorageError | None = None  #: why the database takes nothing at all, though it is there
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
        for pause in list(self._pauses):
            pause.cancel()

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
                self._tell(error)
        finally:
            self.is_running = False

    def _tell(self, error: StorageError) -> None:
        if isinstance(error, (Refused, Failed)):
            if str(error) != str(self.refusal):
                self._alarm("database-refuses", f"nothing is written to the database: {error}")
            self.refusal = error
        self.log.error("not written to the database yet: {reason}", reason=str(error))

    @inlineCallbacks
    def _pages(self) -> Generator[Deferred[Any], Any, None]:
        while self.waiting:
            entries = yield self._journal.read(self._from, _PAGE)
            entries = [entry for entry in entries if entry.lsn < self._to]
            if not entries:
                break
            begun = self._from
            yield all_of([self._write(entry) for entry in entries])
            self.refusal = None
            if self._from == begun:  # or else older ones were asked for meanwhile
                self._from = entries[-1].lsn + 1

    @inlineCallbacks
    def _write(self, entry: Entry) -> Generator[Deferred[Any], Any, None]:
        number, batch = decode(entry.payload)
        tries = _Tries(self._history)
        while True:
            try:
                yield self._history.write(number, batch.reports, is_live=False)
                break
            except (Refused, Unknown) as error:
                tries.note(error)
                yield self._rest(tries.pause_seconds)
                if tries.are_enough and not tries.blames_the_batch:
                    raise
                if tries.are_enough:
                    yield self._put_aside(entry, batch, error)
                    break
        self._journal.settle(entry.lsn)
        self._on_written(Name(batch.device_id, batch.boot, batch.batch))

    @inlineCallbacks
    def _put_aside(self, entry: Entry, batch: Batch, error: StorageError) -> Generator[Deferred[Any], Any, None]:
        yield self._journal.quarantine(entry.lsn, entry.payload, str(error))
        self._alarm("quarantined", f"a batch of device 0x{batch.device_id:016x} is put aside: {error}")

    @inlineCallbacks
    def _rest(self, seconds: float) -> Generator[Deferred[Any], Any, None]:
        """Others may be taken meanwhile. Raises StorageAway when it is stopped."""
        pause: Deferred[None] = deferLater(self._clock, seconds)
        self._pauses.add(pause)
        try:
            yield pause
        except CancelledError:
            raise StorageAway("stopped") from None
        finally:
            self._pauses.discard(pause)
