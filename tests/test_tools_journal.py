"""Promise: what waits on this machine for the database can be looked at and verified, also beside a daemon."""

from __future__ import annotations

import json
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.readings import BlockReport
from smok_twisted.storage.journal.batches import encode
from smok_twisted.storage.journal.segment import Entry
from smok_twisted.tools import journal as tool

from .journal_rig import opened, overwrite
from .store_samples import batch_of, report
from .tools_rig import run_here, sentence

HOUR_US = 3_600_000_000


def batch(number):
    return batch_of(report(number, words=(number, 7)))


class JournalCase(SynchronousTestCase):
    """``self.folder`` is a data folder with nothing in it."""

    def setUp(self):
        self.folder = Path(self.mktemp()).absolute()

    def smok(self, *words):
        return run_here("journal", *words, "--data-dir", str(self.folder))

    def accepted(self, *words):
        ran = self.smok(*words)
        self.assertEqual((ran.code, ran.err), (0, ""))
        return ran.out

    def fill(self, count=25, payload=lambda number: encode(1, batch(number))):
        """So many batches in segments of some ten; they stay open, as those of a running daemon."""
        self.files = opened(self.folder / "journal", segment_octets=1000)
        self.addCleanup(self.files.close)
        for number in range(1, count + 1):
            self.files.append([payload(number)], number * HOUR_US)

    def damage(self, segment):
        overwrite(self.files.segments[segment].path, 60, b"\xff\xff")


class Show(JournalCase):
    """smok journal show"""

    def test_files(self):
        """Entries, octets and ages of each."""
        self.fill()
        rows = json.loads(self.accepted("show", "--json"))["segments"]
        self.assertEqual(sum(row["entries"] for row in rows), 25)
        self.assertEqual([row["first"] for row in rows], [segment.first for segment in self.files.segments])
        self.assertEqual({row["octets"] for row in rows}, {1000})
        ages = [row["age"] for row in rows]
        self.assertEqual(ages, sorted(ages, reverse=True))
        self.assertIn(f"{self.files.segments[1].path.name}  ", self.accepted("show"))

    def test_what_was_put_aside(self):
        """With the reason; a file's text moves no cursor."""
        self.fill(2)
        self.files.put_aside(Entry(2, 0, b"poison"), "it is \x1b[31m too old")
        self.assertIn("00000000000000000002.entry  it is  [31m too old\n", self.accepted("show"))
        aside = json.loads(self.accepted("show", "--json"))["quarantine"]
        self.assertEqual([one["file"] for one in aside], ["00000000000000000002.entry"])

    def test_entries(self):
        """Decoded, from one on, at most so many."""
        self.fill()
        rows = json.loads(self.accepted("show", "--entries", "--from", "9", "--limit", "7", "--json"))["entries"]
        self.assertEqual([(row["lsn"], row["batch"]) for row in rows], [(number, number) for number in range(9, 16)])
        self.assertEqual(rows[0]["reports"][0]["blocks"], [{"block": 0, "words": [9, 7]}])
        self.assertEqual((rows[0]["written"], rows[0]["device"]), ("1970-01-01T09:00:00.000Z", "0xfedcba9876543210"))
        self.assertIn("  1970-01-01T00:25:00.000Z 0:25,7\n", self.accepted("show", "--entries"))

    def test_faults(self):
        """A block that could not be read says so."""
        bad = report(1)._replace(blocks=(BlockReport(3, (), 2),))
        self.fill(1, lambda _: encode(1, batch_of(bad)))
        self.assertIn("3:fault-2", self.accepted("show", "--entries"))
        rows = json.loads(self.accepted("show", "--entries", "--json"))["entries"]
        self.assertEqual(rows[0]["reports"][0]["blocks"], [{"block": 3, "fault": 2}])

    def test_nothing_there(self):
        """One sentence says what makes it."""
        ran = self.smok("show")
        self.assertEqual((ran.code, ran.out), (2, ""))
        self.assertIn("journal does not exist: a daemon with", sentence(self, ran.err))


class Installed(JournalCase):
    def test_without_checksums(self):
        """A plain installation has no journal to look at; each verb says what is missing, in one sentence."""
        for verb in ("show", "verify", "retry"):
            self.assertIn("journal does not exist", sentence(self, self.smok(verb).err))
        self.fill(1)
        self.patch(tool, "find_spec", lambda name: None)
        for verb in ("show", "verify", "retry"):
            ran = self.smok(verb)
            self.assertEqual((ran.code, ran.out), (2, ""))
            self.assertIn("pip install 'smok-twisted[cassandra]'", sentence(self, ran.err))


class Verify(JournalCase):
    """smok journal verify"""

    def refused(self):
        ran = self.smok("verify")
        self.assertEqual((ran.code, ran.err), (1, ""))
        return ran.out.splitlines()

    def test_good(self):
        """Also while it is in use, with an end that is just being written, and empty."""
        self.fill()
        self.assertEqual(
            self.accepted("verify"),
            f"{self.folder / 'journal'} is good: 25 entries in {len(self.files.segments)} files\n",
        )
        newest = self.files.segments[-1]
        overwrite(newest.path, newest.octets - 30, b"torn")
        self.assertIn("is good: 25 entries", self.accepted("verify"))

    def test_damage(self):
        """A line for each; nothing is changed."""
        self.fill(45)
        self.damage(0)
        self.damage(2)
        before = [segment.path.read_bytes() for segment in self.files.segments]
        lines = self.refused()
        self.assertEqual(len(lines), 2)
        self.assertIn(f"{self.files.segments[0].path} is damaged at octet 22 (", lines[0])
        self.assertIn("entry 1 cannot be read", lines[0])
        self.assertEqual([segment.path.read_bytes() for segment in self.files.segments], before)

    def test_what_is_no_batch(self):
        """An entry that is whole and makes no sense."""
        self.fill(3, lambda number: b"\x07" * 40)
        lines = self.refused()
        self.assertEqual([line.split(":")[0] for line in lines], ["entry 1", "entry 2", "entry 3"])


class Retry(JournalCase):
    """smok journal retry"""

    def put_aside(self, *numbers):
        for number in numbers:
            self.files.put_aside(Entry(number, number * HOUR_US, encode(1, batch(number))), "no such table")
        return sorted((self.folder / "journal" / "quarantine").glob("*.entry"))

    def test_back_into_the_journal(self):
        """Behind all that is there; nothing is aside any more."""
        self.fill(3)
        self.put_aside(2, 1)
        self.files.close()
        self.assertIn("again: 2;", self.accepted("retry"))
        shown = json.loads(self.accepted("show", "--entries", "--json"))["entries"]
        self.assertEqual([(row["lsn"], row["batch"]) for row in shown], [(1, 1), (2, 2), (3, 3), (4, 1), (5, 2)])
        self.assertIn("again: 0;", self.accepted("retry"))

    def test_one_that_is_damaged(self):
        """It stays and is named, the others go back."""
        self.fill(3)
        first, _ = self.put_aside(1, 2)
        overwrite(first, first.stat().st_size - 3, b"\xff\xff")
        self.files.close()
        ran = self.smok("retry")
        self.assertEqual((ran.code, ran.err), (1, ""))
        self.assertIn(f"{first} is damaged", ran.out)
        self.assertIn("again: 1;", ran.out)
        self.assertEqual(list(first.parent.iterdir()), [first])

    def test_while_a_daemon_has_it(self):
        """Nobody writes behind its back."""
        self.fill(1)
        self.put_aside(1)
        ran = self.smok("retry")
        self.assertEqual(ran.out, "")
        self.assertIn("in use by process", sentence(self, ran.err))
