"""Promise: a whole system moves to Cassandra and back, and nothing is lost, whatever interrupts it."""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import closing

from twisted.internet import reactor
from twisted.internet.threads import deferToThread

from smok_twisted.errors import StorageError
from smok_twisted.storage.cassandra.driver import DriverSession
from smok_twisted.storage.copying import Copy, rested
from smok_twisted.storage.records import HOUR_US, Adopted

from . import cassandra_rig as rig
from .cassandra_shared import lent_keyspace
from .processes import wait_until
from .store_samples import ALL_TIME, DEVICE, batch_of, device, report
from .test_storage_copying import PROJECT, CopyingCase, Failing, run


class CassandraCopyingCase(CopyingCase):
    """With an empty keyspace on three real nodes."""

    timeout = 300

    def setUp(self):
        super().setUp()
        self.options = lent_keyspace(self)

    def cassandra(self):
        return rig.make_store(self.options, self.place / "local", reactor)

    def cql(self, statement):
        with closing(DriverSession(self.options)) as session:
            return session.run(statement)


class ThereAndBack(CassandraCopyingCase):
    async def copied(self, source, snapshot, target):
        there = await rested(target, await target.open())
        try:
            await Copy(source, snapshot, target, there).run()
        finally:
            await target.close()

    async def test_all_is_as_it_was(self):
        """Devices, plans, secrets, cursors, commands, the audit trail with its hashes, and every reading."""
        source, snapshot = await self.source()
        await self.copied(source, snapshot, self.cassandra())
        await self.assert_same(source, snapshot, self.cassandra())
        middle, found = await self.opened(self.cassandra())
        await self.copied(middle, await rested(middle, found), self.sqlite("back"))
        await self.assert_same(source, snapshot, self.sqlite("back"))

    async def test_interrupted_anywhere_and_run_again(self):
        source, snapshot = await self.source()
        for stop_after in (2, 6, 9, 13, 900):
            target = self.cassandra()
            there = await rested(target, await target.open())
            with self.assertRaises(StorageError):
                await Copy(source, snapshot, Failing(target, stop_after), there).run()
            await target.close()
        await self.copied(source, snapshot, self.cassandra())
        await self.assert_same(source, snapshot, self.cassandra())


class Rest(CassandraCopyingCase):
    async def test_what_only_the_journal_has_is_copied_too(self):
        """As after a power cut of all nodes: a source is read when Cassandra has everything again."""
        store, _ = await self.opened(self.cassandra())
        await store.save_device(device())
        reports = [report(number) for number in range(1, 200)]
        for one in reports:
            await store.append(batch_of(one))
        await store.close()
        self.cql("TRUNCATE report")
        store, snapshot = await self.opened(self.cassandra())
        snapshot = await rested(store, snapshot)
        self.assertEqual(await store.reports(DEVICE, *ALL_TIME), reports)
        self.assertEqual(snapshot.cursors[DEVICE].batch, 199)

    async def test_history_ends_when_its_device_model_says(self):
        """What Cassandra is given has the rest of its time to live, and a day at least."""
        day, now_us = 86_400, 100 * 24 * HOUR_US
        store, _ = await self.opened(rig.make_store(self.options, self.place / "local", reactor, now_us=lambda: now_us))
        await store.save_device(device())
        hours = 1, 98 * 24, 99 * 24
        part = Adopted(chunks=tuple((hour, b"x") for hour in hours), summaries=((98, b"y"),), keep_seconds=10 * day)
        await store.adopt(DEVICE, part)
        left = dict(self.cql("SELECT hour, TTL(octets) FROM chunk"))
        wanted = dict(zip(hours, (day, 9 * day, 10 * day), strict=True))
        self.assertEqual({hour: round(left[hour] / 600) * 600 for hour in hours}, wanted)
        [(_, seconds)] = self.cql("SELECT day, TTL(octets) FROM summary")
        self.assertEqual(round(seconds / 600) * 600, 9 * day)


