"""The production store: history in Cassandra, everything else in a local file with a copy in Cassandra.

Design notes storage and cassandra. What the daemon needs from one moment to the next (logins, values, writes to
equipment) never asks the database: it starts and works while that is away. A batch is durable when the journal and a
quorum have it; a small row when the local file has it and, as long as the database is there, a quorum too.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred, TimeoutError, fail, inlineCallbacks, succeed
from twisted.internet.task import LoopingCall, deferLater
from twisted.logger import Logger

from ...clock import WallClock, wall_clock_us
from ...errors import StorageAway, StorageError
from ...readings import Report
from ..blob import encode
from ..journal.journal import Journal
from ..records import Adopted, Batch, Health, Packed, PackedHour, Place, Snapshot, Unpacked
from ..writer import Signals
from .adoption import Adoption
from .bridge import Bridge
from .history import CassandraHistory
from .local import LocalStore
from .mirror import Mirror, restore
from .newest import newest
from .progress import Progress
from .rows import CHUNK, SUMMARY
from .schema import expect_tables
from .small import SmallTables
from .spool import Spool

#: So often cursors and latest values are written down.
_KEEP_SECONDS = 10.0
#: Cassandra has for good what it acknowledged so long ago (``commitlog_sync: periodic`` takes 10 s).
_DOUBT_US = 600 * 1_000_000
#: At the very first start: how long to wait for it.
_NEW_SECONDS = 20.0
#: At the start: how long to wait for the database before going on without.
_FIRST_SECONDS = 5.0
#: At the end: how long the database has for what is on its way.
_LAST_SECONDS = 10.0
#: So often it is looked whether nothing is on its way any more.
_REST_SECONDS = 0.05


class CassandraStore(SmallTables):
    """The promises of each method are those of ``Store``; it owns what it is given."""

    log = Logger()

    def __init__(
        self,
        bridge: Bridge,
        journal: Journal,
        local: LocalStore,
        clock: Any,
        alarm: Callable[[str, str], None],
        acknowledge_journal: bool = False,
        now_us: WallClock = wall_clock_us,
        signals: Signals | None = None,
    ) -> None:
        """``acknowledge_journal``: a batch is durable as soon as the journal has it (``ack = "spool"``).

        ``signals``: of batches that wait to become durable, and of the database that goes and comes back.
        """
        bridge.expect = expect_tables  # or else it counts as away: nothing is written to tables of another version
        self._bridge = bridge
        self._journal = journal
        self._local = local
        self._clock = clock
        self._now_us = now_us
        self._history = CassandraHistory(bridge, local)
        self._adoption = Adoption(self._history, local, now_us)
        self._mirror = Mirror(bridge, local, now_us)
        self._progress = Progress(journal, local, acknowledge_journal)
        took, durable = self._progress.took, self._progress.became_durable
        self._signals = signals or Signals()
        self._spool = Spool(
            journal, self._history, local, took, durable, alarm, clock, acknowledge_journal, signals=self._signals
        )
        self._keeping = LoopingCall(self._keep)
        self._keeping.clock = clock
        self._is_open = False
        self._is_in_use = False  # the database is there, and it is told what it may not have

    @property
    def health(self) -> Health:
        """The first of journal, local file and database that is not well; one that takes nothing is as good as away."""
        if not self._is_open:
            return Health("closed", 0)
        healths = [one.health for one in (self._journal, self._local, self._bridge)]
        if self._spool.drain.refusal is not None:
            healths.append(Health("away", self._bridge.health.since_us, str(self._spool.drain.refusal)))
        return next((health for health in healths if health.state != "ok"), healths[0])

    @property
    def waiting(self) -> int:
        """Entries of the journal that are to be written to the database (again)."""
        return self._spool.drain.waiting

    # -- opening and closing

    @inlineCallbacks
    def open(self) -> Generator[Deferred[Any], Any, Snapshot]:
        snapshot = yield self._local.open()
        try:
            state = yield self._journal.open()
            is_new = (not snapshot.devices and not snapshot.models) or (yield self._local.is_half_restored())
            yield self._connect(is_new)
            if is_new:
                snapshot = yield self._restore()
            yield self._progress.load(snapshot, state.next_lsn)
        except Exception:
            yield self._let_go()
            raise
        self._is_open = True
        self._bridge.on_up.append(self._came_back)
        self._bridge.on_down.append(self._went)
        self._keeping.start(_KEEP_SECONDS, now=False)
        settled = max(state.first_lsn, min(self._progress.settled, state.next_lsn))
        behind = {id_: cursor for id_, cursor in self._progress.behind.items() if id_ in snapshot.devices}
        ways = self._spool.begin(state.first_lsn, settled, state.next_lsn, behind)
        if self._bridge.is_up:
            self._came_back()
        return replace(snapshot, cursors=dict(self._progress.durable), on_their_way=ways)

    @inlineCallbacks
    def _connect(self, is_new: bool) -> Generator[Deferred[Any], Any, None]:
        """Wait a little for the database; with a new local file it must be there: it may know a system already."""
        connected = self._bridge.connect()
        if is_new:
            try:
                yield connected.addTimeout(_NEW_SECONDS, self._clock)
            except TimeoutError:
                reason = self._bridge.health.detail
                raise StorageAway(f"the first start needs the database, to ask what it knows: {reason}") from None
            return
        connected.addErrback(lambda failure: failure.trap(StorageError))
        yield connected.addTimeout(_FIRST_SECONDS, self._clock, lambda *_: None)

    @inlineCallbacks
    def _restore(self) -> Generator[Deferred[Any], Any, Snapshot]:
        devices = yield restore(self._bridge, self._local, self._now_us)
        snapshot = yield self._local.snapshot()
        if devices:
            snapshot = yield newest(self._history, self._local, snapshot)
        return snapshot

    @inlineCallbacks
    def close(self) -> Generator[Deferred[Any], Any, None]:
        if not self._is_open:
            return
        if self._bridge.is_up:
            yield self._spool.settled().addTimeout(_LAST_SECONDS, self._clock, lambda *_: None)
            yield self._mirror.caught_up()
        self._is_open = False
        self._bridge.on_up.remove(self._came_back)
        self._bridge.on_down.remove(self._went)
        self._keeping.stop()
        self._spool.abandon(StorageError("the store is not open"))
        yield self._progress.keep()
        yield self._let_go()

    @inlineCallbacks
    def _let_go(self) -> Generator[Deferred[Any], Any, None]:
        for part in (self._bridge, self._journal, self._local):
            yield part.close()

    def _went(self) -> None:
        self._is_in_use = False
        self._signals.health(self._bridge.health)

    @inlineCallbacks
    def _came_back(self) -> Generator[Deferred[Any], Any, None]:
        """Nobody knows whether all nodes were off: what they acknowledged lately is told them again, too."""
        try:
            yield self._local.doubt()
        except StorageError as error:
            self.log.error("the database is not used yet: {reason}", reason=str(error))
            return
        self._is_in_use = self._bridge.is_up
        self._signals.health(self._bridge.health)
        self._spool.resume(self._journal.first_lsn, self._journal.next_lsn)
        self._mirror.poke()

    @inlineCallbacks
    def _keep(self) -> Generator[Deferred[Any], Any, None]:
        """The timer's work; what fails is tried again the next time."""
        try:
            yield self._progress.keep()
            self._journal.tidy()
            if self._bridge.is_up and not self._is_in_use:
                yield self._came_back()
            if self._is_in_use:
                self._spool.drain.go_on()
                self._mirror.poke()
            if self._bridge.is_up and not self._spool.drain.waiting:
                yield self._local.trust(self._now_us() - _DOUBT_US)
        except StorageError as error:
            self.log.error("not written down yet: {reason}", reason=str(error))

    # -- history

    def append(self, batch: Batch) -> Deferred[None]:
        if not self._is_open:
            return fail(StorageError("the store is not open"))
        durable = self._progress.durable.get(batch.device_id)
        if durable is not None and durable.covers(batch.boot, batch.batch):
            return succeed(None)
        try:
            for report in batch.reports:
                encode(report.blocks)
        except StorageError:
            return fail()
        taken = self._progress.taken.get(batch.device_id)
        inherited = self._spool.await_inherited(batch.device_id) if self._spool.drain.waiting else None
        if inherited is not None and taken is not None and taken.covers(batch.boot, batch.batch):
            return inherited
        return self._spool.take(batch)

    @inlineCallbacks
    def backfill(self, device_id: int, reports: Sequence[Report]) -> Generator[Deferred[Any], Any, None]:
        if not self._is_open:
            raise StorageError("the store is not open")
        yield self._spool.fill(device_id, tuple(reports), self._now_us())
        self._progress.renew(device_id, reports)

    def reports(
        self, device_id: int, from_us: int, to_us: int, limit: int = 1000, after: Place | None = None
    ) -> Deferred[list[Report]]:
        return self._when_open(self._history.reports, device_id, from_us, to_us, limit, after)

    @inlineCallbacks
    def unpacked(
        self, from_hour: int, to_hour: int, limit: int = 1000, device_id: int | None = None
    ) -> Generator[Deferred[Any], Any, list[Unpacked]]:
        found = yield self._local.unpacked(from_hour, to_hour, limit, device_id)
        return [self._as_packable(one) for one in found]

    def _as_packable(self, one: Unpacked) -> Unpacked:
        """Not while reports of the hour may be on their way; those that come from now on mark it again."""
        if self._spool.drain.waiting or self._spool.pending.is_busy(one.device_id, one.hour):
            return one._replace(mark=None)
        self._spool.forget_note(one.device_id, one.hour)
        return one

    @inlineCallbacks
    def adopt(self, device_id: int, part: Adopted) -> Generator[Deferred[Any], Any, None]:
        yield self._when_open(self._adoption.adopt, device_id, part)
        if part.cursor is not None:
            self._progress.adopted(device_id, part.cursor)
            yield self._progress.keep()
        self._mirror.poke()

    @inlineCallbacks
    def rest(self) -> Generator[Deferred[Any], Any, None]:
        """Also the database has all small rows then."""
        while not self._is_in_use or self._spool.drain.waiting:
            if self._spool.drain.refusal is not None:
                raise self._spool.drain.refusal
            if not (self._is_open and self._bridge.is_up):
                raise StorageAway(self.health.detail or "the store is not open")
            yield deferLater(self._clock, _REST_SECONDS)
        yield self._spool.settled()
        yield self._mirror.caught_up()

    @inlineCallbacks
    def save_packed(
        self, packed: PackedHour, mark: int | None, keep_seconds: int | None = None
    ) -> Generator[Deferred[Any], Any, None]:
        stamp = yield self._local.stamp(self._now_us())
        yield self._history.save_packed(packed, stamp, keep_seconds, self._now_us())
        yield self._local.packed(packed, mark, self._now_us())

    def unmark(self, hour: Unpacked) -> Deferred[None]:
        return self._local.unmark(hour)

    def chunks(self, device_id: int, from_hour: int, to_hour: int, limit: int = 1000) -> Deferred[Packed]:
        return self._when_open(self._history.packed, CHUNK, device_id, from_hour, to_hour, limit)

    def summaries(self, device_id: int, from_day: int, to_day: int, limit: int = 1000) -> Deferred[Packed]:
        return self._when_open(self._history.packed, SUMMARY, device_id, from_day, to_day, limit)

    def forget(self, device_id: int, log_before_us: int, packed_before_day: int) -> Deferred[None]:
        """Rows have their end with them."""
        return succeed(None)

    def forget_removed(self, limit: int = 1000) -> Deferred[bool]:
        """The same; history is never deleted here."""
        return succeed(False)

    def _when_open(self, method: Callable[..., Deferred[Any]], *arguments: Any) -> Deferred[Any]:
        return method(*arguments) if self._is_open else fail(StorageError("the store is not open"))

    def remove_device(self, device_id: int) -> Deferred[None]:
        self._spool.forget(device_id)
        self._progress.forget(device_id)
        return super().remove_device(device_id)
