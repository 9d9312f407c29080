"""The way of a batch into the journal and the database, with a database, a journal and a local file in memory.

What the real ones do with it is shown by the store's contract (test_cassandra_store) and by test_cassandra_faults.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred, fail, succeed
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.errors import StorageAway, StorageError
from smok_twisted.readings import BlockReport, Report
from smok_twisted.storage.cassandra.bridge import Refused
from smok_twisted.storage.cassandra.spool import Spool
from smok_twisted.storage.journal.batches import decode, encode
from smok_twisted.storage.journal.segment import Entry
from smok_twisted.storage.records import Batch, Cursor
from smok_twisted.storage.writer import Marks, Signals

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
    """``error``: what writing raises."""

    def __init__(self):
        self.written, self.error, self.asked = [], None, 0

    @property
    def is_away(self):
        return isinstance(self.error, StorageAway)

    def write(self, number, reports, is_live=True):
        self.asked += 1
        if self.error is not None:
            return fail(self.error)
        self.written += [report.batch for report in reports]
        return succeed(None)


class Case(SynchronousTestCase):
    def setUp(self):
        self.local, self.journal, self.history = SlowLocal(), MemoryJournal(), MemoryHistory()
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
            **more,
        )

    def known(self, device_id=7):
        """A device whose hour is marked: its batches go straight into the journal."""
        taken = self.spool.take(batch(0, device_id))
        self.local.asked.pop().callback(1)
        self.successResultOf(taken)


class Order(Case):
    """The newest number in the journal stands for all before it: it must not overtake any."""

    def test_none_overtakes_one_that_waits_for_its_mark(self):
        """kill -9 between the two lost an acknowledged batch: nobody asked the device for it again."""
        self.known()
        first = self.spool.take(batch(1, hour=1))
        second = self.spool.take(batch(2))
        self.assertEqual(self.journal.numbers, [0])
        self.local.asked.pop().callback(1)
        self.assertEqual(self.journal.numbers, [0, 1, 2])
        self.assertEqual(self.durable, [0, 1, 2])
        self.successResultOf(first)
        self.successResultOf(second)

    def test_one_that_the_journal_refuses_takes_those_behind_it_along(self):
        """Were the second durable, the first would count as durable too."""
        self.known()
        first = self.spool.take(batch(1, hour=1))
        second = self.spool.take(batch(2))
        self.local.asked.pop().errback(StorageError("no"))
        self.failureResultOf(first, StorageError)
        self.failureResultOf(second, StorageError)
        self.assertEqual(self.journal.numbers, [0])
        again = [self.spool.take(batch(number)) for number in (1, 2)]
        self.assertEqual((self.journal.numbers, self.durable), ([0, 1, 2], [0, 1, 2]))
        for each in again:
            self.successResultOf(each)

    def test_devices_do_not_wait_for_each_other(self):
        """One device's mark is another device's nothing."""
        self.known(8)
        self.spool.take(batch(1, hour=1))
        self.successResultOf(self.spool.take(batch(1, device_id=8)))

    def test_one_that_is_sent_twice_is_stored_once(self):
        """A device that sends again before it heard: both hear."""
        self.known()
        both = [self.spool.take(batch(1, hour=1)) for _ in "12"]
        self.local.asked.pop().callback(1)
        for each in both:
            self.successResultOf(each)
        self.assertEqual(self.journal.numbers, [0, 1])


class Level(Case):
    """How many batches may wait to become durable; of the real numbers Operating tells."""

    def setUp(self):
        super().setUp()
        self.heard = []
        self.spool = self.made(
            marks=Marks(1, 3, 4),
            signals=Signals(lambda health: None, lambda: self.heard.append("high"), lambda: self.heard.append("low")),
        )

    def test_in_an_outage(self):
        """Those who bring more are told at the mark, refused at the limit, and told again when it is over."""
        self.known()
        self.history.error = StorageAway("away")
        for number in range(1, 5):
            self.assertNoResult(self.spool.take(batch(number)))
            self.assertEqual(self.heard, ["high"] if number >= 3 else [])
        refused = self.failureResultOf(self.spool.take(batch(5)), StorageError)
        self.assertEqual(refused.getErrorMessage(), "4 batches wait already to become durable")
        self.history.error = None
        self.spool.resume(1, 6)
        self.assertEqual((self.heard, self.durable), (["high", "low"], [0, 1, 2, 3, 4]))


class Drains(Case):
    """What is in the journal and not in the database."""

    def test_the_doubtful_follow_the_missing(self):
        """At a start with the database away: first what it never had, then what its nodes may have lost."""
        for number in (0, 1, 2):
            self.journal.append(encode(1, batch(number)))
        ways = self.spool.begin(first_lsn=1, settled=3, next_lsn=4, behind={7: Cursor(1, 2)})
        self.spool.resume(1, 4)
        self.assertEqual(self.history.written, [2, 0, 1])
        self.successResultOf(ways[7].durable)
        self.assertEqual(self.spool.drain.waiting, 0)

    def test_an_outage_in_the_middle(self):
        """What could not be written waits, and is written when the database is back, oldest first."""
        self.known()
        self.history.error = StorageAway("away")
        asked = self.history.asked
        waiting = [self.spool.take(batch(number)) for number in (1, 2)]
        self.assertEqual((self.durable, self.spool.drain.waiting), ([0], 2))
        self.assertEqual(self.history.asked, asked)  # an outage may last for hours, and a refusal costs memory
        self.history.error = None
        self.spool.resume(1, 4)
        self.assertEqual(self.durable, [0, 1, 2])
        for each in waiting:
            self.successResultOf(each)

    def test_it_goes_away_and_comes_back_while_it_drains(self):
        """A page fails as a whole when all of it has ended, and by then the database may be there again."""
        self.known()
        self.history.error = StorageAway("away")
        self.spool.take(batch(1))
        self.spool.resume(1, 3)
        self.assertEqual((self.spool.drain.waiting, self.spool.drain.is_running), (1, False))
        self.history.error = None
        self.spool.drain.go_on()
        self.assertEqual((self.spool.drain.waiting, self.durable), (0, [0, 1]))

    def test_too_much_waits_in_the_bridge(self):
        """It says so at once: asking again at once would never end."""
        self.known()
        self.history.error = StorageError("100000 requests wait already")
        self.spool.take(batch(1))
        self.assertEqual((self.spool.drain.waiting, self.spool.drain.is_running), (1, False))
        self.history.error = None
        self.spool.drain.go_on()
        self.assertEqual((self.spool.drain.waiting, self.durable), (0, [0, 1]))

    def test_a_full_disk_under_what_is_put_aside(self):
        """The database refuses a batch, and there is no room to put it aside: it is tried again, not forgotten."""
        self.known()
        self.history.error, self.journal.disk = Refused("never"), StorageError("no room")
        taken = self.spool.take(batch(1))
        self.assertEqual((self.spool.drain.waiting, self.alarms), (1, []))
        self.spool.drain.go_on()
        self.assertEqual(self.spool.drain.waiting, 1)
        self.journal.disk = None
        self.spool.drain.go_on()
        self.assertEqual((self.spool.drain.waiting, self.journal.aside, self.alarms), (0, [2], ["quarantined"]))
        self.successResultOf(taken)