class TheCommand(CassandraCopyingCase):
    """As its user types it."""

    def setUp(self):
        super().setUp()
        self.place = self.place.resolve()
        self.config = self.configured("smok.toml")

    def configured(self, name, folder="data", more=""):
        file = self.place / name
        file.write_text(
            f'[daemon]\ndata_dir = "{folder}"\n[storage]\nkind = "cassandra"\n[storage.cassandra]\n'
            f'keyspace = "{self.options.keyspace}"\n{more or f"contact_points = {list(self.options.contact_points)}"}\n'
        )
        return file

    async def refused(self, code, *words):
        ran = await deferToThread(run, *map(str, words))
        self.assertEqual((ran.returncode, ran.stdout), (code, ""), ran.stderr)
        self.assertNotIn("\n", ran.stderr.rstrip())
        return ran.stderr.rstrip().removeprefix("smok: ")

    async def accepted(self, *words):
        ran = await deferToThread(run, *map(str, words))
        self.assertEqual((ran.returncode, ran.stderr), (0, ""))
        return ran.stdout

    async def test_there_and_back(self):
        """Killed on the way, run again, and back into a new file."""
        source, _ = await self.source()
        await source.close()
        path, back = self.place / "source", self.place / "back.db"
        (self.place / "secrets.key").write_bytes(b"k" * 32)
        await deferToThread(self.killed, str(path), str(self.config))
        said = await self.accepted(path, self.config)
        self.assertIn(f"{self.config} holds all that {path} holds", said)
        self.assertIn("reports      2380 (", said)
        key = self.place / "data" / "secrets.key"
        self.assertIn(f"{key} is not that of {self.place}: copy it, or no device can log in", said)
        key.write_bytes(b"k" * 32)
        said = await self.accepted(self.config, f"sqlite:{back}")
        self.assertIn(f"{back} holds all that {self.config} holds", said)
        self.assertNotIn("secrets.key", said)
        source, snapshot = await self.opened(self.sqlite("source"))
        await self.assert_same(source, snapshot, self.sqlite("back.db"))

    def killed(self, *words):
        """When it has begun with the reports."""
        argv = [sys.executable, "-m", "smok_twisted.tools.main", "db", "copy", *words]
        child = subprocess.Popen(argv, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        wait_until(lambda: child.poll() is not None or self.cql("SELECT device FROM report LIMIT 1"), "reports")
        child.send_signal(signal.SIGKILL)
        child.communicate()
        self.assertEqual(child.returncode, -signal.SIGKILL)

    async def test_another_system_is_left_alone(self):
        """Of the cluster, also when the local folder is new; and of the folder."""
        store, _ = await self.opened(self.cassandra())
        await store.save_device(device(99, "stranger"))
        await store.close()
        source, _ = await self.source()
        await source.close()
        text = await self.refused(1, self.place / "source", self.config)
        self.assertEqual(text, "the target has devices that the source has not (0x0000000000000063): take a new one")
        self.assertEqual(self.cql("SELECT device_id FROM device"), [(99,)])

    async def test_not_while_a_daemon_has_it(self):
        """Neither from it nor to it."""
        (self.place / "data").mkdir()
        store, _ = await self.opened(rig.make_store(self.options, self.place / "data", reactor))
        await store.save_device(device())
        other, _ = await self.opened(self.sqlite("other"))
        await other.close()
        for words in ((self.config, self.place / "new"), (self.place / "other", self.config)):
            text = await self.refused(1, *words)
            self.assertIn(f"{self.place / 'data' / 'local.db'} is in use by process ", text)

    async def test_wrong_usage(self):
        """A sentence for each."""
        form = "accepted is a data folder, sqlite:FILE, or the smok.toml of a system on Cassandra"
        local = self.place / "data" / "local.db"
        other, _ = await self.opened(self.sqlite("other"))
        await other.close()
        text = await self.refused(2, self.config, self.place / "new")
        self.assertEqual(text, f"{local} ({self.config} says so) does not exist; {form}")
        local.parent.mkdir()
        local.touch()
        text = await self.refused(2, self.place / "other", self.place / "data")
        self.assertEqual(text, f"{self.place / 'data'} is the local half of a system on Cassandra: name its smok.toml")
        text = await self.refused(2, self.config, self.configured("second.toml", "second"))
        self.assertEqual(text, f"{self.config} is both source and target: name another target")
        text = await self.refused(2, self.place / "other", self.configured("deep.toml", "a/b"))
        self.assertEqual(text, f"{self.place / 'a'} does not exist: make it first")
        text = await self.refused(2, self.place / "none.toml", self.place / "new")
        self.assertIn("none.toml: cannot be read", text)
        memory = self.place / "memory.toml"
        memory.write_text('[storage]\nkind = "memory"\n')
        text = await self.refused(2, memory, self.place / "new")
        self.assertEqual(text, f'{memory} has [storage] kind = "memory", which keeps nothing; {form}')
        self.assertFalse((self.place / "new").exists())

    async def test_a_database_that_is_not_there_or_has_no_tables(self):
        other, _ = await self.opened(self.sqlite("other"))
        await other.close()
        self.cql("TRUNCATE schema_version")
        self.addCleanup(self.cql, "INSERT INTO schema_version (id, version) VALUES (0, 1)")
        text = await self.refused(1, self.place / "other", self.config)
        self.assertEqual(text, "the keyspace has no tables of SMOK yet: `smok db init` makes them")
        nobody = self.configured("nobody.toml", "nobody", 'contact_points = ["127.0.99.77"]\nport = 1')
        text = await self.refused(3, self.place / "other", nobody)
        self.assertIn("the first start needs the database, to ask what it knows: no Cassandra node answers", text)
