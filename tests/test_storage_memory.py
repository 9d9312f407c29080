"""The memory store keeps the contract, and ``ManualStore`` lets a test decide when things are durable."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase, TestCase

from smok_twisted.errors import StorageError
from smok_twisted.storage.memory import ManualStore, MemoryData, MemoryStore

from .store_contract import StoreContract
from .store_contract_copying import CopyingContract
from .store_samples import ALL_TIME, DEVICE, OTHER, batch_of, device, report


class MemoryContract(StoreContract, CopyingContract, TestCase):
    """The contract, over data that outlive the store."""

    def setUp(self):
        self.data = MemoryData()

    def make_store(self):
        return MemoryStore(self.data)


class ManualContract(MemoryContract):
    """A store that nobody holds keeps the contract too."""

    def make_store(self):
        return ManualStore(self.data)


class AtOnce(SynchronousTestCase):
    """Tests need not wait."""

    def test_deferreds_have_fired(self):
        """Results and errors are there when the call returns."""
        store = MemoryStore()
        self.successResultOf(store.open())
        self.successResultOf(store.save_device(device()))
        self.successResultOf(store.append(batch_of(report(1))))
        self.assertEqual(self.successResultOf(store.reports(DEVICE, *ALL_TIME)), [report(1)])
        self.failureResultOf(store.append(batch_of(report(1, device_id=OTHER))), StorageError)

    def test_two_stores_share_nothing(self):
        """Each test starts with nothing."""
        for _ in range(2):
            store = MemoryStore()
            self.assertEqual(self.successResultOf(store.open()).devices, {})
            self.successResultOf(store.save_device(device()))


class Held(SynchronousTestCase):
    """``ManualStore``: what happens before something is durable can be looked at."""

    def setUp(self):
        self.store = ManualStore()
        self.successResultOf(self.store.open())
        self.successResultOf(self.store.save_device(device()))
        self.store.hold()
        self.appended = [self.store.append(batch_of(report(number))) for number in (1, 2)]

    def history(self):
        return self.successResultOf(self.store.reports(DEVICE, *ALL_TIME))

    def test_nothing_is_durable_while_held(self):
        """Neither acknowledged nor readable."""
        for deferred in self.appended:
            self.assertNoResult(deferred)
        self.assertEqual(self.history(), [])

    def test_release(self):
        """All that waited is durable, in order; what comes now does not wait."""
        order = []
        for number, deferred in enumerate(self.appended):
            deferred.addCallback(lambda _, number=number: order.append(number))
        self.store.release()
        self.successResultOf(self.store.append(batch_of(report(3))))
        self.assertEqual(order, [0, 1])
        self.assertEqual(self.history(), [report(1), report(2), report(3)])

    def test_a_held_batch_can_fail(self):
        """As when its device was removed meanwhile."""
        self.successResultOf(self.store.remove_device(DEVICE))
        self.store.release()
        for deferred in self.appended:
            self.failureResultOf(deferred, StorageError)
