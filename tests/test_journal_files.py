"""Promise: every entry that was appended is read again, whatever happens to the rest of the folder."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.errors import StorageError
from smok_twisted.storage.journal.segment import FORMAT, HEAD_OCTETS, Entry

from .journal_rig import PAYLOAD_OCTETS, SEGMENT_OCTETS, NoSync, fill, opened, overwrite, payload, position_of


class FilesCase(SynchronousTestCase):
    """``self.folder`` is not there yet."""

    def setUp(self):
        self.folder = Path(self.mktemp()).resolve() / "data" / "journal"

    def open(self, **options):
        files = opened(self.folder, **options)
        self.addCleanup(files.close)
        return files

    def reopened(self, files, **options):
        files.close()
        return self.open(**options)

    def refused(self, **options):
        before = self.listing()
        text = str(self.assertRaises(StorageError, opened, self.folder, **options))
        self.assertEqual(self.listing(), before)
        return text

    def listing(self):
        return {path.name: path.read_bytes() for path in self.folder.glob("*") if path.is_file()}

    def lsns(self, files, from_lsn=1, limit=10_000):
        """All from there on, page by page; what is damaged is in ``self.damages``."""
        self.damages, lsns = [], []
        while True:
            found = files.read(from_lsn, limit)
            self.damages += map(str, found.damages)
            if not found.entries:
                return lsns
            for entry in found.entries:
                self.assertEqual(entry.payload, payload(entry.lsn))
            lsns += [entry.lsn for entry in found.entries]
            from_lsn = lsns[-1] + 1

    def assert_all(self, files, first, end):
        self.assertEqual((self.lsns(files, first), self.damages), (list(range(first, end)), []))


class Appending(FilesCase):
    """What was appended is there, and lsns count on."""

    def test_an_empty_one(self):
        """Nothing is in it, the first entry is 1."""
        files = self.open()
        self.assertEqual((files.first_lsn, files.next_lsn, files.octets), (1, 1, 0))
        self.assert_all(files, 1, 1)

    def test_over_many_segments_and_restarts(self):
        """In groups of any size."""
        files = self.open()
        for together in (1, 3, 7, 25, 2):
            fill(files, 2 * together, together)
            files = self.reopened(files)
        self.assertEqual(files.next_lsn, 77)
        self.assert_all(files, 1, 77)
        self.assert_all(files, 44, 77)
        self.assertEqual(self.lsns(files, limit=4), list(range(1, 77)))
        self.assertEqual(files.octets, sum(path.stat().st_size for path in self.folder.glob("*.journal")))

    def test_a_group_longer_than_a_segment(self):
        """It gets a file that is long enough."""
        files = self.open()
        fill(files, 30, 30)
        self.assertEqual((len(files.segments), files.octets > SEGMENT_OCTETS), (1, True))
        self.assert_all(self.reopened(files), 1, 31)

    def test_a_group_longer_than_the_segment_that_is_empty(self):
        """It is made longer."""
        files = self.open(max_octets=5 * SEGMENT_OCTETS)
        fill(files, 2)
        while files.tidy(3):
            pass
        self.assertEqual(files.segments[-1].first, 3)
        fill(files, 30, 30)
        fill(files, 5)
        self.assertRaises(OSError, fill, files, 30, 30)
        files = self.reopened(files)
        self.assert_all(files, 3, 38)
        self.assertEqual(files.octets, sum(path.stat().st_size for path in self.folder.glob("*.journal")))

    def test_times(self):
        """The wall clock's; each group has its own even when the clock is set back."""
        files = self.open()
        for time_us in (5000, 5000, 10):
            files.append([payload(files.next_lsn), payload(files.next_lsn + 1)], time_us)
        files = self.reopened(files)
        files.append([payload(7)], 0)
        times = [entry.time_us for entry in files.read(1, 9).entries]
        self.assertEqual(times, [5000, 5000, 5001, 5001, 5002, 5002, 5003])

    def test_modes(self):
        """Nobody else may read it."""
        files = self.open()
        fill(files, 1)
        for path in (self.folder, files.segments[0].path):
            self.assertEqual(path.stat().st_mode & 0o077, 0)

    def test_one_read_is_short(self):
        """Long entries do not make a read long; it goes on where it ended."""
        files = self.open(segment_octets=16 << 20)
        for number in range(1, 41):
            files.append([bytes(50_000)], number)
        self.assertTrue(0 < len(files.read(1, 1000).entries) < 10)
        self.assertEqual([entry.lsn for entry in files.read(38, 1000).entries], [38, 39, 40])


