"""Promise: who waits for a change hears when Cassandra has it, and all of it; the note of that, nobody waits for."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults, succeed
from twisted.trial.unittest import TestCase

from smok_twisted.errors import StorageAway
from smok_twisted.storage.cassandra.local import LocalStore
from smok_twisted.storage.cassandra.mirror import Mirror

from .store_samples import device


class Database:
    """Keeps what is upserted, by write timestamp, when ``hold`` lets it."""

    is_up = True

    def __init__(self):
        self.rows = {}
        self.hold = lambda: succeed(None)

    def execute(self, statement, *values):
        return self.hold().addCallback(lambda _: self.rows.update({(statement.cql, values[0]): values}))

    def named(self, table):
        return [values for (cql, _), values in self.rows.items() if cql.startswith(f"INSERT INTO {table} ")]


class Waiting(TestCase):
    timeout = 20

    async def mirror(self):
        self.database = Database()
        self.local = LocalStore(Path(self.mktemp()), reactor, window_seconds=0)
        await self.local.open()
        self.addCleanup(self.local.close)
        return Mirror(self.database, self.local, lambda: 1)

    async def test_until_it_is_there(self):
        """Not before Cassandra has answered."""
        mirror = await self.mirror()
        held = []
        self.database.hold = lambda: held.append(Deferred()) or held[-1]
        await self.local.put_setting("x", "1")
        waiting = mirror.caught_up()
        while not held:
            await self.local.setting("x")
        self.assertNoResult(waiting)
        held[0].callback(None)
        self.assertTrue(await waiting)

    async def test_the_note_is_not_waited_for(self):
        """A commit less for each; it is made all the same, and nothing is told twice."""
        mirror = await self.mirror()
        noted, real = Deferred(), self.local.told
        self.local.told = lambda *values: gatherResults([noted, real(*values)])
        await self.local.put_setting("x", "1")
        self.assertTrue(await mirror.caught_up())
        noted.callback(None)
        while (await self.local.changes(10))[0]:
            pass  # it is on its way

    async def test_more_than_a_page(self):
        """Also of changes of one row: the last of them counts, and is there."""
        mirror = await self.mirror()
        for number in range(450):
            self.local.put_setting("x", str(number))
        await self.local.save_device(device())
        self.assertTrue(await mirror.caught_up())
        [row] = [row for row in self.database.named("setting") if row[0] == "x"]
        self.assertEqual(row[1], "449")
        self.assertEqual(len(self.database.named("device")), 1)

    async def test_it_goes_away(self):
        """Who waits is told that it is not there; when it is back, it is brought."""
        mirror = await self.mirror()
        await self.local.put_setting("x", "1")
        away = Deferred()
        self.database.hold = lambda: away
        waiting = mirror.caught_up()
        away.errback(StorageAway("gone"))
        self.assertFalse(await waiting)
        self.database.hold = lambda: succeed(None)
        self.assertTrue(await mirror.caught_up())
        self.assertEqual(len(self.database.named("setting")), 1)

    async def test_away_from_the_beginning(self):
        mirror = Mirror(SimpleNamespace(is_up=False), None, lambda: 1)
        self.assertFalse(await mirror.caught_up())
