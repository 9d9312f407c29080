"""The embedded store keeps the contract, and what only a file can do wrong is told in one line."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from itertools import pairwise
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet import reactor
from twisted.internet.defer import gatherResults
from twisted.trial.unittest import SynchronousTestCase, TestCase

from smok_twisted.errors import StorageError
from smok_twisted.readings import BlockReport, Report
from smok_twisted.storage import sqlite_history
from smok_twisted.storage.database import schema
from smok_twisted.storage.memory import MemoryStore
from smok_twisted.storage.records import HOUR_US, Batch, PackedHour
from smok_twisted.storage.sqlite import SqliteStore
from smok_twisted.storage.sqlite_registry import save_device, signed, unsigned

from .store_contract import StoreContract
from .store_contract_copying import CopyingContract
from .store_samples import ALL_TIME, DEVICE, batch_of, device, report

PAGE = 4096


class OnFile(TestCase):
    """A store on one file throughout one test."""

    def setUp(self):
        self.path = Path(self.mktemp())
        self.path.parent.mkdir(parents=True, exist_ok=True)

    def make_store(self):
        return SqliteStore(self.path, reactor, window_seconds=0.0)

    async def open_store(self):
        store = self.make_store()
        self.addCleanup(store.close)
        await store.open()
        return store

    async def refusal(self):
        """The line with which the store does not open."""
        try:
            await self.open_store()
        except StorageError as error:
            self.assertNotIn("\n", str(error))
            self.assertIn(str(self.path), str(error))
            return str(error)
        self.fail("it opened")


class SqliteContract(OnFile, StoreContract, CopyingContract):
    """The contract, with a file that outlives the store."""


class AnotherConnection(OnFile):
    """What is acknowledged is in the file, for everybody."""

    async def test_an_acknowledged_batch_is_committed(self):
        """When the Deferred fires, whoever opens the file finds the batch."""
        store = await self.open_store()
        await store.save_device(device())
        counts = []

        def count(_):
            with contextlib.closing(sqlite3.connect(self.path)) as connection:
                counts.append(connection.execute("SELECT count(*) FROM report").fetchone()[0])

        await store.append(batch_of(report(1), report(1, 1))).addCallback(count)
        self.assertEqual(counts, [2])

    async def test_everything_is_moved_into_the_file_on_close(self):
        """After a clean end one file is all there is to copy."""
        store = await self.open_store()
        await store.save_device(device())
        await store.close()
        self.assertEqual({file.name for file in self.path.parent.glob(f"{self.path.name}-*")}, set())

    async def test_reads_do_not_wait_for_writes(self):
        """A page of history comes while a long write is under way, and shows what was durable before it."""
        store = await self.open_store()
        await store.save_device(device())
        await store.append(batch_of(report(1)))
        release = threading.Event()
        self.addCleanup(release.set)
        slow = store._write(lambda cursor: (cursor.execute("DELETE FROM report"), release.wait(30)))
        self.assertEqual(await store.reports(DEVICE, *ALL_TIME), [report(1)])
        self.assertFalse(slow.called)
        release.set()
        await slow
        self.assertEqual(await store.reports(DEVICE, *ALL_TIME), [])


class Removed(OnFile):
    """What a removed device has left in the file."""

    TABLES = ("report", "chunk", "summary")

    def rows(self):
        with contextlib.closing(sqlite3.connect(self.path)) as connection:
            return [connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in self.TABLES]

    async def test_goes_in_small_steps(self):
        """All of it, never more at once than was asked for; with the id registered anew or not."""
        store = await self.open_store()
        for number in range(9):
            await store.save_device(device(number, f"d{number}"))
            for hour in range(number):
                await store.append(batch_of(report(hour, device_id=number, time_us=hour * HOUR_US)))
                await store.save_packed(PackedHour(number, 24 * hour, b"chunk", b"day"), None)
        for number in (2, 5, 8):
            await store.remove_device(number)
        await store.save_device(device(5, "again"))
        left = [self.rows()]
        while await store.forget_removed(4):
            left.append(self.rows())
        self.assertEqual((left[0], left[-1]), ([36] * 3, [1 + 3 + 4 + 6 + 7] * 3))
        steps = [sum(before) - sum(after) for before, after in pairwise(left)]
        self.assertEqual(steps, [2, 4, 1, 4, 4] * 3)

    async def test_rows_of_one_moment(self):
        """They go together, so that every step gets on."""
        store = await self.open_store()
        await store.save_device(device())
        await store.append(batch_of(*(report(1, round_, time_us=5) for round_ in range(9))))
        await store.remove_device(DEVICE)
        self.assertEqual([await store.forget_removed(4) for _ in range(2)], [True, False])
        self.assertEqual(self.rows(), [0, 0, 0])


class Refusals(OnFile):
    """A store that cannot be used is not opened, and not touched."""

    async def filled(self, batches=0):
        """The file of a store, closed."""
        store = await self.open_store()
        await gatherResults([store.save_device(device(number, f"d{number}")) for number in range(300)])
        await gatherResults([store.append(batch_of(report(n, words=(n,) * 120, device_id=0))) for n in range(batches)])
        await store.close()

    def overwrite(self, table):
        """Fill the root page of a table or index with nonsense."""
        with contextlib.closing(sqlite3.connect(self.path)) as connection:
            query = "SELECT rootpage FROM sqlite_master WHERE name = ?"
            root = connection.execute(query, (table,)).fetchone()[0]
        with self.path.open("r+b") as file:
            file.seek((root - 1) * PAGE)
            file.write(b"\xa5" * PAGE)

    async def test_two_daemons(self):
        """The second one is told which process has the file."""
        await self.open_store()
        self.assertIn("in use by process", await self.refusal())

    async def test_a_damaged_registry(self):
        """The line says what to do, and nothing is repaired behind the operator's back."""
        await self.filled()
        good = self.path.read_bytes()
        for name in ("device", "sqlite_autoindex_model_1"):
            self.path.write_bytes(good)
            self.overwrite(name)
            before = self.path.read_bytes()
            self.assertIn("damaged", await self.refusal())
            self.assertEqual(self.path.read_bytes(), before)

    async def test_a_cut_file(self):
        """As after a copy that did not finish."""
        await self.filled()
        before = self.path.read_bytes()[: 3 * PAGE]
        self.path.write_bytes(before)
        self.assertIn("damaged", await self.refusal())
        self.assertEqual(self.path.read_bytes(), before)

    async def test_not_a_database(self):
        """Some other file by that name is left alone."""
        self.path.write_bytes(b"name = 'boiler'\n" * 100)
        self.assertIn("not a database", await self.refusal())
        self.assertEqual(self.path.read_bytes(), b"name = 'boiler'\n" * 100)

    async def test_a_damaged_row(self):
        """Values that no store wrote are damage too, not a crash."""
        await self.filled()
        with contextlib.closing(sqlite3.connect(self.path)) as connection, connection:
            connection.execute("UPDATE device SET allow_from = 'nonsense' WHERE number = 1")
        self.assertIn("damaged", await self.refusal())

    async def test_a_refused_file_is_free_again(self):
        """Put the backup in its place and start again: nothing holds the file."""
        await self.filled()
        backup = self.path.read_bytes()
        self.overwrite("device")
        await self.refusal()
        self.path.write_bytes(backup)
        store = await self.open_store()
        self.assertEqual(store.health.state, "ok")

    async def test_a_damaged_history(self):
        """The daemon starts; who asks for the damaged part gets one line, everything else works."""
        await self.filled(batches=100)
        self.overwrite("report")
        store = await self.open_store()
        try:
            await store.reports(0, *ALL_TIME)
        except StorageError as error:
            self.assertIn(f"{self.path} is damaged", str(error))
        else:
            self.fail("nonsense was read")
        await store.put_setting("still", "writable")
        self.assertEqual(await store.setting("still"), "writable")


