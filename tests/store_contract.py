"""What every store promises, as tests (``smok_twisted.storage.interface`` in words).

To put a store under this contract, mix ``StoreContract`` into a ``TestCase`` of trial and give it ``make_store``:

    class CassandraContract(StoreContract, TestCase):
        def make_store(self):
            return CassandraStore(...)          # a new one, closed, on the same data throughout one test

``restarted`` closes a store and opens another one, so a store that loses something over a restart fails here.
"""

from __future__ import annotations

from .store_contract_log import LogContract
from .store_contract_packed import PackedContract
from .store_contract_readings import ReadingsContract
from .store_contract_registry import RegistryContract
from .store_samples import batch_of, device, report


class StoreContract(ReadingsContract, PackedContract, RegistryContract, LogContract):
    """All promises; here those of opening and closing."""

    async def test_a_new_store_is_empty(self):
        """Nothing is there that nobody put in."""
        store, snapshot = await self.opened()
        self.assertEqual((snapshot.devices, snapshot.models, snapshot.plans, snapshot.credentials), ({}, [], {}, {}))
        self.assertEqual((snapshot.nonces, snapshot.cursors, snapshot.latest, snapshot.pending), ({}, {}, {}, []))
        self.assertEqual(await self.history(store), [])
        self.assertEqual(store.health.state, "ok")

    async def test_closed_stores_say_so(self):
        """Whoever still calls gets one clear line, for reads and for writes."""
        store = await self.with_device()
        await store.close()
        self.assertEqual(store.health.state, "closed")
        await self.refused(store.append(batch_of(report(1))), "not open")
        await self.refused(self.history(store), "not open")

    async def test_never_opened_stores_say_so(self):
        """Calling before ``open`` is answered the same way; closing is no error."""
        store = self.make_store()
        await self.refused(store.save_device(device()), "not open")
        await self.refused(store.setting("x"), "not open")
        await store.close()

    async def test_closing_twice_is_no_error(self):
        """Two paths of a shutdown may meet."""
        store = await self.with_device()
        await store.close()
        await store.close()

    async def test_closing_keeps_what_was_handed_over(self):
        """What was not yet durable when ``close`` was called becomes so."""
        store = await self.with_device()
        appended = store.append(batch_of(report(1)))
        store, _ = await self.restarted(store)
        await appended
        self.assertEqual(await self.history(store), [report(1)])
