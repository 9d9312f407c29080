"""Promise: whenever power goes, and whatever the disk made of it, all that was acknowledged is there, and nothing else.

Also when the process was killed or the disk refused something before. The mutants at the end show that the search
finds the faults that it is for.
"""

from __future__ import annotations

import contextlib
import errno
from pathlib import Path

from twisted.trial.unittest import FailTest, SynchronousTestCase

from smok_twisted.storage.journal import segment
from smok_twisted.storage.journal.segment import Entry

from . import power_cut
from .journal_rig import opened

SEGMENT_OCTETS = 2048
LENGTHS = (30, 700, 5, 300)


def payload(lsn, attempt=0):
    """Of different lengths, none like another."""
    return (lsn * 100 + attempt).to_bytes(2) * LENGTHS[lsn % len(LENGTHS)]


class Killed(BaseException):
    """The process, at a call of the system."""


class Story:
    """What somebody does with a journal, and what he may rely on."""

    def __init__(self, base, disk=power_cut.Disk):
        self.base = base
        base.mkdir(parents=True)
        self.disk = disk(base)
        self.acknowledged = []  # (calls by then, lsn)
        self.settled = [(0, 1)]  # (calls by then, lsn): all below may go
        self.written = {}  # lsn -> payloads
        self.attempt = 0
        self.files = None

    def open(self):
        self.files = opened(self.base / "journal", system=self.disk, segment_octets=SEGMENT_OCTETS)

    def append(self, count):
        lsns = range(self.files.next_lsn, self.files.next_lsn + count)
        payloads = [payload(lsn, self.attempt) for lsn in lsns]
        for lsn, octets in zip(lsns, payloads, strict=True):
            self.written.setdefault(lsn, set()).add(octets)
        self.files.append(payloads, 1000)
        self.acknowledged += [(len(self.disk.calls), lsn) for lsn in lsns]

    def settle(self, lsn):
        self.settled.append((len(self.disk.calls), lsn))
        while self.files.tidy(lsn):
            pass

    def tell(self):
        """All that a journal does, over several segments."""
        for step in (
            self.open,
            *(lambda count=count: self.append(count) for count in (1, 3, 2)),
            lambda: self.files.put_aside(Entry(2, 0, b"poison"), "why"),
            lambda: self.append(4),
            lambda: self.settle(4),
            lambda: self.append(2),
            lambda: self.settle(self.files.next_lsn),
            lambda: self.append(2),
        ):
            try:
                step()
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                self.attempt += 1
                step()

    def end(self):
        if self.files is not None:
            self.files.close()
            self.files = None


class PowerCut(SynchronousTestCase):
    """The search."""

    def setUp(self):
        self.folder = Path(self.mktemp()).resolve()
        self.folder.mkdir(parents=True)
        self.looked_at = 0

    def story(self, disk=power_cut.Disk):
        self.looked_at += 1
        story = Story(self.folder / f"story-{self.looked_at}", disk)
        self.addCleanup(story.end)
        return story

    def check_all(self, story, first_call=0, step=1):
        """Power goes after each call."""
        for count in range(first_call, len(story.disk.calls) + 1, step):
            for left in power_cut.survivors(story.disk.calls[:count], seed=count):
                power_cut.rebuild(left, self.folder / "left")
                self.check(story, count)

    def check(self, story, count):
        """What is left after so many calls keeps all promises."""
        self.looked_at += 1
        files = opened(self.folder / "left" / "journal", segment_octets=SEGMENT_OCTETS)
        try:
            entries = self.entries(files)
            lsns = [entry.lsn for entry in entries]
            for entry in entries:
                self.assertIn(entry.payload, story.written.get(entry.lsn, ()))
            self.assertEqual(lsns, list(range(files.first_lsn, files.next_lsn)))
            settled = max(lsn for calls, lsn in story.settled if calls <= count)
            promised = [lsn for calls, lsn in story.acknowledged if calls <= count]
            self.assertEqual([lsn for lsn in promised if lsn >= settled and lsn not in lsns], [])
            self.assertTrue(files.next_lsn > max(promised, default=0))
            files.append([b"one more"], 0)
            self.assertEqual(self.entries(files)[-1].payload, b"one more")
        finally:
            files.close()

    def entries(self, files):
        entries = []
        while (found := files.read(entries[-1].lsn + 1 if entries else 1, 100)).entries or found.damages:
            self.assertEqual(found.damages, [])
            entries += found.entries
        return entries


