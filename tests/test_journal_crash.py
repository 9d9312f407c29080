"""The journal in a process of its own: killed while it writes, and on a disk that is full.

The ledger of what was acknowledged is kept here, outside that process. This module is also the process: as
``python -m tests.test_journal_crash MODE FOLDER`` it appends until it is killed, or until it has been through a full
disk; each line that it prints is the lsn of an acknowledged entry, or a state of the journal.
"""

from __future__ import annotations

import contextlib
import random
import subprocess
import sys
from itertools import islice
from pathlib import Path

from twisted.internet import reactor, task
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SkipTest, TestCase

from smok_twisted.storage.journal.journal import Journal
from smok_twisted.storage.writer import Signals

PROJECT = Path(__file__).resolve().parent.parent
CYCLES = 5
IN_FLIGHT = 100
SEGMENT_OCTETS = 256 << 10
#: Entries before the disk is full, and after there is room again.
BEFORE, AFTERWARDS = 200, 500


def payload(number):
    """Of the entry that was handed over as the one of this number, which is its lsn."""
    return random.Random(number).randbytes(100 + number % 300)


# -- the process


class Appender:
    """Hands over some entries at a time, always in order."""

    def __init__(self, mode, folder):
        self.must_fill = mode == "full"
        self.ballast = folder / "ballast"
        signals = Signals(health=self.health_changed)
        self.journal = Journal(
            folder / "journal",
            reactor,
            window_seconds=0.002,
            segment_octets=SEGMENT_OCTETS,
            max_octets=1 << 40,
            signals=signals,
        )
        self.last = None
        self.ended = Deferred()

    async def run(self):
        state = await self.journal.open()
        self.next = state.next_lsn
        for _ in range(IN_FLIGHT):
            self.hand_over()
        await self.ended
        await self.journal.close()

    def fill_disk(self):
        with self.ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))

    def health_changed(self, health):
        print(health.state, flush=True)
        if health.state == "disk-full":
            reactor.callLater(0.3, self.ballast.unlink)
        if health.state == "ok":
            self.last = self.next + AFTERWARDS

    def hand_over(self):
        self.journal.append(payload(self.next)).addCallbacks(self.acknowledged, lambda _: None)
        self.next += 1

    def acknowledged(self, lsn):
        print(lsn, flush=True)
        if self.must_fill and lsn == BEFORE:
            self.fill_disk()
        if self.last is None or self.next <= self.last:
            self.hand_over()
        elif lsn == self.last:
            self.ended.callback(None)


# -- the tests


class Processes(TestCase):
    """Starts the process, keeps the ledger, looks into the folder afterwards."""

    timeout = 300

    def setUp(self):
        self.folder = Path(self.mktemp()).resolve()
        self.folder.mkdir(parents=True)
        self.said = []  # by all processes of this test

    def start(self, mode, folder, before=()):
        program = [*before, sys.executable, "-m", "tests.test_journal_crash", mode, str(folder)]
        process = subprocess.Popen(program, cwd=PROJECT, stdout=subprocess.PIPE, text=True)
        for cleanup in (process.stdout.close, process.wait, process.kill):
            self.addCleanup(cleanup)
        return process

    def listen(self, process, lines=None):
        """Note so many lines that the process says, or all until it ends; the last may be torn."""
        self.said += [line.strip() for line in islice(process.stdout, lines) if line.endswith("\n")]

    def ledger(self):
        return [int(word) for word in self.said if word.isdigit()]

    async def assert_nothing_is_lost(self):
        """Every acknowledged entry is there with its octets; nothing is there that was never handed over."""
        journal = Journal(self.folder / "journal", reactor)
        state = await journal.open()
        self.addCleanup(journal.close)
        self.assertTrue(state.next_lsn > max(self.ledger()))
        lsn = 1
        while entries := await journal.read(lsn, 1000):
            for entry in entries:
                self.assertEqual((entry.lsn, entry.payload), (lsn, payload(lsn)))
                lsn += 1
        self.assertEqual(lsn, state.next_lsn)
        await journal.close()


class Killed(Processes):
    """kill -9, again and again."""

    async def test_each_entry_is_there(self):
        """All that was acknowledged, by any of the processes."""
        moments = random.Random(4)
        for _ in range(CYCLES):
            process = self.start("good", self.folder)
            self.listen(process, moments.randrange(1, 3000))
            process.kill()
            self.listen(process)
            self.assertEqual(process.wait(), -9)
            await self.assert_nothing_is_lost()
        self.assertTrue(max(self.ledger()) > 1000)


class FullDisk(Processes):
    """A real file system of 2 MB, in a name space of its own."""

    own_space = ("unshare", "--map-root-user", "--mount")
    script = 'mount -t tmpfs -o size=2m none "$0" && "$@" && cp -r "$0/journal" "$0/.."'

    def setUp(self):
        super().setUp()
        if subprocess.run([*self.own_space, "true"], check=False, capture_output=True).returncode:
            raise SkipTest("this system lets nobody mount a file system of his own")

    async def test_nothing_is_acknowledged_until_there_is_room(self):
        """The journal waits as long as the disk is full; then it goes on as if nothing had been."""
        small = self.folder / "small"
        small.mkdir()
        process = self.start("full", small, [*self.own_space, "sh", "-c", self.script, str(small)])
        self.listen(process)
        self.assertEqual(process.wait(), 0)
        states = [word for word in self.said if not word.isdigit()]
        self.assertEqual(states, ["disk-full", "ok", "closed"])
        self.assertEqual(self.said.index("ok"), self.said.index("disk-full") + 1)
        self.assertTrue(self.said.index("disk-full") >= BEFORE)
        self.assertEqual(self.ledger(), list(range(1, max(self.ledger()) + 1)))
        self.assertTrue(len(self.ledger()) > BEFORE + AFTERWARDS)
        await self.assert_nothing_is_lost()


def main(_, mode, folder):
    return Deferred.fromCoroutine(Appender(mode, Path(folder)).run())


if __name__ == "__main__":
    task.react(main, sys.argv[1:])
