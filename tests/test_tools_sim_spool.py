"""Promise: a simulated device keeps what it has read, on disk or only in memory, and needs no thread for it."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.agent.settings import Address, AgentSettings
from smok_twisted.errors import StorageError
from smok_twisted.readings import Block, BlockReport, Table
from smok_twisted.tools.sim_spool import open_spool


class Spools(SynchronousTestCase):
    """What a simulated device keeps."""

    def setUp(self):
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)

    def settings(self):
        return AgentSettings(Address("127.0.0.1", 1), 1, bytes(20), "", self.folder / "1")

    BLOCKS = (Block(1, Table.HOLDING, 10, 1, 10, 0, 0),)

    def test_readings_outlive_the_process(self):
        """What was read while there was no server is sent when there is one again."""
        spool = open_spool(self.settings())
        self.successResultOf(spool.keep_plan(1, self.BLOCKS))
        spool.add(1_000_000, (BlockReport(0, (7,)),), True)
        self.assertEqual(spool.ready, 1)
        self.successResultOf(spool.close())
        again = open_spool(self.settings())
        (batch,) = again.batches(0, 10)
        self.assertEqual(batch.rounds, ((1_000_000, (BlockReport(0, (7,)),)),))
        self.assertEqual(again.blocks, self.BLOCKS)
        self.successResultOf(again.close())

    def test_a_spool_in_use(self):
        """Two sims on one folder: the second one is told, and the first goes on."""
        spool = open_spool(self.settings())
        error = self.assertRaises(StorageError, open_spool, self.settings())
        self.assertIn("in use by process", str(error))
        self.successResultOf(spool.next_nonce())
        self.successResultOf(spool.close())

    def test_a_write_that_fails_is_told(self):
        """And the next one is not harmed."""
        spool = open_spool(self.settings())
        self.successResultOf(spool.keep_plan(1, self.BLOCKS))
        self.failureResultOf(spool._writer.submit(lambda cursor: 1 / 0), ZeroDivisionError)
        self.failureResultOf(spool._writer.submit(lambda cursor: cursor.execute("nonsense")))
        self.successResultOf(spool.next_nonce())
        self.successResultOf(spool.close())

    def test_in_memory_only(self):
        """What is not sent is offered for as long as the process lives; nothing is written, nothing is locked."""
        spool, other = open_spool(self.settings(), volatile=True), open_spool(self.settings(), volatile=True)
        self.successResultOf(spool.keep_plan(1, self.BLOCKS))
        spool.add(1_000_000, (BlockReport(0, (7,)),), True)
        (batch,) = spool.batches(0, 10)
        self.assertEqual(batch.rounds, ((1_000_000, (BlockReport(0, (7,)),)),))
        self.assertTrue(spool.settle(batch.number))
        self.assertEqual(list(spool.batches(0, 10)), [])
        self.assertEqual(list(other.batches(0, 10)), [])
        self.assertEqual(list(self.folder.iterdir()), [])
        for one in (spool, other):
            self.successResultOf(one.close())
