"""For tests of the journal: small segments, and what stands in them."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.errors import StorageError
from smok_twisted.storage.journal.files import Files
from smok_twisted.storage.journal.reader import Segment
from smok_twisted.storage.journal.segment import HEAD_OCTETS, RECORD_OCTETS
from smok_twisted.storage.journal.system import System

#: Ten entries of ``payload`` fit into a segment.
PAYLOAD_OCTETS = 40
SEGMENT_OCTETS = HEAD_OCTETS + 10 * (RECORD_OCTETS + PAYLOAD_OCTETS)


def payload(number):
    """Of the entry with this lsn; no other is the same."""
    return number.to_bytes(8) * (PAYLOAD_OCTETS // 8)


class NoSync(System):
    """Nothing is waited for: tests that cut no power need not."""

    def sync(self, descriptor):
        """Not at all."""

    def sync_folder(self, folder):
        """Not at all."""


def opened(folder, system=None, **options):
    """Files of a folder, recovered."""
    options = {"segment_octets": SEGMENT_OCTETS, "max_octets": 1 << 40} | options
    files = Files(Path(folder), system=system or NoSync(), **options)
    files.open()
    return files


def fill(files, count, together=1):
    """So many further entries, some to a sync."""
    for first in range(files.next_lsn, files.next_lsn + count, together):
        files.append([payload(number) for number in range(first, first + together)], 1000 * first)


def position_of(segment: Segment, lsn: int) -> int:
    """Where the record of ``lsn`` begins."""
    return HEAD_OCTETS + (lsn - segment.first) * (RECORD_OCTETS + PAYLOAD_OCTETS)


def overwrite(path, position, octets):
    """Damage a file."""
    with path.open("r+b") as file:
        file.seek(position)
        file.write(octets)


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
