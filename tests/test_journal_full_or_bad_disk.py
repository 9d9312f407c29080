"""Promise: a full disk and one that fails a sync end acknowledgements, and nothing else."""

from __future__ import annotations

import errno

from twisted.internet.defer import gatherResults

from .journal_rig import SEGMENT_OCTETS, overwrite, payload, position_of
from .test_journal import JournalCase


class NoRoom(JournalCase):
    """A full disk, or a journal at its bound."""

    async def test_a_full_disk(self):
        """Nothing is answered until there is room; reading goes on, and everything goes on by itself."""
        journal = await self.opened()
        await self.fill(journal, 3)
        self.disk.write_error = errno.ENOSPC
        waiting = journal.append(payload(4))
        await self.until(lambda: journal.health.state == "disk-full")
        self.assertIn(f"no room left for {self.folder}: the disk says no", journal.health.detail)
        later = journal.append(payload(5))
        self.assertEqual(await self.lsns(journal), [1, 2, 3])
        self.assertFalse(waiting.called or later.called)
        self.disk.write_error = 0
        self.assertEqual(await gatherResults([waiting, later]), [4, 5])
        self.assertEqual((self.events, journal.health.state), (["disk-full", "ok"], "ok"))

    async def test_others_fill_the_disk(self):
        """An operator is told, once, before it is full; a disk that does not say how full it is ends nothing."""
        journal = await self.opened(max_octets=10 * SEGMENT_OCTETS)
        await self.fill(journal, 3)
        for room, told in ((9 * SEGMENT_OCTETS, 0), (9 * SEGMENT_OCTETS - 1, 1), (5, 1), (1 << 40, 1), (7, 2)):
            self.disk.room = room
            await journal.tidy()
            self.assertEqual([kind for kind, _ in self.alarms], ["journal-disk"] * told)
        self.assertIn(f"{self.folder} has 7 octets left, and", self.alarms[-1][1])
        self.assertIn(f"may take {9 * SEGMENT_OCTETS} more", self.alarms[-1][1])
        self.disk.room = -1
        await journal.tidy()
        await self.fill(journal, 1)

    async def test_its_bound(self):
        """An operator is told in time; at the bound nothing is answered until what is settled goes."""
        journal = await self.opened(max_octets=10 * SEGMENT_OCTETS)
        await self.fill(journal, 70)
        self.assertEqual(self.alarms, [])
        await self.fill(journal, 30)
        kinds = [(kind, text.split(" takes ")[1][:4]) for kind, text in self.alarms]
        self.assertEqual(kinds, [("journal-filling", "80% "), ("journal-filling", "100%")])
        waiting = journal.append(payload(101))
        await self.until(lambda: journal.health.state == "disk-full")
        self.assertIn("may take", journal.health.detail)
        for entry in await journal.read(1, 10):
            journal.settle(entry.lsn)
        await journal.tidy()
        self.assertFalse(waiting.called)
        self.clock.advance(601)
        await journal.tidy()
        self.assertEqual((await waiting, journal.first_lsn), (101, 11))

    async def test_closing_does_not_wait_for_room(self):
        """What was never written is refused."""
        journal = await self.opened()
        await self.fill(journal, 1)
        self.disk.write_error = errno.EDQUOT
        waiting = journal.append(payload(2))
        await self.until(lambda: journal.health.state == "disk-full")
        closed = journal.close()
        await self.refused(waiting, "not open")
        await closed
        self.assertEqual(self.events, ["disk-full", "closed"])


class BadDisk(JournalCase):
    """A disk that fails."""

    async def test_a_failed_sync_is_the_end(self):
        """It is told once, and nothing is answered that may not be there."""
        journal = await self.opened()
        await self.fill(journal, 1)
        self.disk.sync_error = errno.EIO
        waiting = journal.append(payload(2))
        await self.refused(waiting, "cannot be used: a sync failed: the disk says no")
        self.disk.sync_error = 0
        await self.refused(journal.append(payload(3)), "cannot be used")
        await self.refused(journal.read(1, 10), "cannot be used")
        await journal.tidy()
        await journal.close()
        self.assertEqual((self.events, journal.health.state), (["failed"], "failed"))

    async def test_a_failed_removal_is_the_end(self):
        """For what is written after it nothing could be promised."""
        journal = await self.opened(retention_seconds=0.0)
        await self.fill(journal, 15)
        for lsn in range(1, 16):
            journal.settle(lsn)
        self.clock.advance(1)
        self.disk.remove_error = errno.EIO
        await journal.tidy()
        self.assertEqual(self.events, ["failed"])

    async def test_a_failed_read_is_no_end(self):
        """Who reads is told; what comes is written."""
        journal = await self.opened()
        await self.fill(journal, 12)
        gone = journal._files.segments[0].path
        gone.rename(gone.with_suffix(".away"))
        await self.refused(journal.read(1, 100), "cannot be used: No such file")
        await self.fill(journal, 1)
        self.assertEqual((await self.lsns(journal, 11), self.events), ([11, 12, 13], []))

    async def test_damage(self):
        """It is told once, passed over, and holds nothing back."""
        journal = await self.opened(retention_seconds=0.0)
        await self.fill(journal, 25)
        first = journal._files.segments[0]
        overwrite(first.path, position_of(first, 4) + 30, b"\xff")
        for _ in range(2):
            self.assertEqual(await self.lsns(journal), [1, 2, 3, *range(5, 26)])
        self.assertEqual([kind for kind, _ in self.alarms], ["journal-damaged"])
        self.assertIn("entry 4 cannot be read", self.alarms[0][1])
        for lsn in {*range(1, 26)} - {4}:
            journal.settle(lsn)
        self.assertEqual(journal.unsettled, 0)
