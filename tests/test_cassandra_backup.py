"""Promise: a system on Cassandra is backed up while it runs, and comes back on an empty cluster and an empty machine.

On a cluster of one node of its own: it is wiped in between.
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack, redirect_stdout
from io import StringIO
from pathlib import Path

from twisted.internet import reactor
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from smok_twisted.storage.audit import verify
from smok_twisted.storage.copying import digest, rested
from smok_twisted.storage.records import HOUR_US, PackedHour
from tools.cassandra import Options, cluster
from tools.cassandra.command import main

from . import cassandra_rig as rig
from .cassandra_shared import may_be_missing
from .store_samples import ALL_TIME, DEVICE, batch_of, device, event, report
from .test_storage_copying import PROJECT, fill

NEW = 5
REPORTS, ENTRIES, MORE = 700, 50, 1500
ONE = Options(nodes=1, base="auto", commitlog="group")


class WholeSystem(TestCase):
    timeout = 500

    def setUp(self):
        self.place = Path(self.mktemp()).resolve()
        self.place.mkdir(parents=True)
        self.held = ExitStack()
        self.addCleanup(self.held.close)
        with may_be_missing():
            self.cluster = self.held.enter_context(cluster(ONE, self.place / "cluster"))
        self.options = rig.make_keyspace(self.cluster.addresses, 1)

    def store(self, folder):
        return rig.make_store(self.options, self.place / folder, reactor)

    def tool(self, verb, *words):
        """``python -m tools.cassandra``: exit code and what it says."""
        said = StringIO()
        with redirect_stdout(said):
            code = main([verb, "--folder", str(self.cluster.folder), *map(str, words)])
        return code, said.getvalue()

    async def smok(self, folder, *words):
        config = self.place / f"{folder}.toml"
        config.write_text(
            f'[daemon]\ndata_dir = "{folder}"\n[storage]\nkind = "cassandra"\n[storage.cassandra]\n'
            f'keyspace = "{self.options.keyspace}"\ncontact_points = {list(self.options.contact_points)}\n'
        )
        argv = [sys.executable, "-m", "smok_twisted.tools.main", *map(str, words), "--config", str(config)]
        ran = await deferToThread(subprocess.run, argv, cwd=PROJECT, capture_output=True, text=True)
        self.assertEqual((ran.returncode, ran.stderr), (0, ""))
        return ran.stdout

    async def opened(self, folder):
        store = self.store(folder)
        snapshot = await store.open()
        self.addCleanup(store.close)
        return store, await rested(store, snapshot)

    async def all_reports(self, store):
        return await store.reports(DEVICE, *ALL_TIME, limit=100_000)

    async def test_there_and_back(self):
        """Every reading, and all else, until the daemon's half was backed up; also what Cassandra had not by then."""
        store, _ = await self.opened("old")
        await fill(store, REPORTS, ENTRIES)
        in_cluster = await self.all_reports(store)
        self.assertEqual(len(in_cluster), REPORTS)
        code, said = await deferToThread(
            self.tool, "backup", "--keyspace", self.options.keyspace, self.place / "cluster-backup"
        )
        self.assertEqual(code, 0, said)
        await store.save_device(device(NEW, "new"))
        await store.append_event(event("three"))
        for number in range(REPORTS + 1, MORE):  # over midnight: a day of which the first half knows nothing
            store.append(batch_of(report(number)))
        await store.append(batch_of(report(MORE)))
        await store.append(batch_of(report(1, device_id=NEW)))
        await store.close()
        store, snapshot = await self.opened("old")
        ours = await digest(store, snapshot)
        late = MORE * 60_000_000 // HOUR_US  # a chunk that no snapshot has
        [mark] = await store.unpacked(late, late + 1, device_id=DEVICE)
        await store.save_packed(PackedHour(DEVICE, late, b"late", b"late day"), mark.mark)
        said = await self.smok("old", "backup", self.place / "local.backup")
        self.assertIn("3 devices", said)
        self.assertIn("it does not hold the history in Cassandra", said)
        await store.append(batch_of(report(MORE + 1)))
        await store.close()

        await deferToThread(self.emptied)
        code, said = await deferToThread(self.tool, "restore", self.place / "cluster-backup")
        self.assertEqual(code, 0, said)
        code, said = await deferToThread(self.tool, "restore", self.place / "cluster-backup")
        self.assertEqual(code, 2)

        store, found = await self.opened("machine")  # without the daemon's half: what the cluster had
        self.assertEqual(await self.all_reports(store), in_cluster)
        chunks = [(hour, b"chunk %d" % hour) for hour in (0, 1, REPORTS // 80)]
        self.assertEqual(await store.chunks(DEVICE, 0, 1 << 30), chunks)
        trail = (await store.audit(2000))[::-1]
        verify(trail)
        self.assertEqual((len(trail), found.cursors[DEVICE].batch), (ENTRIES, REPORTS))
        await store.close()

        said = await self.smok("new", "restore", self.place / "local.backup")
        self.assertIn("start it on the cluster that was restored with it", said)
        store, again = await self.opened("new")
        self.assertEqual(again, snapshot)
        self.assertEqual(await digest(store, again), ours)
        reports = await self.all_reports(store)
        self.assertEqual([one.batch for one in reports], list(range(1, MORE + 1)))
        await store.append(batch_of(report(MORE + 1)))  # and it goes on
        self.assertEqual(len(await self.all_reports(store)), MORE + 1)

    def emptied(self):
        """Another cluster, with the same tokens; it may have got another address."""
        self.cluster.down(hard=True)
        self.cluster.wipe()
        self.cluster.up()
        self.options = rig.Options(tuple(self.cluster.addresses), keyspace=self.options.keyspace)