class Cut(PowerCut):
    """Power goes."""

    def test_at_any_moment(self):
        """After each call, with all that the disk may have made of what was not synced."""
        story = self.story()
        story.tell()
        self.check_all(story)
        self.assertTrue(len(story.disk.calls) > 40, len(story.disk.calls))
        self.assertTrue(self.looked_at > 150, self.looked_at)

    def test_during_recovery(self):
        """And again, while what it had left behind is being cut off."""
        story = self.story()
        story.tell()
        calls = story.disk.calls
        for count in range(0, len(calls) + 1, 7):
            for number, left in enumerate(power_cut.survivors(calls[:count], seed=count)):
                if number % 5 == 0:
                    self.recover_twice(story, count, left)

    def recover_twice(self, story, count, left):
        base = self.folder / "again"
        power_cut.rebuild(left, base)
        disk = power_cut.Disk(base)
        for path, octets in sorted(left.items()):  # as if it had been written and synced long ago
            if octets is None:
                disk._note("mkdir", base / path)
            else:
                disk._of_path[base / path] = file = len(disk.calls) + 1
                disk._note("create", base / path, file)
                disk._note("write", base / path, file, octets, 0)
                disk._note("sync", base / path, file)
            disk._note("sync_folder", (base / path).parent)
        begun = len(disk.calls)
        opened(base / "journal", system=disk, segment_octets=SEGMENT_OCTETS).close()
        for ended in range(begun, len(disk.calls) + 1):
            for again in power_cut.survivors(disk.calls[:ended]):
                power_cut.rebuild(again, self.folder / "left")
                self.check(story, count)

    def test_after_the_process_was_killed(self):
        """At any call; another process has gone on with what the first had not synced."""
        self.interrupted(Killed())

    def test_after_the_disk_failed(self):
        """At any call; a later process goes on."""
        self.interrupted(OSError(errno.EIO, "bad"))

    def interrupted(self, error, disk=power_cut.Disk):
        stop_at, ended = 0, False
        while not ended:
            story = self.story(disk)
            story.disk.stop_at, story.disk.error = stop_at, error
            try:
                story.tell()
                ended = True
            except (Killed, OSError):
                pass
            story.end()
            story.disk.stop_at = None
            first_call = len(story.disk.calls)
            story.attempt += 1
            story.open()
            story.append(2)
            story.end()
            self.check_all(story, first_call)
            stop_at += 1
        self.assertTrue(stop_at > 40)

    def test_with_a_full_disk_before(self):
        """At any call; what was refused is done again when there is room."""
        for stop_at in range(60):
            story = self.story()
            story.disk.stop_at, story.disk.error = stop_at, OSError(errno.ENOSPC, "full")
            with contextlib.suppress(OSError):  # of a sync
                story.tell()
            story.end()
            self.check_all(story, first_call=max(0, stop_at - 1), step=9)


class Mutants(PowerCut):
    """Broken journals, which the search finds out."""

    def assert_found_out(self, disk=power_cut.Disk):
        story = self.story(disk)
        story.tell()
        self.assertRaises(FailTest, self.check_all, story)

    def test_acknowledging_before_the_sync(self):
        """What was written is not there yet."""

        class Mutant(power_cut.Disk):
            def sync(self, descriptor):
                """Later."""

        self.assert_found_out(Mutant)

    def test_no_sync_of_the_folder(self):
        """The entries are there, but the file has no name."""

        class Mutant(power_cut.Disk):
            def sync_folder(self, folder):
                """Later."""

        self.assert_found_out(Mutant)

    def test_no_look_at_the_sum(self):
        """Half an entry is taken for one."""

        class NoSum:
            value = staticmethod(lambda octets: 1)
            extend = staticmethod(lambda crc, octets: 1)

        self.patch(segment, "google_crc32c", NoSum)
        self.assert_found_out()

    def test_no_sync_when_it_opens(self):
        """What a killed process had not synced is built upon."""

        class Mutant(power_cut.Disk):
            def sync_folder(self, folder):
                if folder.name != "journal" or self.calls[-1].what == "sync":
                    super().sync_folder(folder)

        self.assertRaises(FailTest, Cut.interrupted, self, Killed(), Mutant)
