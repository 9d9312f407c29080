"""The way of a batch: into the journal, into Cassandra, and then, in order, durable.

The journal has every batch before Cassandra is asked, also when all is well: what Cassandra acknowledged may be lost
for ten seconds yet, when all its nodes lose their power (design note storage, "Nothing lost"). While the database is
away the batches stay in the journal; when it is back, everything that is there is written again, oldest first and
behind what is new. Writing again changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Any

from twisted.internet.defer import Deferred, DeferredList, DeferredLock, fail, inlineCallbacks, succeed
from twisted.logger import Logger

from ...errors import StorageAway, StorageError
from ...readings import Report
from .. import blob
from ..journal.batches import encode
from ..journal.journal import Journal
from ..records import HOUR_US, Batch, Cursor, OnItsWay
from ..writer import Marks, Signals
from .drain import Drain
from .history import CassandraHistory
from .local import LocalStore
from .pending import Item, Name, Pending
from .rows import partitions_of

#: Batches that wait to become durable; each takes some 3 KB, and an outage of the database may last for hours.
_MARKS = Marks(40_000, 80_000, 200_000)


class _Turn:
    """Of the batches of one device: they reach the journal in the order in which they came."""

    def __init__(self) -> None:
        self.lock = DeferredLock()
        self.refusal: StorageError | None = None  #: of one that was refused: what waits behind it is refused, too


class Spool:
    """``on_durable`` hears of each batch that became durable, in the order of its device."""

    log = Logger()

    def __init__(
        self,
        journal: Journal,
        history: CassandraHistory,
        local: LocalStore,
        on_taken: Callable[[int, Batch], None],
        on_durable: Callable[[Name], None],
        alarm: Callable[[str, str], None],
        clock: Any,
        acknowledge_journal: bool = False,
        marks: Marks | None = None,
        signals: Signals | None = None,
    ) -> None:
        """``acknowledge_journal``: a batch is durable as soon as the journal has it (``ack = "spool"``).

        ``marks`` are of batches that wait to become durable, ``signals`` are given there.
        """
        self.pending = Pending()
        self.drain = Drain(journal, history, alarm, clock, self._written_again, self._drained)
        self._journal = journal
        journal.on_lost = self._lost
        self._history = history
        self._local = local
        self._on_taken = on_taken
        self._on_durable = on_durable
        self._acknowledge_journal = acknowledge_journal
        self._noted: dict[int, tuple[int, set[tuple[str, int]]]] = {}  # device -> its number, what is noted
        self._turns: dict[int, _Turn] = {}  # by device, of those that have a batch on its way into the journal
        self._marks = marks or _MARKS
        self._signals = signals or Signals()
        self._is_high = False
        self._inherited: list[Item] = []
        self._inherited_end = 0  # lsn behind what was in the journal at the start
        self._doubted = (0, 0)  # lsns that Cassandra had acknowledged then

    # -- a new batch

    def take(self, batch: Batch) -> Deferred[None]:
        """Fires when it is durable. Raises StorageError for one that cannot be stored, and when the journal is over."""
        name = Name(batch.device_id, batch.boot, batch.batch)
        item = self.pending.find(name)
        if item is not None:
            return _durability(item)
        if len(self.pending) >= self._marks.limit:
            return fail(StorageError(f"{len(self.pending)} batches wait already to become durable"))
        item = Item(name, {report.time_us // HOUR_US for report in batch.reports})
        durable = _durability(item)  # before it can be
        self.pending.add(item)
        self._watch_level()
        self._bring(item, batch).addErrback(lambda failure: self.log.failure("a batch was lost", failure))
        return durable

    @inlineCallbacks
    def fill(self, device_id: int, reports: tuple[Report, ...], now_us: int) -> Generator[Deferred[Any], Any, None]:
        """Straight into the database: whoever has these reports keeps them until this fires.

        Their write timestamp is below that of everything that a device brings, and below that of what was filled in
        before: nothing that is there changes.
        """
        for report in reports:
            blob.encode(report.blocks)
        hours = {report.time_us // HOUR_US for report in reports}
        self.pending.hold(device_id, hours)
        try:
            number = yield self._local.note(device_id, hours, partitions_of(reports))
            yield self._history.write(number, reports, is_live=False, stamp=-now_us)
        finally:
            self.pending.release(device_id, hours)

    def forget(self, device_id: int) -> None:
        """The device is removed."""
        self._noted.pop(device_id, None)
        self.pending.disown(device_id)

    def settled(self) -> Deferred[Any]:
        """Fires when nothing is on its way any more, whatever came of it."""
        ended = [_durability(item).addErrback(lambda _: None) for item in self.pending.all()]
        return DeferredList(ended)

    def abandon(self, error: StorageError) -> None:
        """Nothing will become durable any more before the next start; the journal has what it has."""
        self.drain.stop()
        self._fail(self.pending.give_up(), error)

    def begin(self, first_lsn: int, settled: int, next_lsn: int, behind: Mapping[int, Cursor]) -> dict[int, OnItsWay]:
        """The journal from before the start: what Cassandra may not have at all goes first.

        ``behind``: devices whose newest batch in the journal is not durable as far as anybody knows.
        """
        self._inherited_end, self._doubted = next_lsn, (first_lsn, settled)
        self.drain.expect(settled, next_lsn)
        ways = {}
        for device_id, cursor in behind.items():
            item = Item(Name(device_id, *cursor), ())
            self.pending.add(item)
            self._inherited.append(item)
            ways[device_id] = OnItsWay(cursor, _durability(item))
        return ways

    def await_inherited(self, device_id: int) -> Deferred[None] | None:
        """What the journal had of a device at the start: fires when it is durable; None when it is."""
        item = next((one for one in self._inherited if one.name.device_id == device_id and not one.is_kept), None)
        return None if item is None else _durability(item)

    def resume(self, first_lsn: int, next_lsn: int) -> None:
        """The database is back: all of the journal, what is known to be missing first."""
        if self.drain.waiting:
            self._doubted = (first_lsn, self.drain.first_lsn)
            self._inherited_end = self._inherited_end or self.drain.end_lsn
            self.drain.go_on()
        else:
            self._doubted = (0, 0)  # that is among it
            self.drain.begin(first_lsn, next_lsn)

    def _written_again(self, name: Name) -> None:
        item = self.pending.find(name)
        if item is not None:
            self._kept(item)

    def _drained(self, end_lsn: int) -> None:
        """Also what was written before, and may have been lost with the power of all nodes, is written again."""
        if not end_lsn >= self._inherited_end > 0:
            return
        self._inherited_end = 0
        inherited, self._inherited = self._inherited, []
        for item in inherited:
            self._kept(item)
        (first, settled), self._doubted = self._doubted, (0, 0)
        if first < settled:
            self.drain.expect(first, settled)

    @inlineCallbacks
    def _bring(self, item: Item, batch: Batch) -> Generator[Deferred[Any], Any, None]:
        try:
            number, appended = yield self._in_turn(item, batch)
            lsn = yield appended
        except StorageError as error:
            self._drop(item, error)
            return
        if not item.is_orphan:
            self._on_taken(lsn, batch)
        if self._acknowledge_journal:
            self._kept(item)
        item.lsn = lsn
        if self._history.is_away or self.drain.refusal:  # for hours, perhaps: no need to hear that for each batch
            self.drain.expect(lsn, lsn + 1)
            return
        try:
            yield self._history.write(number, batch.reports)
        except StorageAway:
            self.drain.expect(lsn, lsn + 1)
        except StorageError:
            self.drain.begin(lsn, lsn + 1)
        else:
            self._journal.settle(lsn)
            self._kept(item)

    @inlineCallbacks
    def _in_turn(self, item: Item, batch: Batch) -> Generator[Deferred[Any], Any, tuple[int, Deferred[int]]]:
        """The device's number and the append to the journal, which has begun.

        The newest number of a device in the journal stands for all before it: were a batch overtaken there by the next
        one, and the power cut between the two, then nobody would ask the device for it again.
        """
        turn = self._turns.setdefault(batch.device_id, _Turn())
        yield turn.lock.acquire()
        try:
            if turn.refusal is not None:
                raise turn.refusal
            number = yield self._note(item, batch)
            appended = self._journal.append(encode(number, batch))
            if appended.called:
                appended = succeed((yield appended))
            return number, appended
        except StorageError as error:
            turn.refusal = error
            raise
        finally:
            if not turn.lock.waiting:
                self._turns.pop(batch.device_id, None)
            turn.lock.release()

    @inlineCallbacks
    def _note(self, item: Item, batch: Batch) -> Generator[Deferred[Any], Any, int]:
        """The device's number; the marks of its hours and partitions are durable."""
        wanted = partitions_of(batch.reports) | {("hour", hour) for hour in item.hours}
        number, noted = self._noted.get(batch.device_id, (None, set()))
        if number is None or not wanted <= noted:
            partitions = [one for one in wanted if one[0] != "hour"]
            number = yield self._local.note(batch.device_id, item.hours, partitions)
            if not item.is_orphan:  # or else a later device of the same id would write under the old one's number
                known = self._noted.setdefault(batch.device_id, (number, set()))[1]
                known |= wanted
        return int(number)

    def forget_note(self, device_id: int, hour: int) -> None:
        """The next report of the hour marks it again."""
        if device_id in self._noted:
            self._noted[device_id][1].discard(("hour", hour))

    def _kept(self, item: Item) -> None:
        if not item.is_kept:
            self._tell(self.pending.kept(item))

    def _drop(self, item: Item, error: StorageError) -> None:
        dropped, durable = self.pending.dropped(item)
        self._fail(dropped, error)
        self._tell(durable)

    def _fail(self, items: list[Item], error: StorageError) -> None:
        """They will not become durable: whoever has them sends them again."""
        self._inherited = [item for item in self._inherited if item not in items]
        for item in items:
            waiters, item.waiters = item.waiters, []
            for waiter in waiters:
                waiter(error)
        self._watch_level()

    def _lost(self, first_lsn: int, end_lsn: int) -> None:
        """These entries of the journal are damaged. Of what was there at the start nobody knows whose they were."""
        error = StorageError("the journal cannot be read there: it must be sent again")
        lost = [item for item in self.pending.all() if first_lsn <= (item.lsn or 0) < end_lsn]
        for item in (*lost, *(self._inherited if first_lsn < self._inherited_end else ())):
            if not item.is_kept:
                self._drop(item, error)

    def _watch_level(self) -> None:
        count = len(self.pending)
        if count >= self._marks.high and not self._is_high:
            self._is_high = True
            self._signals.high_water()
        elif count <= self._marks.low and self._is_high:
            self._is_high = False
            self._signals.low_water()

    def _tell(self, durable: list[Item]) -> None:
        self._watch_level()
        for item in durable:
            if not item.is_orphan:
                self._on_durable(item.name)
            for waiter in item.waiters:
                waiter(None)


def _durability(item: Item) -> Deferred[None]:
    durable: Deferred[None] = Deferred()
    item.waiters.append(lambda error: durable.callback(None) if error is None else durable.errback(error))
    return durable
