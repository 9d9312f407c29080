"""The way of a batch, with a database, a journal and a local file in memory."""

from __future__ import annotations

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.errors import StorageAway
from smok_twisted.readings import BlockReport, Report
from smok_twisted.storage.cassandra.spool import Spool
from smok_twisted.storage.journal.batches import decode
from smok_twisted.storage.journal.segment import Entry
from smok_twisted.storage.records import Batch

HOUR_US = 3600 * 1_000_000
TIME_US = 1_790_000_000_000_000


def batch(number, device_id=7, hour=0):
    report = Report(device_id, TIME_US + hour * HOUR_US, 1, number, 0, 1, (BlockReport(0, (number,)),))
    return Batch(device_id, 1, number, (report,))


class SlowLocal:
    """Answers a mark when it is told to."""

    def __init__(self):
        self.asked = []

    def note(self, device_id, hours, partitions):
        self.asked.append(Deferred())
        return self.asked[-1]


class MemoryJournal:
    """Everything is on the disk at once, unless ``refusal`` is set."""

    def __init__(self):
        self.entries, self.settled, self.aside, self.refusal, self.disk = [], set(), [], None, None

    @property
    def numbers(self):
        return [decode(entry.payload)[1].batch for entry in self.entries]

    def append(self, payload):
        if self.refusal is not None:
            return fail(self.refusal)
        self.entries.append(Entry(len(self.entries) + 1, 0, payload))
        return succeed(len(self.entries))

    def read(self, from_lsn, limit):
        return succeed([entry for entry in self.entries if entry.lsn >= from_lsn][:limit])

    def settle(self, lsn):
        self.settled.add(lsn)

    def quarantine(self, lsn, payload, reason):
        if self.disk is not None:
            return fail(self.disk)
        self.aside.append(lsn)
        return succeed(None)


class MemoryHistory:
    """``error``: what writing raises; ``poison``: the same for one batch."""

    def __init__(self):
        self.written, self.error, self.asked, self.accepted = [], None, 0, 0
        self.poison = {}

    @property
    def is_away(self):
        return isinstance(self.error, StorageAway)

    def write(self, number, reports, is_live=True):
        self.asked += 1
        error = self.error or self.poison.get(reports[0].batch)
        if error is not None:
            return fail(error)
        self.written += [report.batch for report in reports]
        self.accepted += 1
        return succeed(None)


class Case(SynchronousTestCase):
    def setUp(self):
        self.local, self.journal, self.history = SlowLocal(), MemoryJournal(), MemoryHistory()
        self.clock = Clock()
        self.durable, self.alarms = [], []
        self.spool = self.made()

    def made(self, **more):
        return Spool(
            self.journal,
            self.history,
            self.local,
            on_taken=lambda lsn, taken: None,
            on_durable=lambda name: self.durable.append(name.batch),
            alarm=lambda kind, text: self.alarms.append(kind),
            clock=self.clock,
            **more,
        )

    def known(self, device_id=7):
        """A device whose hour is marked: its batches go straight into the journal."""
        taken = self.spool.take(batch(0, device_id))
        self.local.asked.pop().callback(1)
        self.successResultOf(taken)
