"""Promise: every entry that was appended is read again, whatever happens to the rest of the folder."""

from __future__ import annotations

import errno
import os

from smok_twisted.storage.journal.segment import FORMAT, HEAD_OCTETS

from .journal_rig import (
    SEGMENT_OCTETS,
    FilesCase,
    NoSync,
    fill,
    overwrite,
    payload,
)


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