class Removing(FilesCase):
    """Segments go, oldest first, and only when nothing in them is needed."""

    def tidy(self, files, lsn):
        while files.tidy(lsn):
            pass

    def test_what_is_below_goes(self):
        """Nothing else does."""
        files = self.open()
        fill(files, 35)
        self.tidy(files, 20)
        self.assertEqual(files.first_lsn, 11)
        self.tidy(files, 21)
        self.assertEqual(files.first_lsn, 21)
        self.assert_all(files, 21, 36)
        self.assert_all(self.reopened(files), 21, 36)

    def test_when_all_is_settled_nothing_is_left_but_the_number(self):
        """A restart has nothing to write again, and goes on counting."""
        files = self.open()
        fill(files, 15)
        self.tidy(files, 16)
        self.assertEqual((files.first_lsn, files.next_lsn, len(files.segments)), (16, 16, 1))
        files = self.reopened(files)
        fill(files, 1)
        self.assert_all(files, 16, 17)
        self.assertEqual(files.octets, SEGMENT_OCTETS)

    def test_a_segment_ends_when_its_first_entry_may_go(self):
        """Where little happens a segment would else stay for weeks."""
        files = self.open()
        fill(files, 5)
        self.tidy(files, 1)
        self.assertEqual(len(files.segments), 1)
        self.tidy(files, 2)
        self.assertEqual([segment.first for segment in files.segments], [1, 6])
        self.assert_all(files, 1, 6)


class Bound(FilesCase):
    """It takes no more of the disk than it may."""

    def test_the_bound(self):
        """At the bound there is no room, until some is made."""
        files = self.open(max_octets=2 * SEGMENT_OCTETS)
        fill(files, 20)
        error = self.assertRaises(OSError, files.append, [payload(21)], 0)
        self.assertEqual((error.errno, files.next_lsn), (errno.ENOSPC, 21))
        files.tidy(11)
        fill(files, 1)
        self.assert_all(files, 11, 22)

    def test_by_default_half_of_what_is_free(self):
        """What it has already counts as free."""

        class Disk(NoSync):
            def free(self, folder):
                return 100_000

        files = self.open(system=Disk(), max_octets=None)
        self.assertEqual(files.max_octets, 50_000)
        files = self.reopened(files)
        fill(files, 15)
        files = self.reopened(files, system=Disk(), max_octets=None)
        self.assertEqual(files.max_octets, 50_000 + SEGMENT_OCTETS)

    def test_a_disk_that_is_full_at_the_start(self):
        """Four segments at the least, so that old ones can make room; and more as soon as there is room."""
        room = [0]

        class Disk(NoSync):
            def free(self, folder):
                return room[0]

        files = self.open(system=Disk(), max_octets=None)
        self.assertEqual(files.max_octets, 4 * SEGMENT_OCTETS)
        for room[0], bound in ((100_000, 50_000), (0, 50_000)):
            files.tidy(0)
            self.assertEqual(files.max_octets, bound)


class Refusals(FilesCase):
    """What cannot be used is refused in one line, and left as it is."""

    def filled(self, count=25):
        files = self.open()
        fill(files, count)
        files.close()
        return files.segments

    def test_in_use(self):
        """By whom, too."""
        self.open()
        self.assertEqual(
            self.refused(),
            f"{self.folder} is in use by process {os.getpid()}: only one can have it at a time",
        )

    def test_a_newer_version(self):
        """In any segment."""
        for segment in self.filled():
            good = segment.path.read_bytes()
            overwrite(segment.path, 8, (FORMAT + 1).to_bytes(2))
            self.assertIn("was written by a newer version", self.refused())
            segment.path.write_bytes(good)
        self.assert_all(self.open(), 1, 26)

    def test_a_strange_file(self):
        """It is named."""
        self.filled()
        (self.folder / "a.journal").write_bytes(b"hello, world, this is no segment")
        self.assertIn("a.journal is no segment of a journal: move it away", self.refused())

    def test_another_name(self):
        """A copy beside the original is told."""
        segments = self.filled()
        (self.folder / "00000000000000000005.journal").write_bytes(segments[1].path.read_bytes())
        self.assertIn("does not begin with the entry of its name but with 11", self.refused())

    def test_a_damaged_head(self):
        """With entries behind it."""
        segments = self.filled()
        overwrite(segments[-1].path, 0, bytes(HEAD_OCTETS))
        self.assertIn("no segment of a journal", self.refused())


