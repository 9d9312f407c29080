"""What was taken is there again, after a restart, after kill -9, after an outage that was too long."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import fail, inlineCallbacks
from twisted.logger import Logger
from twisted.trial.unittest import SynchronousTestCase, TestCase

from smok_twisted.agent import spool as spool_module
from smok_twisted.agent.spool import Spool
from smok_twisted.agent.spool_file import FILE_NAME
from smok_twisted.errors import StorageError
from smok_twisted.links.smok4.upload import KeptBatch
from smok_twisted.readings import Block, BlockReport, Fault, Table

from .agent_in_memory import AtOnce, open_spool
from .server_in_memory import SECRET

BLOCKS = (Block(1, Table.HOLDING, 0, 2, 60, 0, 0), Block(1, Table.COIL, 0, 3, 60, 0, 255))
PROJECT = Path(__file__).resolve().parent.parent


def reading(word: int) -> tuple[BlockReport, ...]:
    return (BlockReport(0, (word, 65_535)), BlockReport(1, (), Fault.CRC))


class Keeping(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.spool, self.writer = self.open()
        self.successResultOf(self.spool.keep_plan(5, BLOCKS))

    def tearDown(self) -> None:
        self.successResultOf(self.spool.close())

    def open(self, **more: Any) -> tuple[Spool, AtOnce]:
        return open_spool(self.folder, **more)

    def reopen(self, **more: Any) -> None:
        self.successResultOf(self.spool.close())
        self.spool, self.writer = self.open(**more)

    def kept(self) -> list[KeptBatch]:
        return self.spool.batches(0, 1 << 40)

    def words(self) -> list[int]:
        return [reports[0].words[0] for batch in self.kept() for _, reports in batch.rounds]

    def add(self, *words: int, send_now: bool = True) -> None:
        for word in words:
            self.spool.add(1_000_000 * word, reading(word), send_now)

    # -- readings

    def test_everything_is_there_again_after_a_restart(self) -> None:
        """Readings with their times, plan and numbers; the boot; the plan that is held."""
        self.add(1, 2)
        before, boot = self.kept(), self.spool.numbering.boot
        self.assertEqual(before[1], KeptBatch(2, 2, 5, BLOCKS, ((2_000_000, reading(2)),)))
        self.reopen()
        self.assertEqual((self.kept(), self.spool.numbering.boot), (before, boot))
        self.assertEqual((self.spool.plan, self.spool.blocks), (5, BLOCKS))
        self.add(3)
        self.assertEqual([batch.number for batch in self.kept()], [1, 2, 3])

    def test_nothing_is_sent_before_it_is_on_disk(self) -> None:
        """Not even when the server waits for it."""
        told = []
        self.spool.on_ready = lambda: told.append(self.spool.ready)
        self.writer.held = True
        self.add(1)
        self.assertEqual((self.kept(), told), ([], []))
        self.writer.release()
        self.assertEqual((self.words(), told), ([1], [1]))

    def test_what_may_wait_shares_a_batch(self) -> None:
        """It is on disk all the same, and goes out with the next that must go."""
        self.add(1, 2, send_now=False)
        self.assertEqual(self.kept(), [])
        self.add(3)
        self.assertEqual([len(batch.rounds) for batch in self.kept()], [3])

    def test_what_waited_is_sent_after_a_restart(self) -> None:
        """A restart does not make it wait longer."""
        self.add(1, 2, send_now=False)
        self.reopen()
        self.assertEqual(self.words(), [1, 2])

    def test_acknowledged_is_gone(self) -> None:
        """Also from the disk, with the next write; numbers go on."""
        self.add(1, 2, 3)
        self.assertTrue(self.spool.settle(2))
        self.assertEqual(self.words(), [3])
        self.reopen()
        self.assertEqual(self.words(), [3])
        self.assertTrue(self.spool.settle(3))
        self.reopen()
        self.add(4)
        self.assertEqual([batch.number for batch in self.kept()], [4])

    def test_a_new_plan_leaves_older_readings_as_they_are(self) -> None:
        """Each batch knows the plan it was read by, over a restart too."""
        self.add(1, send_now=False)
        self.successResultOf(self.spool.keep_plan(6, BLOCKS[:1]))
        self.spool.add(0, (BlockReport(0, (9, 9)),), True)
        for _ in range(2):
            self.assertEqual([(batch.plan, batch.blocks) for batch in self.kept()], [(5, BLOCKS), (6, BLOCKS[:1])])
            self.reopen()

    def test_the_oldest_are_dropped_when_it_is_full(self) -> None:
        """At most so many unacknowledged; the jump in the numbers tells the server."""
        self.reopen(most_batches=10)
        self.add(*range(1, 26))
        self.assertEqual([batch.number for batch in self.kept()], list(range(16, 26)))
        self.reopen(most_batches=10)
        self.assertEqual(self.words(), list(range(16, 26)))
        self.assertEqual((self.spool.gone, self.spool.numbering.acknowledged), (15, 0))

    def test_dropping_is_told_once_an_outage(self) -> None:
        """One line, not one for each reading; and one more in the next outage."""
        events: list[Any] = []
        self.patch(Spool, "_log", Logger(observer=events.append))
        self.reopen(most_batches=10)
        self.add(*range(1, 26))
        self.assertEqual(len(events), 1)
        self.spool.settle(25)
        self.add(*range(26, 46))
        self.assertEqual(len(events), 2)

    def test_one_commit_a_reading(self) -> None:
        """A memory card is not worn out by acknowledgements: they ride along with the next reading."""
        self.add(1)
        before = self.writer.commits
        for number in range(2, 12):
            self.add(number)
            self.spool.settle(number)
        self.assertEqual(self.writer.commits - before, 10)

    def test_readings_that_cannot_be_read_back(self) -> None:
        """Said to whoever runs the agent, in one line; nothing wrong is sent."""
        broken: list[StorageError] = []
        self.spool.on_broken = broken.append
        self.add(1)
        with closing(sqlite3.connect(self.folder / FILE_NAME)) as other, other:
            other.execute("UPDATE round SET reports = x'00'")
        self.assertEqual(self.kept(), [])
        self.assertIn("damaged", str(broken[0]))

    def test_readings_that_cannot_be_written(self) -> None:
        """Said, and the next ones are tried all the same."""
        events: list[Any] = []
        self.patch(Spool, "_log", Logger(observer=events.append))
        self.patch(self.writer, "submit", lambda write: fail(StorageError("16000 writes wait already")))
        self.add(1)
        self.assertEqual([event["reason"] for event in events], ["16000 writes wait already"])

    # -- nonces, secrets, addresses

    def test_nonces_only_grow(self) -> None:
        """Also when the clock goes back, over a restart, and from commit to use."""
        now = [1000]
        self.reopen(wall_clock=lambda: now[0])
        nonces = [self.successResultOf(self.spool.next_nonce()) for _ in range(2)]
        now[0] = 5
        self.reopen(wall_clock=lambda: now[0])
        nonces.append(self.successResultOf(self.spool.next_nonce()))
        now[0] = 2000
        nonces.append(self.successResultOf(self.spool.next_nonce()))
        self.assertEqual(nonces, [1000, 1001, 1002, 2000])

    def test_a_nonce_is_on_disk_before_it_is_used(self) -> None:
        """kill -9 between the two must not let it be used twice."""
        self.writer.held = True
        nonce = self.spool.next_nonce()
        self.assertNoResult(nonce)
        self.writer.release()
        self.successResultOf(nonce)

    def test_a_new_secret_goes_to_the_spare_slot(self) -> None:
        """The one in use stays, whatever happens; the newest comes first after a restart."""
        used = self.spool.secrets[0]
        self.successResultOf(self.spool.keep_secret(1, b"n" * 32, used.slot))
        self.successResultOf(self.spool.keep_secret(2, b"m" * 20, used.slot))
        for _ in range(2):
            self.assertEqual([(one.kid, one.secret) for one in self.spool.secrets], [(2, b"m" * 20), (0, SECRET)])
            self.reopen()

    def test_a_new_secret_file_replaces_everything(self) -> None:
        """The user gives another secret: those of before are not tried any more. The same one changes nothing."""
        self.successResultOf(self.spool.keep_secret(1, b"n" * 20, self.spool.secrets[0].slot))
        self.reopen()
        self.assertEqual(len(self.spool.secrets), 2)
        self.reopen(secret=b"u" * 20)
        self.assertEqual([one.secret for one in self.spool.secrets], [b"u" * 20])

    def test_addresses_are_kept(self) -> None:
        """SERVERS holds over a reboot."""
        self.successResultOf(self.spool.keep_servers(("a.example:1", "b.example:2")))
        self.reopen()
        self.assertEqual(self.spool.servers, ("a.example:1", "b.example:2"))

    def test_secrets_are_for_their_owner_only(self) -> None:
        """The file and its folder."""
        self.assertEqual(self.folder.stat().st_mode & 0o077, 0)
        self.assertEqual((self.folder / FILE_NAME).stat().st_mode & 0o077, 0)

    # -- numbers

    def test_a_long_outage_begins_a_new_epoch_before_the_login(self) -> None:
        """Else the server would take all that is left for repeats."""
        boot = self.spool.numbering.boot
        self.add(1)
        self.spool.numbering.drop(40_000)
        self.successResultOf(self.spool.next_nonce())
        self.reopen()
        self.assertNotEqual(self.spool.numbering.boot, boot)
        self.assertFalse(self.spool.is_ambiguous)


class Refusals(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = Path(self.mktemp())

    def refusal(self) -> str:
        error = self.assertRaises(StorageError, spool_module.open_spool, self.folder, None, 0, SECRET, print)
        self.assertEqual(len(str(error).splitlines()), 1)
        return str(error)

    def test_a_damaged_file(self) -> None:
        """Refused, named, left as it is; and not locked afterwards."""
        self.folder.mkdir()
        (self.folder / FILE_NAME).write_bytes(b"not a database, but long enough to look like one" * 200)
        before = (self.folder / FILE_NAME).read_bytes()
        for _ in range(2):
            self.assertIn("damaged", self.refusal())
        self.assertEqual((self.folder / FILE_NAME).read_bytes(), before)

    def test_a_page_that_was_overwritten(self) -> None:
        """Damage inside the file is found when it opens, not in the night."""
        spool, _ = open_spool(self.folder)
        self.successResultOf(spool.keep_plan(5, BLOCKS))
        for number in range(3000):
            spool.add(number, reading(number), True)
        self.successResultOf(spool.close())
        with (self.folder / FILE_NAME).open("r+b") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(size - 3 * 4096)
            file.write(b"\xa5" * 4096)
        self.assertIn("damaged", self.refusal())

    def test_two_agents_on_one_spool(self) -> None:
        """The second is told who has it."""
        spool, _ = open_spool(self.folder)
        self.assertIn(f"in use by process {os.getpid()}", self.refusal())
        self.successResultOf(spool.close())

    def test_a_file_of_another_program(self) -> None:
        """Not touched."""
        self.folder.mkdir()
        with sqlite3.connect(self.folder / FILE_NAME) as other:
            other.execute("CREATE TABLE songs (title TEXT)")
        self.assertIn("belongs to another program", self.refusal())

    def test_a_folder_that_cannot_be_made(self) -> None:
        """A file is in the way."""
        self.folder.write_text("")
        self.assertIn("cannot make the folder", self.refusal())


#: Adds readings as fast as it can and prints each one's number when it is durable.
CHILD = """
import sys
from pathlib import Path
from twisted.internet import reactor
from smok_twisted.agent.spool import open_spool
from smok_twisted.readings import Block, BlockReport, Table

