"""Promise: an entry is answered when it is on disk, whatever the disk does meanwhile; nothing waits for ever."""

from __future__ import annotations

import errno
import threading
from pathlib import Path

from twisted.internet import reactor
from twisted.internet.defer import gatherResults
from twisted.internet.task import Clock, deferLater
from twisted.trial.unittest import TestCase

from smok_twisted.errors import StorageError
from smok_twisted.storage.journal.files import Files
from smok_twisted.storage.journal.journal import Journal
from smok_twisted.storage.journal.segment import LONGEST
from smok_twisted.storage.writer import Marks, Signals

from .journal_rig import SEGMENT_OCTETS, NoSync, payload


class Disk(NoSync):
    """Counts, stops in a sync until ``gate`` opens, and fails with ``error`` as long as there is one."""

    def __init__(self):
        self.gate = threading.Event()
        self.gate.set()
        self.in_sync = threading.Event()
        self.syncs = 0
        self.write_error = self.sync_error = self.remove_error = 0
        self.room = 1 << 50

    def write(self, descriptor, octets, position):
        if self.write_error:
            raise OSError(self.write_error, "the disk says no")
        super().write(descriptor, octets, position)

    def sync(self, descriptor):
        self.in_sync.set()
        self.gate.wait(60)
        self.syncs += 1
        if self.sync_error:
            raise OSError(self.sync_error, "the disk says no")

    def remove(self, path):
        if self.remove_error:
            raise OSError(self.remove_error, "the disk says no")
        super().remove(path)

    def free(self, folder):
        if self.room < 0:
            raise OSError(errno.EIO, "the disk says no")
        return self.room


class OwnClock(Clock):
    """Its own seconds; the reactor's way for threads."""

    callFromThread = staticmethod(reactor.callFromThread)


class JournalCase(TestCase):
    """Journals in one folder, one at a time."""

    timeout = 60

    def setUp(self):
        self.folder = Path(self.mktemp()).resolve() / "journal"
        self.clock = OwnClock()
        self.disk = Disk()
        self.now_us = 77
        self.events = []
        self.alarms = []
        self.addCleanup(self.disk.gate.set)

    def make(self, **options):
        signals = Signals(
            health=lambda health: self.events.append(health.state),
            high_water=lambda: self.events.append("high"),
            low_water=lambda: self.events.append("low"),
        )
        options = {"window_seconds": 0.0, "segment_octets": SEGMENT_OCTETS, "max_octets": 1 << 30} | options
        journal = Journal(
            self.folder,
            self.clock,
            signals=signals,
            alarm=lambda kind, text: self.alarms.append((kind, text)),
            now_us=lambda: self.now_us,
            system=self.disk,
            **options,
        )
        self.addCleanup(journal.close)
        return journal

    async def opened(self, **options):
        journal = self.make(**options)
        await journal.open()
        return journal

    async def fill(self, journal, count):
        """One after another."""
        for number in range(journal.next_lsn, journal.next_lsn + count):
            self.assertEqual(await journal.append(payload(number)), number)

    async def lsns(self, journal, from_lsn=1):
        """Of all entries that can be read."""
        found = []
        while entries := await journal.read(from_lsn, 1000):
            found += [entry.lsn for entry in entries if entry.payload == payload(entry.lsn)]
            from_lsn = entries[-1].lsn + 1
        return found

    async def until(self, true):
        while not true():
            await deferLater(reactor, 0.001)

    async def refused(self, deferred, text):
        try:
            await deferred
        except StorageError as error:
            self.assertIn(text, str(error))
        else:
            self.fail("it was done")


class Appending(JournalCase):
    """Answers, order, groups."""

    async def test_all_is_there_after_a_restart(self):
        """With the numbers that were told."""
        journal = await self.opened()
        state = await self.restarted(journal, 0)
        self.assertEqual(state[:3], (1, 1, 0))
        journal = self.journal
        answers = [journal.append(payload(number)) for number in range(1, 26)]
        self.assertEqual(await gatherResults(answers), list(range(1, 26)))
        state = await self.restarted(journal, 25)
        self.assertEqual((state.first_lsn, state.next_lsn, state.cut), (1, 26, ""))
        self.assertEqual((state.octets, state.oldest_us), (self.journal.octets, 77))

    async def restarted(self, journal, count):
        await journal.close()
        self.journal = self.make()
        state = await self.journal.open()
        self.assertEqual(await self.lsns(self.journal), list(range(1, count + 1)))
        self.assertEqual(self.journal.unsettled, count)
        return state

    async def test_not_answered_before_it_is_synced(self):
        """And what comes meanwhile shares the next sync."""
        journal = await self.opened()
        await self.fill(journal, 1)
        self.disk.gate.clear()
        self.disk.in_sync.clear()
        first = journal.append(payload(2))
        self.disk.in_sync.wait(30)
        rest = [journal.append(payload(number)) for number in range(3, 9)]
        await deferLater(reactor, 0.02)
        self.assertFalse(any(one.called for one in [first, *rest]))
        syncs = self.disk.syncs
        self.disk.gate.set()
        await gatherResults([first, *rest])
        self.assertEqual(self.disk.syncs - syncs, 2)

    async def test_a_window_is_between_groups_and_not_before_a_lone_entry(self):
        """With a window of hours the first is answered at once, the second when it is closed."""
        journal = await self.opened(window_seconds=9999.0)
        self.assertEqual(await journal.append(payload(1)), 1)
        second = journal.append(payload(2))
        self.assertEqual(len(await journal.read(1, 10)), 1)
        self.assertFalse(second.called)
        closed = journal.close()
        self.assertEqual(await second, 2)
        await closed

    async def test_what_is_no_entry(self):
        """It is refused at once, and harms nobody."""
        journal = await self.opened()
        await self.refused(journal.append(bytes(LONGEST + 1)), f"at most {LONGEST}")
        await self.fill(journal, 1)

    async def test_who_does_not_wait_any_more(self):
        """Its entry is written all the same."""
        journal = await self.opened()
        impatient = journal.append(payload(1))
        impatient.addErrback(lambda _: None)
        impatient.cancel()
        self.assertEqual(await journal.append(payload(2)), 2)
        self.assertEqual(await self.lsns(journal), [1, 2])


