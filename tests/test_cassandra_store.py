"""The Cassandra store keeps the contract of all stores, on three real nodes; and what only it promises."""

from __future__ import annotations

import shutil

from twisted.internet import reactor
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from smok_twisted.storage.cassandra.driver import DriverSession
from smok_twisted.storage.cassandra.schema import scripts
from smok_twisted.storage.records import HOUR_US

from . import cassandra_rig as rig
from .cassandra_shared import lent_keyspace
from .store_contract import StoreContract
from .store_contract_copying import CopyingContract
from .store_samples import DEVICE, MODEL, PLAN, StoreCase, batch_of, credential, device, event, report


class CassandraCase(TestCase):
    """An empty keyspace and a folder."""

    timeout = 120

    def setUp(self):
        self.options = lent_keyspace(self)
        self.folder = self.mktemp()
        self.alarms = []

    def make_store(self):
        return rig.make_store(self.options, self.folder, reactor, self.alarms)


class CassandraContract(CassandraCase, StoreContract, CopyingContract):
    """All of it, with consistency QUORUM."""


class FilledIn(CassandraCase, StoreCase):
    """Of two rows with the same write timestamp Cassandra keeps the one that expires later: a second is enough."""

    async def test_later(self):
        """Nothing that is there changes, whoever brought it."""
        store = await self.with_device()
        await store.append(batch_of(report(2, time_us=3)))
        await store.backfill(DEVICE, [report(1, time_us=1)])
        await deferLater(reactor, 1.1)
        await store.backfill(DEVICE, [report(1, time_us=1, words=(9,)), report(2, time_us=3, words=(9,))])
        self.assertEqual(await self.history(store), [report(1, time_us=1), report(2, time_us=3)])

    async def test_before(self):
        """What a device brings itself is what counts."""
        store = await self.with_device()
        await store.backfill(DEVICE, [report(2, time_us=3, words=(9,))])
        await deferLater(reactor, 1.1)
        await store.append(batch_of(report(2, time_us=3)))
        self.assertEqual(await self.history(store), [report(2, time_us=3)])


class NewerTables(CassandraCase, StoreCase):
    """Somebody has upgraded the keyspace, and an old daemon is started."""

    def set_version(self, version):
        session = DriverSession(self.options)
        session.run(f"INSERT INTO schema_version (id, version) VALUES (0, {version})")
        session.close()

    async def test_nothing_is_written(self):
        """It says so as if the database were away, and goes on by itself when the tables are those that it knows."""
        store = await self.with_device()
        await store.close()
        newest = len(scripts())
        self.addCleanup(self.set_version, newest)
        await deferToThread(self.set_version, newest + 1)
        store, _ = await self.opened()
        self.assertEqual(store.health.state, "away")
        self.assertIn("install the version that wrote it", store.health.detail)
        written = store.append(batch_of(report(1)))
        saved = await store.put_setting("x", "1")
        await deferLater(reactor, 2)
        self.assertNoResult(written)
        self.assertIsNone(saved)
        self.assertEqual(await deferToThread(self.found, "report", "setting WHERE name = 'x'"), [[], []])
        await deferToThread(self.set_version, newest)
        await written
        self.assertEqual((await self.history(store), store.health.state), ([report(1)], "ok"))

    def found(self, *tables):
        session = DriverSession(self.options)
        try:
            return [session.run(f"SELECT * FROM {table}") for table in tables]
        finally:
            session.close()


class Lost(CassandraCase, StoreCase):
    """The machine of the daemon is lost, and a new one is set up from what Cassandra has."""

    async def restarted(self, store):
        await store.close()
        shutil.rmtree(self.folder)
        return await self.opened()

    async def test_devices_added_later_get_new_numbers(self):
        """The history of a device that was removed before is never taken for theirs."""
        store = await self.with_device()
        await store.append(batch_of(report(1)))
        await store.remove_device(DEVICE)
        store, _ = await self.restarted(store)
        await store.save_device(device())
        self.assertEqual(await self.history(store), [])

    async def test_hours_that_were_not_packed(self):
        """The new machine packs them: nothing expires with the log that no chunk has."""
        store = await self.with_device()
        batches = [batch_of(report(number, time_us=(30 * number) * HOUR_US)) for number in (1, 2)]
        for batch in batches:
            await store.append(batch)
        store, _ = await self.restarted(store)
        hours = {one.hour for one in await store.unpacked(0, 1000) if one.device_id == DEVICE}
        self.assertLessEqual({30, 60}, hours)
        self.assertTrue(all(one.mark is not None for one in await store.unpacked(0, 1000)))

    async def test_everything_small_is_there(self):
        """Secrets, plans, maps, commands, events and the audit trail with its chain."""
        store = await self.with_device()
        await store.save_model(MODEL)
        await store.save_plan(DEVICE, PLAN)
        await store.save_credential(credential())
        await store.append_event(event())
        entry = await store.append_audit(5, "ola", "console", DEVICE, "write", {"value": 1})
        store, snapshot = await self.restarted(store)
        self.assertEqual(snapshot.models, [MODEL])
        self.assertEqual(snapshot.plans, {DEVICE: {PLAN.number: PLAN}})
        self.assertEqual(snapshot.credentials, {DEVICE: {0: credential()}})
        self.assertEqual([one.text for one in await store.events()], ["it leaks"])
        self.assertEqual(await store.audit(), [entry])
        after = await store.append_audit(6, "ola", "console", DEVICE, "write", {"value": 2})
        self.assertEqual(after.previous_hash, entry.hash)
