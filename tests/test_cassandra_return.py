"""The store beside a database in memory that goes, comes back unfit, half answers, and is gone at the next start."""

from __future__ import annotations

from pathlib import Path

from twisted.internet import reactor
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from smok_twisted.errors import StorageAway, StorageError
from smok_twisted.storage.cassandra import store as store_module
from smok_twisted.storage.cassandra.bridge import Refused, Unknown
from smok_twisted.storage.cassandra.local import LocalStore
from smok_twisted.storage.cassandra.schema import expect_tables, scripts
from smok_twisted.storage.cassandra.store import CassandraStore
from smok_twisted.storage.cassandra.tables import TABLES
from smok_twisted.storage.journal.journal import Journal
from smok_twisted.storage.records import Cursor, Health

from .bridge_rig import BridgeRig
from .store_samples import DEVICE, batch_of, credential, device, report


class Database:
    """A bridge and what is behind it. ``trouble(cql)`` gives what a statement fails with, or a Deferred, or None."""

    def __init__(self):
        self.is_up, self.on_up, self.on_down = True, [], []
        self.expect = lambda rows: None
        self.trouble = lambda cql: None
        self.written = []  # (table, first values)
        self.tables = {}  # what SELECT finds

    @property
    def health(self):
        return Health("ok" if self.is_up else "away", 0)

    def connect(self):
        return succeed(None) if self.is_up else Deferred()

    def close(self):
        return succeed(None)

    def execute(self, statement, *values, priority=0):
        if not self.is_up:
            return fail(StorageAway("away"))
        trouble = self.trouble(statement.cql)
        if trouble is not None:
            return trouble if isinstance(trouble, Deferred) else fail(trouble)
        words = statement.cql.split()
        if "INTO" in words:
            self.written.append((words[words.index("INTO") + 1], values))
        return succeed(self.tables.get(statement.cql, []))

    def go(self):
        self.is_up = False
        for hear in list(self.on_down):
            hear()

    def come(self):
        self.is_up = True
        for hear in list(self.on_up):
            hear()

    def rows(self, table):
        return [values for name, values in self.written if name == table]


class Case(TestCase):
    timeout = 60

    def setUp(self):
        self.patch(store_module, "_KEEP_SECONDS", 0.05)
        self.patch(store_module, "_LAST_SECONDS", 0.2)
        self.patch(store_module, "_FIRST_SECONDS", 0.1)
        self.database, self.folder, self.alarms = Database(), Path(self.mktemp()), []
        self.folder.mkdir()

    def made(self):
        return CassandraStore(
            self.database,
            Journal(self.folder / "journal", reactor, window_seconds=0),
            LocalStore(self.folder / "local.db", reactor, window_seconds=0),
            reactor,
            lambda kind, text: self.alarms.append(kind),
        )

    async def opened(self):
        store = self.made()
        snapshot = await store.open()
        self.addCleanup(store.close)
        return store, snapshot

    async def with_device(self):
        store, _ = await self.opened()
        await store.save_device(device())
        return store

    async def until(self, true):
        while not true():
            await deferLater(reactor, 0.01)

    def batches(self):
        """The numbers of those that are in the database."""
        return sorted({values[4] for values in self.database.rows("report")})


class Comes(Case):
    async def test_the_local_file_cannot_note_it(self):
        """It is tried again by itself: what waits is not left until the next outage."""
        store = await self.with_device()
        self.database.go()
        waiting = store.append(batch_of(report(1)))
        await self.until(lambda: store.waiting == 1)
        troubles = [StorageError("locked")]
        doubt = store._local.doubt
        store._local.doubt = lambda: fail(troubles.pop()) if troubles else doubt()
        self.database.come()
        await waiting
        await self.until(lambda: store.waiting == 0)
        self.assertEqual((self.batches(), troubles), ([1], []))
        self.flushLoggedErrors(StorageError)

    async def test_a_small_row_that_met_a_silence(self):
        """Told again by itself, not at the next change."""
        store = await self.with_device()
        before, silences = len(self.database.rows("setting")), [Unknown("slow")]
        self.database.trouble = lambda cql: silences.pop() if silences and "INTO setting" in cql else None
        await store.put_setting("x", "1")
        await self.until(lambda: len(self.database.rows("setting")) > before)

    async def test_everything_is_refused(self):
        """It is there and takes nothing: told as if it were away, nothing is put aside, nobody's batch is durable."""
        store = await self.with_device()
        self.database.trouble = lambda cql: Refused("no such table") if "INTO report" in cql else None
        waiting = store.append(batch_of(report(1)))
        await self.until(lambda: store.health.state == "away")
        self.assertEqual(store.health.detail, "no such table")
        await self.assertFailure(store.rest(), Refused)
        self.assertNoResult(waiting)
        self.assertEqual((self.alarms, list(self.folder.glob("journal/quarantine/*"))), (["database-refuses"], []))
        self.database.trouble = lambda cql: None
        await waiting
        await self.until(lambda: store.health.state == "ok")


