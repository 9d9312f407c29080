"""The writing thread: answers only what is durable, in one go per group, and never more than it can hold."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from pathlib import Path

from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.trial.unittest import TestCase

from smok_twisted.errors import StorageError
from smok_twisted.storage.database import Database
from smok_twisted.storage.writer import Marks, Signals, Writer, pause_seconds

from .test_storage_commit import INSERT, SCRIPT, FailingCursor, keep


class OwnDatabase(Database):
    """Lets the test have the writer's connection as well, and notes every statement."""

    def connect(self):
        self.connection = super().connect()
        self.statements = []
        self.connection.set_trace_callback(self.statements.append)
        return self.connection


class CountingReactor:
    """The real reactor's door for threads, with a counter."""

    def __init__(self):
        self.calls = 0

    def callFromThread(self, function, *arguments):
        self.calls += 1
        reactor.callFromThread(function, *arguments)


class Writing(TestCase):
    """A writer on a real file, in a real thread."""

    timeout = 30
    marks = Marks()

    def setUp(self):
        self.path = Path(self.mktemp())
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.reactor = CountingReactor()
        self.events = []
        self.gate = threading.Event()
        self.addCleanup(self.gate.set)

    def make(self, database=OwnDatabase, **options):
        self.database = database(self.path, [SCRIPT], 1)
        self.addCleanup(self.database.close)
        self.healths = Deferred(), Deferred()
        waiting = iter(self.healths)
        signals = Signals(
            health=lambda health: next(waiting, Deferred()).callback(health.state),
            high_water=lambda: self.events.append("high"),
            low_water=lambda: self.events.append("low"),
        )
        writer = Writer(self.database, self.reactor, signals, self.marks, now_us=lambda: 77, **options)
        self.addCleanup(writer.close)
        return writer

    def blocked(self, writer):
        """A write that holds the thread until the gate opens; what is submitted after it waits in the queue."""
        began = threading.Event()
        deferred = writer.submit(lambda cursor: (began.set(), self.gate.wait(30)))
        began.wait(30)
        return deferred

    def kept(self):
        with contextlib.closing(sqlite3.connect(self.path)) as connection:
            return [row[0] for row in connection.execute("SELECT value FROM kept ORDER BY rowid")]

    async def refused(self, deferred, word):
        try:
            await deferred
        except StorageError as error:
            self.assertIn(word, str(error))
        else:
            self.fail("it was written")


class Groups(Writing):
    """What waits together is written together."""

    async def test_one_commit_and_one_answer_for_all_that_waited(self):
        """Fifty writes cost one sync, and one trip to the reactor's thread."""
        writer = self.make()
        first = self.blocked(writer)
        rest = [writer.submit(keep(number)) for number in range(50)]
        self.gate.set()
        await gatherResults([first, *rest])
        self.assertEqual(self.database.statements.count("COMMIT"), 2)
        self.assertEqual(self.reactor.calls, 2)
        self.assertEqual(self.kept(), list(range(50)))

    async def test_answers_come_in_order(self):
        """In the order of asking, each with its own result."""
        writer = self.make()
        order = []
        asked = [writer.submit(keep(number)).addCallback(order.append) for number in range(20)]
        await gatherResults(asked)
        self.assertEqual(order, list(range(20)))

    async def test_durable_when_answered(self):
        """Another connection finds it in the moment of the answer."""
        writer = self.make()
        seen = await writer.submit(keep(1)).addCallback(lambda _: self.kept())
        self.assertEqual(seen, [1])

    async def test_only_the_bad_one_fails(self):
        """Its neighbours do not notice."""
        writer = self.make()
        good = writer.submit(keep(1))
        bad = self.assertFailure(writer.submit(keep(1)), sqlite3.IntegrityError)
        await gatherResults([good, bad, writer.submit(keep(2))])
        self.assertEqual(self.kept(), [1, 2])

    async def test_a_cancelled_write_is_still_written(self):
        """Who does not wait any more harms nobody."""
        writer = self.make()
        impatient = writer.submit(keep(1))
        impatient.addErrback(lambda _: None)
        impatient.cancel()
        await writer.submit(keep(2))
        self.assertEqual(self.kept(), [1, 2])


    def test_a_fleet_waits_twice_as_long_a_user_does_not(self):
        """Half as many syncs for ten thousand devices; who adds a device, and a storm, wait as ever."""
        pauses = {writes: pause_seconds(0.05, writes) for writes in (1, 3, 4, 17, 31, 32, 1000)}
        self.assertEqual(pauses, {1: 0.05, 3: 0.05, 4: 0.1, 17: 0.1, 31: 0.1, 32: 0.05, 1000: 0.05})


