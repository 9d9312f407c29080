"""Promise: what waits in the journal gets into Cassandra without a daemon, all of it, or one sentence says why not."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

from twisted.internet import reactor
from twisted.trial.unittest import SynchronousTestCase, TestCase

from smok_twisted.errors import StorageError
from smok_twisted.settings import load
from smok_twisted.storage.cassandra.driver import DriverSession
from smok_twisted.storage.journal.batches import decode, encode
from smok_twisted.tools import journal_drain
from smok_twisted.tools.journal_drain import drained
from smok_twisted.tools.problems import Unreachable

from . import cassandra_faults as faults
from .cassandra_shared import lent_keyspace
from .journal_rig import opened, overwrite
from .kill_loop import compare
from .processes import ROOT
from .store_samples import batch_of, report
from .tools_rig import run_here, sentence

NOBODY = "127.0.98.98"


def settings_of(folder, addresses, keyspace="smok"):
    """Of a daemon whose data folder is ``folder``; and the file."""
    config = folder / "smok.toml"
    config.write_text(
        f'[daemon]\ndata_dir = "{folder}"\n[storage]\nkind = "cassandra"\n'
        f'[storage.cassandra]\ncontact_points = {list(addresses)}\nkeyspace = "{keyspace}"\n'
    )
    return load(config), config


def fill(folder, count):
    """A journal with so many batches, some ten a segment."""
    files = opened(folder / "journal", segment_octets=1000)
    for number in range(1, count + 1):
        files.append([encode(1, batch_of(report(number, words=(number, 7))))], number)
    return files


class Refusals(TestCase):
    def setUp(self):
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        self.settings, self.config = settings_of(self.folder, [NOBODY])

    async def refused(self, error):
        return str(await self.assertFailure(self.ensured(), error))

    def ensured(self):
        from twisted.internet.defer import ensureDeferred

        return ensureDeferred(drained(self.settings, reactor, lambda done, total: None))

    def test_no_journal(self):
        """Another kind of store has none; and a folder without one is named."""
        ran = run_here("journal", "drain", "--config", str(self.config))
        self.assertEqual((ran.code, ran.out), (2, ""))
        self.assertIn("journal does not exist: a daemon with", sentence(self, ran.err))
        ran = run_here("journal", "drain", "--data-dir", str(self.folder))
        self.assertEqual((ran.code, ran.out), (2, ""))
        self.assertIn('kind = "sqlite" has no journal', sentence(self, ran.err))

    async def test_while_a_daemon_has_it(self):
        """It is refused at once; nobody writes behind the daemon's back."""
        self.addCleanup(fill(self.folder, 3).close)
        self.assertIn("in use by process", await self.refused(StorageError))

    async def test_the_database_is_away(self):
        """Told after some patience; the journal is let go and has what it had."""
        fill(self.folder, 3).close()
        self.patch(journal_drain, "_PATIENCE_SECONDS", 0.3)
        self.assertIn("nothing is written, the database is away: ", await self.refused(Unreachable))
        files = opened(self.folder / "journal")
        self.addCleanup(files.close)
        self.assertEqual((files.first_lsn, files.next_lsn), (1, 4))

    async def test_it_goes_away_meanwhile(self):
        """How far it came, and that it may be run again."""
        drain = SimpleNamespace(is_running=False, waiting=40, refusal=None)
        for is_up, error, why in ((False, Unreachable, "went away (all nodes)"), (True, StorageError, "to its end")):
            bridge = SimpleNamespace(is_up=is_up, health=SimpleNamespace(detail="all nodes"))
            with self.assertRaises(error) as told:
                await journal_drain._followed(drain, bridge, reactor, lambda done, total: None, 100)
            self.assertIn(why, str(told.exception))
            self.assertIn("60 of 100 batches are written; run it again", str(told.exception))
        drain.refusal = StorageError("no such table")
        with self.assertRaises(StorageError) as told:
            await journal_drain._followed(drain, bridge, reactor, lambda done, total: None, 100)
        self.assertIn("no such table: 60 of 100", str(told.exception))


