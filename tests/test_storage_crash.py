"""The store in a process of its own: killed while it writes, on a disk that is full, on a disk that fails.

The ledger of what was acknowledged is kept here, outside that process. This module is also the process: as
``python -m tests.test_storage_crash MODE FILE FIRST LAST`` it appends those batches on a disk as MODE says.
"""

from __future__ import annotations

import contextlib
import random
import resource
import subprocess
import sys
from itertools import islice
from pathlib import Path

from twisted.internet import reactor, task
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SkipTest, TestCase

from smok_twisted.storage.sqlite import SqliteStore
from smok_twisted.storage.writer import Signals

from .store_samples import ALL_TIME, DEVICE, MINUTE_US, batch_of, device, report

PROJECT = Path(__file__).resolve().parent.parent
CYCLES = 5
IN_FLIGHT = 300


def batch(number, delay_us=0):
    """Two rounds whose words tell their batch; sent again, their times are a little different."""
    words = tuple((number * 31 + n) % 65536 for n in range(20))
    return batch_of(*(report(number, n, number * MINUTE_US + delay_us, words) for n in (0, 1)))


# -- the process: each line that it prints is the number of an acknowledged batch, or the state of the store


def good(_):
    """Nothing is wrong with this disk; we are."""


def full(ballast):
    """Leave no room on the disk."""
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))


def failing(_):
    """No file may grow beyond 300 KB: the system refuses the write, as a failing disk does."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))


class Appender:
    """Hands over some batches at a time, always in order."""

    def __init__(self, path, first, last):
        self.ballast = path.with_name("ballast")
        self.store = SqliteStore(path, reactor, Signals(health=self.health_changed), window_seconds=0.002)
        self.numbers = iter(range(first, last + 1))
        self.delay_us = first
        self.last = last
        self.ended = Deferred()

    async def run(self, spoil_disk):
        await self.store.open()
        await self.store.save_device(device())
        spoil_disk(self.ballast)
        for _ in range(IN_FLIGHT):
            self.hand_over()
        await self.ended
        await self.store.close()

    def health_changed(self, health):
        print(health.state, flush=True)
        if health.state == "disk-full":
            reactor.callLater(0.3, self.ballast.unlink)
        if health.state == "failed":
            self.ended.callback(None)

    def hand_over(self):
        for number in islice(self.numbers, 1):
            self.store.append(batch(number, self.delay_us)).addCallbacks(self.acknowledged, lambda _: None, [number])

    def acknowledged(self, _, number):
        print(number, flush=True)
        self.hand_over()
        if number == self.last:
            self.ended.callback(None)


# -- the tests


class Processes(TestCase):
    """Starts the process, keeps the ledger, looks into the file afterwards."""

    def setUp(self):
        self.folder = Path(self.mktemp()).resolve()
        self.folder.mkdir(parents=True)
        self.path = self.folder / "x.sqlite"
        self.said = []  # by all processes of this test

    def start(self, mode, path, first, last, before=()):
        program = [sys.executable, "-m", "tests.test_storage_crash", mode.__name__, path, first, last]
        process = subprocess.Popen([*before, *map(str, program)], cwd=PROJECT, stdout=subprocess.PIPE, text=True)
        for cleanup in (process.stdout.close, process.wait, process.kill):
            self.addCleanup(cleanup)
        return process

    def listen(self, process, lines=None):
        """Note so many lines that the process says, or all until it ends."""
        self.said += [line.strip() for line in islice(process.stdout, lines)]

    def ledger(self):
        return [int(word) for word in self.said if word.isdigit()]

    async def assert_nothing_is_lost(self):
        """Every acknowledged batch is stored with its words, nothing is there twice, and the cursor knows."""
        store = SqliteStore(self.path, reactor)
        snapshot = await store.open()
        self.addCleanup(store.close)
        newest = snapshot.cursors[DEVICE].batch
        self.assertTrue(newest >= max(self.ledger()))
        expected = [each for number in range(1, newest + 1) for each in batch(number).reports]
        found = await store.reports(DEVICE, *ALL_TIME, limit=1 << 30)
        self.assertEqual([each._replace(time_us=each.batch * MINUTE_US) for each in found], expected)
        self.assertEqual(snapshot.latest[DEVICE][3, 0].report, expected[-1].blocks[0])
        await store.close()


class Killed(Processes):
    """kill -9, again and again."""

    async def test_each_reading_is_there_once(self):
        """A device that sends again all that was not acknowledged loses nothing and doubles nothing."""
        moments = random.Random(4)
        for _ in range(CYCLES):
            first = max(self.ledger(), default=0) + 1
            process = self.start(good, self.path, first, last=65535)
            self.listen(process, moments.randrange(1, 1500))
            process.kill()
            self.listen(process)
            self.assertEqual(process.wait(), -9)
            await self.assert_nothing_is_lost()
        self.assertEqual(sorted(set(self.ledger())), list(range(1, max(self.ledger()) + 1)))


class FullDisk(Processes):
    """A real file system of 2 MB, in a name space of its own."""

    own_space = ("unshare", "--map-root-user", "--mount")
    script = 'mount -t tmpfs -o size=2m none "$0" && "$@" && cp "$0/x.sqlite" "$0/.."'

    def setUp(self):
        super().setUp()
        if subprocess.run([*self.own_space, "true"], check=False, capture_output=True).returncode:
            raise SkipTest("this system lets nobody mount a file system of his own")

    async def test_nothing_is_acknowledged_until_there_is_room(self):
        """The store waits as long as the disk is full; then it goes on as if nothing had been."""
        small = self.folder / "small"
        small.mkdir()
        before = [*self.own_space, "sh", "-c", self.script, small]
        process = self.start(full, small / "x.sqlite", 1, last=1000, before=before)
        self.listen(process)
        self.assertEqual(process.wait(), 0)
        states = [(place, word) for place, word in enumerate(self.said) if not word.isdigit()]
        (full_at, _), (ok_at, _), _ = states
        self.assertEqual([word for _, word in states], ["disk-full", "ok", "closed"])
        self.assertEqual(ok_at, full_at + 1)
        self.assertEqual(self.ledger(), list(range(1, 1001)))
        await self.assert_nothing_is_lost()


class FailingDisk(Processes):
    """A system that refuses to write."""

    async def test_it_is_over_and_nothing_is_lost(self):
        """What was acknowledged is there; the store says that it failed, and acknowledges nothing more."""
        process = self.start(failing, self.path, 1, last=60000)
        self.listen(process)
        self.assertEqual(process.wait(), 0)
        self.assertEqual(self.said[-1], "failed")
        self.assertTrue(self.ledger())
        await self.assert_nothing_is_lost()


def main(_, mode, path, first, last):
    return Deferred.fromCoroutine(Appender(Path(path), int(first), int(last)).run(globals()[mode]))


if __name__ == "__main__":
    task.react(main, sys.argv[1:])
