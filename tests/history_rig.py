"""A store in memory, its packer and its reader, for tests of history."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from smok_twisted.errors import StorageError
from smok_twisted.history.packer import Packer, PackerTimes
from smok_twisted.history.reader import History, refuse
from smok_twisted.history.slices import Span
from smok_twisted.history.traces import traces_of
from smok_twisted.readings import BlockReport, Report
from smok_twisted.storage.memory import MemoryStore
from smok_twisted.storage.records import HOUR_US, Batch, DeviceRecord

from .history_samples import DEVICE, HOUR, PLANT, START_US, view

#: The second map calls the temperature otherwise and has another scale for it.
RENAMED = PLANT.replace('"outside"', '"outdoors"').replace("scale = 0.1", "scale = 0.25")
VIEWS = {1: view(1), 2: view(2, RENAMED)}
NOW = VIEWS[2].points
HOURS = 30


class Fleet:
    """Of one device."""

    def __init__(self, keep_seconds=None):
        self.kept = keep_seconds
        self.devices = [DEVICE]

    def device_ids(self):
        return self.devices

    def views(self, device_id):
        return VIEWS

    def keep_seconds(self, device_id):
        return self.kept


class Rig:
    """A store with a device, its packer and its history; ``now_hour`` is the hour that goes on."""

    def __init__(self, now_hour=HOUR + HOURS + 1, **times):
        self.store, self.clock, self.alarms = MemoryStore(), Clock(), []
        self.store.open()
        self.store.save_device(DeviceRecord(DEVICE, "plant", "plant", 0))
        self.now_hour = now_hour
        self.fleet = Fleet()
        self.packer = Packer(
            self.store,
            self.fleet,
            self.clock,
            lambda: self.now_hour * HOUR_US + HOUR_US // 2,
            lambda kind, text: self.alarms.append(text),
            PackerTimes(**{"pause": 0} | times),
        )
        self.history = History(self.store)
        self.number = 0

    def add(self, reports):
        for report in reports:
            self.number += 1
            numbered = report._replace(batch=self.number)
            assert self.store.append(Batch(DEVICE, 3, self.number, (numbered,))).result is None

    def pack(self):
        """All that is over."""
        self.done(self.packer.pack_all())

    def done(self, waiting):
        """The result of a Deferred or coroutine that waits for nothing but the clock."""
        deferred = waiting if isinstance(waiting, Deferred) else Deferred.fromCoroutine(waiting)
        for _ in range(10_000):
            if deferred.called and not isinstance(deferred.result, Deferred):
                break
            self.clock.advance(0)
        results = []
        deferred.addBoth(results.append)
        if hasattr(results[0], "raiseException"):
            results[0].raiseException()
        return results[0]

    def series(self, question):
        return self.done(self.history.series(DEVICE, question, traces(question.point), VIEWS))

    def reports(self, from_us, to_us, on_damage=refuse):
        async def all_pages():
            pages = self.history.reports(DEVICE, Span(from_us, to_us), on_damage)
            return [one async for page in pages for one in page]

        return self.done(all_pages())

    def log(self):
        return self.store.reports(DEVICE, 0, 1 << 62, 100_000).result


def traces(point):
    return traces_of(point, VIEWS.values(), NOW)


def report(minute, word=7):
    blocks = [BlockReport(number, (word % 2 if block.table.is_bits else word,) * block.count)
              for number, block in enumerate(VIEWS[1].plan.blocks)]  # fmt: skip
    return Report(DEVICE, START_US + minute * 60_000_000, 3, 0, 0, 1, tuple(blocks))


class Breaking:
    """A store whose n-th call, and every later one, fails: every second time after it was done."""

    def __init__(self, store, step):
        self.store, self._calls, self._step = store, 0, step

    def __getattr__(self, name):
        method = getattr(self.store, name)

        def call(*arguments):
            self._calls += 1
            if self._calls <= self._step // 2:
                return method(*arguments)
            if self._calls == self._step // 2 + 1 and self._step % 2:
                method(*arguments)
            raise StorageError("power is gone")

        return call