class Bounds(Writing):
    """What waits is bounded."""

    marks = Marks(low=2, high=5, limit=8)

    async def test_water_marks(self):
        """One signal on the way up, one on the way down, and no place beyond the limit."""
        writer = self.make()
        first = self.blocked(writer)
        waiting = [writer.submit(keep(number)) for number in range(3)]
        self.assertEqual(self.events, [])
        waiting += [writer.submit(keep(number)) for number in range(3, 7)]
        self.assertEqual(self.events, ["high"])
        await self.refused(writer.submit(keep(99)), "8 writes wait already")
        self.gate.set()
        await gatherResults([first, *waiting])
        self.assertEqual(self.events, ["high", "low"])
        self.assertEqual(self.kept(), list(range(7)))

    async def test_again_and_again(self):
        """Signals come in pairs for as long as it runs."""
        writer = self.make()
        for _ in range(3):
            await gatherResults([writer.submit(lambda cursor: None) for _ in range(8)])
        self.assertEqual(self.events, ["high", "low"] * 3)


class Closing(Writing):
    """The end, as it should be."""

    async def test_what_waits_is_written(self):
        """Everything that was handed over before; nothing after."""
        writer = self.make(window_seconds=3600)
        await writer.submit(keep(0))
        waiting = [writer.submit(keep(number)) for number in (1, 2)]
        closed = writer.close()
        await self.refused(writer.submit(keep(3)), "is closed")
        await gatherResults([*waiting, closed])
        self.assertEqual((self.kept(), writer.health.state), ([0, 1, 2], "closed"))

    async def test_twice(self):
        """No error."""
        writer = self.make()
        await writer.close()
        await writer.close()


class FullDisk(Writing):
    """No room, then room again."""

    async def fill(self, writer):
        await writer.submit(lambda cursor: cursor.execute("PRAGMA max_page_count = 3").fetchone())

    async def test_nothing_is_answered_until_there_is_room(self):
        """Health says so, and since when; then everything is written, once."""
        writer = self.make()
        await self.fill(writer)
        waiting = [writer.submit(keep(b"%d" % number * 9000)) for number in range(2)]
        self.assertEqual(await self.healths[0], "disk-full")
        self.assertEqual((writer.health.since_us, writer.health.detail), (77, "database or disk is full"))
        self.assertFalse(any(deferred.called for deferred in waiting))
        self.database.connection.execute("PRAGMA max_page_count = 1000")
        self.assertEqual(await self.healths[1], "ok")
        await gatherResults(waiting)
        self.assertEqual(len(self.kept()), 2)

    async def test_closing_does_not_wait_for_room(self):
        """The daemon can be stopped; whoever waits is told that nothing was written."""
        writer = self.make()
        await self.fill(writer)
        waiting = writer.submit(keep(b"1" * 9000))
        await self.healths[0]
        closed = writer.close()
        await self.refused(waiting, "no room left")
        await closed
        self.assertEqual(self.kept(), [])


class BrokenDatabase(OwnDatabase):
    """The writer's connection has a ``FailingCursor``: set ``failing.fails``, and the disk is broken."""

    def connect(self):
        self.connection = super().connect()
        return self

    def __getattr__(self, name):
        return getattr(self.connection, name)

    def cursor(self):
        self.failing = FailingCursor(self.connection)
        return self.failing

    def close(self):
        self.connection.close()


class GoneDatabase(OwnDatabase):
    """Its file was moved away in the moment between two connections."""

    gone = False

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.gone = True

    def connect(self):
        if self.gone:
            raise StorageError("it is gone")
        return super().connect()


class FailedDisk(Writing):
    """What cannot be trusted any more is not used any more."""

    async def test_everybody_is_told(self):
        """Those of the group, those behind it and those to come; closing still works."""
        writer = self.make(BrokenDatabase)
        await writer.submit(keep(1))
        first = self.blocked(writer)
        waiting = [writer.submit(keep(number)) for number in (2, 3)]
        self.database.failing.fails = "COMMIT"
        self.gate.set()
        for deferred in (first, *waiting, writer.submit(keep(4))):
            await self.refused(deferred, f"{self.path}: disk I/O error")
        self.assertEqual((writer.health.state, writer.health.since_us), ("failed", 77))
        self.assertIn("disk I/O error", writer.health.detail)
        await self.refused(writer.submit(keep(5)), "disk I/O error")
        await writer.close()
        self.assertEqual(self.database.failing.tried, 1)
        self.assertEqual(self.kept(), [1])

    async def test_failing_while_it_closes(self):
        """Closing ends all the same, and whoever waits is told."""
        writer = self.make(BrokenDatabase)
        await writer.submit(keep(1))
        self.database.failing.fails = "COMMIT"
        waiting = writer.submit(keep(2))
        closed = writer.close()
        await self.refused(waiting, "disk I/O error")
        await closed
        self.assertEqual(writer.health.state, "failed")

    async def test_a_failed_checkpoint(self):
        """What was answered stays answered, and nothing more is taken."""
        writer = self.make(BrokenDatabase)
        await writer.submit(lambda cursor: None)
        self.database.failing.fails = "PRAGMA wal_checkpoint(PASSIVE)"
        await writer.submit(lambda cursor: cursor.executemany(INSERT, zip(range(5000))) and None)
        self.assertEqual(await self.healths[0], "failed")
        await self.refused(writer.submit(keep(-1)), "disk I/O error")
        self.assertEqual(len(self.kept()), 5000)

    async def test_no_connection(self):
        """Nobody waits for ever."""
        writer = self.make(GoneDatabase)
        await self.refused(writer.submit(keep(1)), "it is gone")
        await writer.close()
