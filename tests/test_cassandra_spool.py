"""The way of a batch into the journal and the database, with a database, a journal and a local file in memory.

What the real ones do with it is shown by the store's contract (test_cassandra_store) and by test_cassandra_faults.
"""

from __future__ import annotations

from smok_twisted.errors import StorageAway, StorageError
from smok_twisted.storage.cassandra.bridge import Failed, Refused, Unknown
from smok_twisted.storage.journal.batches import encode
from smok_twisted.storage.records import Cursor
from smok_twisted.storage.writer import Marks, Signals

from .spool_rig import Case, batch


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

    def test_only_the_doubtful(self):
        """At a start after an end at which the database had everything: each once."""
        for number in (0, 1, 2):
            self.journal.append(encode(1, batch(number)))
        self.spool.begin(first_lsn=1, settled=4, next_lsn=4, behind={})
        self.spool.resume(1, 4)
        self.assertEqual((self.history.written, self.spool.drain.waiting), ([0, 1, 2], 0))

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


class Refusals(Case):
    """What the database does not take, though it is there: one batch, or all of them."""

    def setUp(self):
        super().setUp()
        self.known()

    def pass_seconds(self, seconds):
        self.clock.pump([0.05] * int(seconds / 0.05))

    def test_one_poisoned_batch(self):
        """It is put aside when others were taken between its tries, and those behind it are durable."""
        self.history.poison[1] = Refused("never")
        taken = self.spool.take(batch(1))
        self.pass_seconds(0.5)
        behind = self.spool.take(batch(2))
        self.assertNoResult(behind)
        self.pass_seconds(2)
        self.assertEqual((self.journal.aside, self.alarms, self.durable), ([2], ["quarantined"], [0, 1, 2]))
        self.successResultOf(taken)
        self.successResultOf(behind)
        self.assertIsNone(self.spool.drain.refusal)

    def test_everything_is_refused(self):
        """A right was withdrawn, a table dropped: nothing is put aside or acknowledged, it is said once, and written
        when that is mended."""
        self.history.error = Refused("unauthorized")
        waiting = [self.spool.take(batch(number)) for number in (1, 2, 3)]
        for _ in range(3):
            self.pass_seconds(10)
            self.spool.drain.go_on()
        self.assertEqual((self.journal.aside, self.alarms, self.durable), ([], ["database-refuses"], [0]))
        self.assertEqual(str(self.spool.drain.refusal), "unauthorized")
        asked = self.history.asked
        self.spool.take(batch(4))
        self.assertEqual(self.history.asked, asked)
        self.history.error = None
        self.pass_seconds(10)
        self.spool.drain.go_on()
        self.pass_seconds(1)
        self.assertEqual((self.journal.aside, self.durable, self.spool.drain.waiting), ([], [0, 1, 2, 3, 4], 0))
        self.assertIsNone(self.spool.drain.refusal)
        for each in waiting:
            self.successResultOf(each)

    def test_a_batch_over_which_nodes_fail(self):
        """Nobody knows what became of it: it is asked for a minute and more, ever more slowly, then put aside."""
        self.history.poison[1] = Failed("too large")
        self.spool.take(batch(1))
        self.pass_seconds(60)
        self.spool.take(batch(2))
        self.assertEqual((self.journal.aside, self.history.asked < 25), ([], True))
        self.pass_seconds(60)
        self.assertEqual((self.journal.aside, self.durable), ([2], [0, 1, 2]))

    def test_what_nobody_answers(self):
        """Is asked for ever, and not all the time."""
        self.history.poison[1] = Unknown("slow")
        self.spool.take(batch(1))
        self.pass_seconds(600)
        self.spool.take(batch(2))
        self.assertEqual((self.journal.aside, self.durable), ([], [0]))
        self.assertLess(self.history.asked, 140)
        self.history.poison.clear()
        self.pass_seconds(6)
        self.assertEqual(self.durable, [0, 1, 2])

    def test_the_end_in_the_middle(self):
        """Nothing is left to be called."""
        self.history.poison[1] = Unknown("slow")
        taken = self.spool.take(batch(1))
        behind = self.spool.take(batch(2))
        self.spool.abandon(StorageError("the store is not open"))
        self.failureResultOf(taken, StorageError)
        self.failureResultOf(behind, StorageError)
        self.assertEqual((self.clock.getDelayedCalls(), self.durable), ([], [0]))

    def test_a_full_disk_under_what_is_put_aside(self):
        """The database refuses a batch, and there is no room to put it aside: it is tried again, not forgotten."""
        self.history.poison[1], self.journal.disk = Refused("never"), StorageError("no room")
        taken = self.spool.take(batch(1))
        other = self.spool.take(batch(2))
        self.pass_seconds(2)
        self.assertEqual((self.journal.aside, self.alarms, self.spool.drain.waiting), ([], [], 1))
        self.journal.disk = None
        self.spool.drain.go_on()
        self.spool.take(batch(3))
        self.pass_seconds(2)
        self.assertEqual((self.journal.aside, self.alarms, self.spool.drain.waiting), ([2], ["quarantined"], 0))
        self.successResultOf(taken)
        self.successResultOf(other)


class Damages(Case):
    """An entry of the journal that the database never had, and that cannot be read any more."""

    def test_of_a_batch_that_waits(self):
        """Whoever brought it hears so, and those behind it, and brings them again; nothing waits for ever."""
        self.known()
        self.history.error = StorageAway("away")
        waiting = [self.spool.take(batch(number)) for number in (1, 2)]
        del self.journal.entries[1]
        self.journal.on_lost(2, 3)
        for each in waiting:
            self.failureResultOf(each, StorageError)
        self.history.error = None
        self.spool.resume(1, 4)
        self.assertEqual((self.durable, len(self.spool.pending)), ([0], 0))
        for number in (1, 2):
            self.successResultOf(self.spool.take(batch(number)))
        self.assertEqual(self.durable, [0, 1, 2])

    def test_of_what_was_there_at_the_start(self):
        """Nobody knows whose it was: all whose batches wait send again what was not durable."""
        for number in (0, 1, 2):
            self.journal.append(encode(1, batch(number)))
        ways = self.spool.begin(first_lsn=1, settled=2, next_lsn=4, behind={7: Cursor(1, 2)})
        self.journal.on_lost(2, 3)
        self.failureResultOf(ways[7].durable, StorageError)
        self.assertIsNone(self.spool.await_inherited(7))
        self.spool.resume(1, 4)
        self.assertEqual(self.durable, [])