class Bounds(JournalCase):
    """What waits is bounded."""

    async def test_water_marks(self):
        """One signal on the way up, one on the way down, nothing beyond the limit."""
        journal = await self.opened(marks=Marks(low=2, high=5, limit=8))
        self.disk.gate.clear()
        waiting = [journal.append(payload(number)) for number in range(1, 5)]
        self.assertEqual(self.events, [])
        waiting += [journal.append(payload(number)) for number in range(5, 9)]
        self.assertEqual(self.events, ["high"])
        await self.refused(journal.append(payload(9)), "8 entries wait already")
        self.disk.gate.set()
        await gatherResults(waiting)
        self.assertEqual(self.events, ["high", "low"])


class Settling(JournalCase):
    """What the database has leaves the journal, later."""

    async def test_after_the_retention(self):
        """All of a segment, and nothing that is not settled."""
        journal = await self.opened()
        await self.fill(journal, 35)
        for lsn in {*range(1, 26)} - {12}:
            journal.settle(lsn)
        self.assertEqual(journal.unsettled, 11)
        await journal.tidy()
        self.assertEqual((journal.first_lsn, journal.oldest_us), (1, 88))
        self.now_us = 2_500_088
        self.assertEqual(journal.unsettled_seconds, 2.5)
        self.clock.advance(599)
        await journal.tidy()
        self.assertEqual(journal.first_lsn, 1)
        self.clock.advance(2)
        await journal.tidy()
        self.assertEqual(journal.first_lsn, 11)
        journal.settle(12)
        self.clock.advance(601)
        await journal.tidy()
        self.assertEqual((journal.first_lsn, journal.unsettled), (21, 10))
        self.assertEqual(await self.lsns(journal), list(range(21, 36)))

    async def test_a_restart_has_all_that_is_there_to_write_again(self):
        """Also what was settled: writing again changes nothing."""
        journal = await self.opened()
        await self.fill(journal, 5)
        journal.settle(1)
        await journal.close()
        journal = await self.opened()
        self.assertEqual((journal.first_lsn, journal.unsettled), (1, 5))

    async def test_putting_aside_settles(self):
        """The entry is in a file then."""
        journal = await self.opened()
        await self.fill(journal, 2)
        await journal.quarantine(1, payload(1), "it cannot be")
        self.assertEqual(journal.unsettled, 1)
        (path,) = (self.folder / "quarantine").iterdir()
        self.assertTrue(path.read_bytes().startswith(b"it cannot be\n"))

    async def test_putting_aside_without_room(self):
        """It is refused, and the journal goes on."""
        journal = await self.opened()
        await self.fill(journal, 2)
        self.disk.write_error = errno.ENOSPC
        await self.refused(journal.quarantine(1, payload(1), "it cannot be"), "no room for it")
        self.disk.write_error = 0
        self.assertEqual(journal.unsettled, 2)
        await self.fill(journal, 1)


class OpeningAndClosing(JournalCase):
    """Each journal belongs to one process, and ends in order."""

    async def test_in_use(self):
        """The second one is refused, the first does not notice."""
        journal = await self.opened()
        await self.refused(self.make().open(), "is in use by process")
        await self.fill(journal, 1)

    async def test_closed_while_it_opens(self):
        """Nothing is left behind."""
        journal = self.make()
        opened, closed = journal.open(), journal.close()
        await opened
        await closed
        await self.refused(journal.append(payload(1)), "not open")
        await self.opened()

    async def test_closed_again_and_again(self):
        """Before it is open, twice at once, and when it is over."""
        journal = self.make()
        await journal.close()
        await journal.open()
        await self.fill(journal, 1)
        await gatherResults([journal.close(), journal.close()])
        await journal.close()
        self.assertEqual(self.events, ["closed"])

    async def test_the_reactor_is_gone(self):
        """The thread ends, what was handed over is on the disk, and nothing is told to nobody."""
        journal = await self.opened()

        def gone(*_):
            raise OSError(errno.EBADF, "the waker is closed")

        self.clock.callFromThread = gone
        journal.append(payload(1))
        journal.close()
        (thread,) = [one for one in threading.enumerate() if one.name == "journal"]
        thread.join(30)
        self.assertFalse(thread.is_alive())
        files = Files(self.folder, SEGMENT_OCTETS)
        files.open()
        self.addCleanup(files.close)
        self.assertEqual(files.next_lsn, 2)
        journal._ended(None)
