"""Brings each change of a small table to Cassandra, and all of them back into a new local file."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from twisted.internet.defer import Deferred, inlineCallbacks, succeed
from twisted.logger import Logger

from ...clock import WallClock
from ...errors import StorageAway, StorageError
from .bridge import Bridge, Statement, all_of
from .local import Change, LocalStore
from .tables import TABLES

_PAGE = 200
_UPSERT = {table.name: Statement(table.upsert) for table in TABLES}
_DELETE = {table.name: Statement(table.delete) for table in TABLES}
#: The row of ``setting`` that keeps a new file from giving a device's number again.
LAST_NUMBER = "last device number"
_PARTITIONS = {
    "report": Statement("SELECT DISTINCT device, day FROM report"),
    "chunk": Statement("SELECT DISTINCT device, month FROM chunk"),
    "summary": Statement("SELECT DISTINCT device, year FROM summary"),
}


class Mirror:
    """``poke`` after a change, ``caught_up`` to wait for it."""

    log = Logger()

    def __init__(self, bridge: Bridge, local: LocalStore, wall_clock: WallClock) -> None:
        self._bridge = bridge
        self._local = local
        self._wall_clock = wall_clock
        self._running: Deferred[None] | None = None
        self._is_dirty = False
        self._waiters: list[Deferred[bool]] = []
        self._seen: list[Deferred[bool]] = []  # what they wait for is among what is being sent

    def poke(self) -> None:
        """There may be something new."""
        self._is_dirty = True
        if self._running is None:
            self._running = self._run()
            self._running.addErrback(lambda failure: self.log.failure("mirroring ended", failure))

    def caught_up(self) -> Deferred[bool]:
        """Whether Cassandra has every change made so far; False at once while it is away."""
        if not self._bridge.is_up:
            return succeed(False)
        waiter: Deferred[bool] = Deferred()
        self._waiters.append(waiter)
        self.poke()
        return waiter

    @inlineCallbacks
    def _run(self) -> Generator[Deferred[Any], Any, None]:
        try:
            while self._is_dirty:
                yield self._send_page()
        except StorageAway:
            pass  # until the owner hears that it is back
        except StorageError as error:
            self.log.error("a change is not in Cassandra yet: {reason}", reason=str(error))
        finally:
            self._running = None
            self._answer(False)
            if self._waiters:
                self.poke()

    @inlineCallbacks
    def _send_page(self) -> Generator[Deferred[Any], Any, None]:
        self._is_dirty = False
        self._seen += self._waiters
        self._waiters = []
        changes, is_all = yield self._local.changes(_PAGE)
        self._is_dirty |= not is_all
        yield all_of([self._send(change) for change in changes])
        up_to = max((change.seq for change in changes), default=0)
        noted = self._local.told(up_to, self._wall_clock()) if changes else succeed(None)
        if is_all:
            self._answer(True)  # nobody waits for the note: without it the same is told again
        yield noted

    def _answer(self, is_there: bool) -> None:
        """Those who came before the last look."""
        seen, self._seen = self._seen, []
        for waiter in seen:
            waiter.callback(is_there)

    @inlineCallbacks
    def _send(self, change: Change) -> Generator[Deferred[Any], Any, None]:
        table, seq = change.table, change.seq
        if change.row is None:
            yield self._bridge.execute(_DELETE[table.name], seq, *table.bucketed(change.key))
            return
        yield self._bridge.execute(_UPSERT[table.name], *table.bucketed(change.row), seq)
        if table.name == "device":
            number = str(change.row[0])
            yield self._bridge.execute(_UPSERT["setting"], LAST_NUMBER, number, change.row[0])


@inlineCallbacks
def restore(bridge: Bridge, local: LocalStore, wall_clock: WallClock) -> Generator[Deferred[Any], Any, int]:
    """Fill a new local file with what Cassandra has; how many devices that are. Raises StorageError.

    It may be done again: what an interrupted one has brought already is brought once more.
    """
    yield local.begin_restoring(wall_clock())
    devices = 0
    for table in TABLES:
        rows = yield bridge.execute(Statement(table.select_all))
        yield local.fill(table, sorted(rows))
        devices += len(rows) if table.name == "device" else 0
    yield _restore_numbers(local)
    for name, statement in _PARTITIONS.items():
        rows = yield bridge.execute(statement)
        yield local.fill_partitions(name, rows)
    yield local.restored()
    return devices


@inlineCallbacks
def _restore_numbers(local: LocalStore) -> Generator[Deferred[Any], Any, None]:
    last = yield local.setting(LAST_NUMBER)
    yield local.no_number_up_to(int(last or 0))
