"""Promise: what is in a segment of the journal is told exactly, and damage is never taken for data."""

from __future__ import annotations

import io
import struct

import google_crc32c
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.errors import StorageError
from smok_twisted.storage.journal.segment import (
    FORMAT,
    HEAD_OCTETS,
    LONGEST,
    RECORD_OCTETS,
    Damaged,
    Entry,
    first_lsn,
    head,
    next_good,
    record,
    record_at,
    size_of,
)

ENTRIES = [Entry(7, 1_000_000, b"one"), Entry(8, 1_000_001, b""), Entry(9, 1_000_002, bytes(range(256)))]


def octets_of(*entries):
    return head(entries[0].lsn) + b"".join(map(record, entries))


def read_all(octets, lsn):
    """Entries up to the first that is none."""
    file, position, found = io.BytesIO(octets), HEAD_OCTETS, []
    while (entry := record_at(file, position, lsn)) is not None:
        found.append(entry)
        position, lsn = position + size_of(entry), lsn + 1
    return found


class Sum(SynchronousTestCase):
    """The sum is CRC32C, as others compute it."""

    def test_known_values(self):
        """RFC 3720, B.4."""
        known = {bytes(32): 0x8A9136AA, b"\xff" * 32: 0x62A8AB43, bytes(range(32)): 0x46DD794E}
        for octets, crc in known.items():
            self.assertEqual(google_crc32c.value(octets), crc)

    def test_where_it_stands(self):
        """A record can be checked with the description alone."""
        rest = struct.pack(">QQ", 5, 6) + b"abc"
        self.assertEqual(record(Entry(5, 6, b"abc")), struct.pack(">II", 3, google_crc32c.value(rest)) + rest)
        self.assertEqual((RECORD_OCTETS, HEAD_OCTETS), (24, 22))


class Heads(SynchronousTestCase):
    """A file is ours, whole, and of a version that we know, or it is refused."""

    def refused(self, octets):
        return str(self.assertRaises(StorageError, first_lsn, octets, "x.journal"))

    @given(st.integers(0, 2**64 - 1))
    def test_there_and_back(self, lsn):
        """The first lsn comes back."""
        self.assertEqual(first_lsn(head(lsn), "x"), lsn)

    def test_strangers(self):
        """Another program's file, and a piece of ours."""
        self.assertIn("no segment of a journal", self.refused(b"PK" + bytes(100)))
        self.assertIn("no segment of a journal", self.refused(head(1)[:-1]))

    def test_damage(self):
        """Any flipped bit is noticed."""
        for bit in range(80, 8 * HEAD_OCTETS):
            octets = bytearray(head(77))
            octets[bit // 8] ^= 1 << bit % 8
            self.assertIn("x.journal is damaged", self.refused(bytes(octets)))

    def test_a_newer_version(self):
        """It is told apart from damage."""
        octets = head(1)[:8] + struct.pack(">H", FORMAT + 1) + head(1)[10:]
        self.assertIn("written by a newer version (format 2, this one knows 1)", self.refused(octets))


class Records(SynchronousTestCase):
    """Good records come back, others never."""

    @given(st.lists(st.tuples(st.integers(0, 2**64 - 1), st.binary(max_size=300)), min_size=1, max_size=5))
    def test_there_and_back(self, contents):
        """With room behind them or without."""
        entries = [Entry(5 + number, *content) for number, content in enumerate(contents)]
        for room in (0, 10, 100):
            self.assertEqual(read_all(octets_of(*entries) + bytes(room), 5), entries)

    def test_cut_anywhere(self):
        """A torn record is torn: never shorter data, never an error of another kind."""
        octets = octets_of(*ENTRIES)
        ends = [HEAD_OCTETS]
        for entry in ENTRIES:
            ends.append(ends[-1] + size_of(entry))
        for cut in range(HEAD_OCTETS, len(octets)):
            whole = max(number for number, end in enumerate(ends) if end <= cut)
            if not octets[ends[whole] : cut].strip(b"\0"):
                self.assertEqual(read_all(octets[:cut], 7), ENTRIES[:whole])
            else:
                damage = self.assertRaises(Damaged, read_all, octets[:cut], 7)
                self.assertEqual(damage.position, ends[whole])

    def test_any_flipped_bit(self):
        """The sum covers all of a record."""
        octets = octets_of(*ENTRIES)
        for bit in range(8 * HEAD_OCTETS, 8 * len(octets)):
            bad = bytearray(octets)
            bad[bit // 8] ^= 1 << bit % 8
            self.assertRaises(Damaged, read_all, bytes(bad), 7)

    def test_another_entry(self):
        """A record that is good, and not the one that belongs there."""
        damage = self.assertRaises(Damaged, read_all, octets_of(*ENTRIES), 6)
        self.assertEqual(str(damage), f"at octet {HEAD_OCTETS}: entry 7 stands where 6 should")

    def test_an_absurd_length(self):
        """It costs no memory."""
        octets = head(1) + struct.pack(">IIQQ", LONGEST + 1, 0, 1, 0) + bytes(100)
        self.assertIn("does not fit its sum", str(self.assertRaises(Damaged, read_all, octets, 1)))


class BehindDamage(SynchronousTestCase):
    """What is good behind a damaged record is found."""

    def found(self, octets, position=HEAD_OCTETS, lsn=7):
        return next_good(io.BytesIO(octets), position, lsn)

    def test_the_next_and_the_one_after(self):
        """However much of the records before is gone."""
        octets = octets_of(*ENTRIES)
        second, third = HEAD_OCTETS + size_of(ENTRIES[0]), len(octets) - size_of(ENTRIES[2])
        self.assertEqual(self.found(octets), (second, ENTRIES[1]))
        bad = octets[:HEAD_OCTETS] + b"\xee" * (third - HEAD_OCTETS) + octets[third:]
        self.assertEqual(self.found(bad), (third, ENTRIES[2]))

    def test_nothing(self):
        """Room, and records that are torn, are nothing."""
        self.assertIsNone(self.found(octets_of(*ENTRIES)[: HEAD_OCTETS + 20] + bytes(1000)))
        self.assertIsNone(self.found(octets_of(ENTRIES[0])))

    def test_its_number_inside_of_data(self):
        """A payload that looks like the beginning of a record is not taken for one."""
        tricky = Entry(7, 0, (8).to_bytes(8) * 20)
        octets = octets_of(tricky, ENTRIES[1])
        bad = octets[: HEAD_OCTETS + 4] + b"\x00\x00\x00\x01" + octets[HEAD_OCTETS + 8 :]
        self.assertEqual(self.found(bad), (HEAD_OCTETS + size_of(tricky), ENTRIES[1]))