class Torn(FilesCase):
    """The end of the newest segment was being written when power went."""

    def setUp(self):
        super().setUp()
        files = self.open()
        fill(files, 13)
        fill(files, 4, 4)
        files.close()
        self.newest = files.segments[-1]

    def test_in_the_middle_of_a_record(self):
        """It is cut off there; what comes next takes its place."""
        overwrite(self.newest.path, position_of(self.newest, 15) + 10, bytes(1000))
        os.truncate(self.newest.path, SEGMENT_OCTETS)
        files = self.open()
        self.assertIn("was torn at octet", files.cut)
        self.assert_all(files, 1, 15)
        fill(files, 5)
        files = self.reopened(files)
        self.assertEqual(files.cut, "")
        self.assert_all(files, 1, 20)

    def test_a_hole_in_the_last_write(self):
        """Good records behind it were not acknowledged: they go, too, and never come back."""
        for octets in (bytes(64), b"\xff" * 64):
            overwrite(self.newest.path, position_of(self.newest, 15), octets)
            files = self.open()
            self.assertIn("was torn at octet", files.cut)
            self.assertEqual(files.next_lsn, 15)
            files = self.reopened(files)
            self.assertEqual((files.cut, files.next_lsn), ("", 15))
            fill(files, 3, 3)
            self.assert_all(files, 1, 18)
            files.close()

    def test_a_hole_in_an_earlier_write(self):
        """That was good once: what is behind it is kept, and what is lost is told."""
        overwrite(self.newest.path, position_of(self.newest, 11) + 30, b"\xff")
        files = self.open()
        self.assertIn("entry 11 cannot be read", files.cut)
        self.assertEqual(files.next_lsn, 18)
        fill(files, 5)
        for one in (files, self.reopened(files)):
            self.assertEqual(self.lsns(one), [*range(1, 11), *range(12, 23)])
            self.assertEqual(len(self.damages), 1)
            one.close()

    def test_while_it_was_being_made(self):
        """A newest file without a head has nothing in it."""
        for octets in (b"", bytes(HEAD_OCTETS), bytes(SEGMENT_OCTETS)):
            (self.folder / "00000000000000000018.journal").write_bytes(octets)
            files = self.open()
            self.assertEqual(len(files.segments), 2)
            fill(files, 1)
            files.close()
            self.assertEqual(len(list(self.folder.glob("*.journal"))), 2)


class Damaged(FilesCase):
    """A segment that was whole once has gone bad."""

    def setUp(self):
        super().setUp()
        files = self.open()
        fill(files, 35)
        files.close()
        self.old = files.segments[1]

    def test_one_record(self):
        """It is passed over and told."""
        overwrite(self.old.path, position_of(self.old, 14) + 24, b"x")
        files = self.open()
        self.assertEqual(files.cut, "")
        self.assertEqual(self.lsns(files), [*range(1, 14), *range(15, 36)])
        self.assertEqual(
            self.damages,
            [f"{self.old.path} is damaged at octet 214 (a record does not fit its sum): entry 14 cannot be read"],
        )
        self.assert_all(files, 15, 36)

    def test_a_stretch(self):
        """Everything before and behind it is read."""
        overwrite(self.old.path, position_of(self.old, 13) + 5, bytes(200))
        files = self.open()
        self.assertEqual(self.lsns(files, limit=3), [*range(1, 13), *range(17, 36)])
        self.assertEqual(len(self.damages), 1)
        self.assertIn("entries 13 to 16 cannot be read", self.damages[0])
        self.lsns(files, 15)
        self.assertIn("entries 15 to 16 cannot be read", self.damages[0])

    def test_its_end(self):
        """The next segment goes on."""
        os.truncate(self.old.path, position_of(self.old, 18) + 30)
        files = self.open()
        self.assertEqual(self.lsns(files), [*range(1, 18), *range(21, 36)])
        self.assertIn("(a record is torn): entries 18 to 20 cannot be read", self.damages[0])

    def test_a_lost_segment(self):
        """What was in it is told."""
        self.old.path.unlink()
        files = self.open()
        self.assertEqual(self.lsns(files), [*range(1, 11), *range(21, 36)])
        self.assertIn("entries 11 to 20 cannot be read", self.damages[0])


class PuttingAside(FilesCase):
    """A poison entry is kept as a file."""

    def test_it_is_there(self):
        """The reason in the first line, the record behind it; again is no harm."""
        files = self.open()
        for reason in ("older", "it is\ntoo old"):
            files.put_aside(Entry(5, 6, payload(5)), reason)
        (path,) = (self.folder / "quarantine").iterdir()
        self.assertEqual(path.name, "00000000000000000005.entry")
        octets = path.read_bytes()
        self.assertTrue(octets.startswith(b"it is too old\n"))
        self.assertTrue(octets.endswith(payload(5)))
        self.assertEqual(len(octets), 14 + 24 + PAYLOAD_OCTETS)
