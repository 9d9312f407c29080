"""Promise: a torn tail is cut, what is damaged in the middle is told and passed over, what is put aside is whole."""

from __future__ import annotations

import os

from smok_twisted.storage.journal.segment import HEAD_OCTETS, Entry

from .journal_rig import (
    PAYLOAD_OCTETS,
    SEGMENT_OCTETS,
    FilesCase,
    fill,
    overwrite,
    payload,
    position_of,
)


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