class ByHand(TestCase):
    """A journal of a known content, into an empty keyspace."""

    timeout = 300

    def setUp(self):
        self.options = lent_keyspace(self)
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        self.settings, _ = settings_of(self.folder, self.options.contact_points, self.options.keyspace)
        self.steps = []

    async def drain(self):
        return await drained(self.settings, reactor, lambda *step: self.steps.append(step))

    def stored(self):
        session = DriverSession(self.options)
        try:
            return sorted(row[0] for row in session.run("SELECT batch_number FROM report"))
        finally:
            session.close()

    async def test_all_of_it(self):
        """Also again, for nothing is removed; progress is told."""
        fill(self.folder, 1200).close()
        for _ in range(2):
            done = await self.drain()
            self.assertEqual((done.entries, done.problems), (1200, []))
        self.assertEqual(self.stored(), list(range(1, 1201)))
        self.assertEqual(self.steps[0], (0, 1200))
        self.assertTrue(all(0 <= done <= 1200 == total for done, total in self.steps), self.steps)

    async def test_damage(self):
        """What can be read is written, the rest is told."""
        files = fill(self.folder, 25)
        overwrite(files.segments[0].path, 60, b"\xff\xff")
        files.close()
        done = await self.drain()
        self.assertIn("entry 1 cannot be read", done.problems[0])
        self.assertEqual(self.stored(), list(range(2, 26)))

    async def test_the_local_file_is_damaged(self):
        """That keeps no batch out of the database: it may be why the daemon does not start."""
        fill(self.folder, 3).close()
        (self.folder / "local.db").write_bytes(b"no database at all" * 100)
        done = await self.drain()
        self.assertIn("what it knows of devices is not copied: ", done.problems[0])
        self.assertEqual(self.stored(), [1, 2, 3])


class OfADaemon(SynchronousTestCase):
    def test_killed_before_the_database_had_it(self):
        """Every batch of its journal is in Cassandra, by CQL; what devices were told is durable is there once."""
        options = lent_keyspace(self)
        folder = Path(self.mktemp()).absolute()
        folder.mkdir()
        daemon = faults.daemon_on(options, folder)
        with faults.under_load(daemon) as load:
            code, _, err = self.drain(daemon)
            self.assertEqual(code, 1, err)
            self.assertIn("in use by process", err)
            daemon.end(signal.SIGKILL)
            load.end()
        self.lose_history(options)
        self.assertGreater(compare(load.clients, lambda one: faults.stored(options, one))["missing"], 20)
        code, out, err = self.drain(daemon)
        self.assertEqual((code, err), (0, ""))
        journalled = self.journalled(folder)
        where = f"{daemon.data_dir}/journal are in keyspace {options.keyspace}"
        self.assertEqual(out, f"{len(journalled)} batches of {where}\n")
        self.assertEqual(journalled - self.in_cassandra(options), set())
        found = compare(load.clients, lambda one: faults.stored(options, one))
        self.assertEqual((found["missing"], found["duplicated"]), (0, 0), found)

    def drain(self, daemon):
        command = [sys.executable, "-m", "smok_twisted.tools.main", "journal", "drain", "--config", str(daemon.config)]
        environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
        done = subprocess.run(
            command, cwd=daemon.folder, env=environment, capture_output=True, text=True, timeout=120
        )
        return done.returncode, done.stdout, done.stderr

    def lose_history(self, options):
        self.ask(options, "TRUNCATE report")

    def in_cassandra(self, options):
        return set(self.ask(options, "SELECT device, boot, batch_number FROM report"))

    def journalled(self, folder):
        files = opened(folder / "smok-data" / "journal")
        try:
            entries, lsn = [], files.first_lsn
            while lsn < files.next_lsn:
                entries += files.read(lsn, 1000).entries
                lsn = entries[-1].lsn + 1
        finally:
            files.close()
        batches = [decode(entry.payload) for entry in entries]
        return {(number, batch.boot, batch.batch) for number, batch in batches}

    @staticmethod
    def ask(options, cql):
        session = DriverSession(options)
        try:
            return session.run(cql)
        finally:
            session.close()