class SameAsMemory(SynchronousTestCase):
    """Whatever devices send, SQLite and the memory store end up with the same."""

    words = st.one_of(st.just(()), st.tuples(st.integers(0, 65535)))
    blocks = st.lists(st.builds(BlockReport, st.integers(0, 1), words, st.just(0)), max_size=2).map(tuple)
    rounds = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 2), blocks), max_size=2)
    batches = st.lists(
        st.tuples(st.integers(1, 2), st.sampled_from([0, 1, 2, 32768, 65535]), rounds), min_size=1, max_size=12
    )

    @given(batches)
    @settings(max_examples=150, deadline=None)
    def test_any_order_of_batches(self, sent):
        """Repeats, jumps, wraps, new boots and times that go back."""
        memory = MemoryStore()
        self.successResultOf(memory.open())
        self.successResultOf(memory.save_device(device()))
        with contextlib.closing(sqlite3.connect(":memory:")) as connection:
            connection.executescript("".join(schema("sqlite")))
            cursor = connection.cursor()
            save_device(cursor, device())
            for boot, number, rounds in sent:
                reports = tuple(
                    Report(DEVICE, time_us, boot, number, n, plan, blocks)
                    for n, (time_us, plan, blocks) in enumerate(rounds)
                )
                batch = Batch(DEVICE, boot, number, reports)
                self.successResultOf(memory.append(batch))
                sqlite_history.append(cursor, sqlite_history.encoded(batch))
            expected = self.successResultOf(memory.open())
            self.assertEqual(
                sqlite_history.reports(cursor, DEVICE, *ALL_TIME, 1000, None),
                self.successResultOf(memory.reports(DEVICE, *ALL_TIME)),
            )
            self.assertEqual(sqlite_history.load_latest(cursor), expected.latest)
            self.assertEqual(sqlite_history.load_cursors(cursor), expected.cursors)

    @given(st.integers(0, (1 << 64) - 1))
    def test_every_device_id_fits(self, device_id):
        """SQLite holds signed integers; ids come back the same, and no two become one."""
        column = signed(device_id)
        self.assertTrue(-(1 << 63) <= column < 1 << 63)
        self.assertEqual(unsigned(column), device_id)
