"""What the contract of the stores is written with: sample records, and how to open and restart a store."""

from __future__ import annotations

from dataclasses import replace

from smok_twisted.errors import StorageError
from smok_twisted.readings import Block, BlockReport, Plan, Report, Table
from smok_twisted.storage.records import (
    Batch,
    CommandRecord,
    CredentialRecord,
    DeviceRecord,
    EventRecord,
    ModelRecord,
)

#: More than a signed 64-bit integer can hold, as any device id may be.
DEVICE = 0xFEDC_BA98_7654_3210
OTHER = 7
MINUTE_US = 60_000_000
ALL_TIME = (0, 1 << 62)

MODEL = ModelRecord("boiler", "aaaa", 'name = "boiler"\ntitle = "Kocioł °C"\n', 5)
PLAN = Plan(
    3,
    (Block(1, Table.HOLDING, 4089, 3, 60, 300, 2), Block(1, Table.COIL, 0, 9, 10, 0, 255)),
    "boiler",
    "aaaa",
)


def device(device_id=DEVICE, name="boiler-1", **changes):
    return DeviceRecord(device_id, name, "boiler", created_us=1, **changes)


def report(batch, round_=0, time_us=None, words=(1, 2, 65535), device_id=DEVICE, boot=1, plan=3, block=0, flags=0):
    time_us = batch * MINUTE_US if time_us is None else time_us
    return Report(device_id, time_us, boot, batch, round_, plan, (BlockReport(block, words),), flags)


def batch_of(*reports):
    first = reports[0]
    return Batch(first.device_id, first.boot, first.batch, reports)


def command(command_id="c1", device_id=DEVICE, **changes):
    fields = {"state": "queued", "requested_us": 10, "who": "ola", "point": "setpoint"} | changes
    return CommandRecord(command_id, device_id, **fields)


def credential(kid=0, **changes):
    return replace(CredentialRecord(DEVICE, kid, 1, bytes(range(256)), 5), **changes)


def event(text="it leaks", **changes):
    return replace(EventRecord(5, "leak", "high", text, DEVICE, {"flow": 0.1, "where": ["a", None]}), **changes)


class StoreCase:
    """For a ``TestCase`` of trial: ``make_store`` gives a new, closed store on the same data throughout one test."""

    def make_store(self):
        raise NotImplementedError

    async def opened(self):
        store = self.make_store()
        snapshot = await store.open()
        self.addCleanup(store.close)
        return store, snapshot

    async def restarted(self, store):
        await store.close()
        return await self.opened()

    async def with_device(self, *others):
        store, _ = await self.opened()
        for record in (device(), *others):
            await store.save_device(record)
        return store

    async def history(self, store, device_id=DEVICE):
        return await store.reports(device_id, *ALL_TIME)

    async def refused(self, deferred, word, error=StorageError):
        """The call ends in ``error``, and its one line says ``word``."""
        try:
            await deferred
        except error as problem:
            self.assertIn(word, str(problem))
            self.assertNotIn("\n", str(problem))
        else:
            self.fail(f"{error.__name__} expected")