spool = open_spool(Path(sys.argv[1]), reactor, 0, bytes(20), print)
spool.on_ready = lambda: print(spool.ready, spool.numbering.boot, flush=True)
count = 0

def add():
    global count
    count += 1
    spool.add(count, (BlockReport(0, (count & 0xFFFF,)),), True)
    reactor.callLater(0.001, add)

spool.keep_plan(5, (Block(1, Table.HOLDING, 0, 1, 60, 0, 0),)).addCallback(lambda _: add())
reactor.run()
"""


class Killed(TestCase):
    @inlineCallbacks
    def test_kill_9(self) -> Any:
        """What was said to be on disk is there, without gaps, under the same boot; three times in a row."""
        folder, newest = Path(self.mktemp()), 0
        for _ in range(3):
            last, boot = self.kill_one(folder)
            spool = spool_module.open_spool(folder, reactor, 0, bytes(20), lambda health: None)
            serials = [batch.serial for batch in spool.batches(0, 1 << 40)]
            self.assertEqual(serials, list(range(1, serials[-1] + 1)))
            self.assertGreaterEqual(serials[-1], last)
            self.assertGreater(last, newest)
            self.assertEqual(spool.numbering.boot, boot)
            newest = serials[-1]
            yield spool.close()

    def kill_one(self, folder: Path) -> tuple[int, int]:
        command = [sys.executable, "-c", CHILD, str(folder)]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(PROJECT)}
        ) as child:
            assert child.stdout is not None
            lines = [child.stdout.readline() for _ in range(3)]
            child.send_signal(signal.SIGKILL)
            lines += child.stdout.readlines()
        last, boot = [line for line in lines if line.endswith("\n")][-1].split()
        return int(last), int(boot)