class Closes(Case):
    async def test_between_two_batches(self):
        """The first has no answer yet, the second has: neither is durable, and everything is closed."""
        store = await self.with_device()
        held = [Deferred()]
        self.database.trouble = lambda cql: held.pop() if held and "INTO report" in cql else None
        first, second = (store.append(batch_of(report(number))) for number in (1, 2))
        await self.until(lambda: self.batches() == [2])
        await store.close()
        for one in (first, second):
            self.failureResultOf(one, StorageError)
        self.assertEqual((store._journal.health.state, store._local.health.state), ("closed", "closed"))
        store, snapshot = await self.opened()
        self.assertEqual(snapshot.cursors, {})
        await self.until(lambda: self.batches() == [1, 2])

    async def test_in_an_outage(self):
        """What the journal has is known at the next start: devices that offer it again are not written twice."""
        store = await self.with_device()
        self.database.go()
        for number in (1, 2, 3):
            store.append(batch_of(report(number))).addErrback(lambda failure: failure.trap(StorageError))
        await self.until(lambda: store._progress.taken.get(DEVICE) == Cursor(1, 3))
        await store.close()
        store, snapshot = await self.opened()
        self.assertEqual(snapshot.on_their_way[DEVICE].cursor, Cursor(1, 3))
        entries = store._journal.next_lsn
        again = [store.append(batch_of(report(number))) for number in (1, 2, 3)]
        self.database.come()
        for one in again:
            await one
        self.assertEqual((store._journal.next_lsn, self.batches()), (entries, [1, 2, 3]))


class NewMachine(Case):
    async def test_a_restore_that_was_interrupted(self):
        """It is not taken for whole at the next start: without its credentials no device could log in."""
        store = await self.with_device()
        await store.save_credential(credential())
        await store.close()
        selects = {table.name: table.select_all for table in TABLES}
        columns = {table.name: len(table.columns) for table in TABLES}
        for name in ("device", "credential"):
            rows = {values[: columns[name]] for values in self.database.rows(name)}
            self.database.tables[selects[name]] = sorted(rows)
        for path in self.folder.glob("local.db*"):
            path.unlink()
        self.database.trouble = lambda cql: StorageAway("gone") if cql == selects["credential"] else None
        await self.assertFailure(self.made().open(), StorageAway)
        self.database.trouble = lambda cql: None
        _, snapshot = await self.opened()
        self.assertEqual((list(snapshot.devices), snapshot.credentials), ([DEVICE], {DEVICE: {0: credential()}}))


class Unfit(TestCase):
    """Tables of another version, or none: the database counts as away, and that is the reason that is told."""

    def rig(self, *rows):
        rig = BridgeRig()
        rig.bridge.expect = expect_tables
        self.connected = rig.bridge.connect()
        rig.reactor.work()
        rig.session.probes[-1].answered(*rows)
        rig.reactor.work()
        return rig

    def test_newer_tables(self):
        """Nothing is sent; it is looked at again by itself, and used when they fit."""
        newest = len(scripts())
        rig = self.rig((newest + 1,))
        self.failureResultOf(self.connected, Refused)
        reason = f"the keyspace has schema {newest + 1}, this version of SMOK has {newest}: install the version"
        self.assertIn(reason, rig.bridge.health.detail)
        self.assertEqual((rig.bridge.is_up, rig.bridge.health.state, rig.heard), (False, "away", []))
        self.assertIn(reason, str(self.failureResultOf(rig.execute("row"), StorageAway).value))
        self.assertGreater(rig.seconds_to_probe(), 0)
        rig.session.probes[-1].answered((newest,))
        rig.reactor.work()
        self.assertEqual((rig.bridge.is_up, rig.heard, rig.session.values), (True, ["up"], []))

    def test_no_tables(self):
        """The keyspace is another one, or was never made."""
        rig = self.rig()
        self.assertIn("`smok db init` makes them", str(self.failureResultOf(self.connected, Refused).value))
        self.assertFalse(rig.bridge.is_up)

    def test_silence_is_no_misfit(self):
        """A look that nobody answers is repeated."""
        rig = BridgeRig()
        rig.bridge.expect = expect_tables
        connected = rig.bridge.connect()
        rig.reactor.work()
        rig.session.probes[-1].failed(Unknown("slow"))
        rig.reactor.work()
        self.assertNoResult(connected)
        rig.seconds_to_probe()
        rig.session.probes[-1].answered((len(scripts()),))
        rig.reactor.work()
        self.successResultOf(connected)
