"""The store fails under the whole daemon: better no acknowledgement, and no start, than one that means nothing."""

from __future__ import annotations

import contextlib
import shutil
import signal
import sqlite3
import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from .independent_device import Ack, IndependentDevice, Report, Round
from .kill_loop import MODEL
from .processes import Daemon, wait_until

#: The one thing that cannot be made to happen for real: a sync that fails, once the file ``bad-disk`` is there.
_FAILING_SYNC = """
import os, sqlite3
from smok_twisted.storage.commit import Committer
real = Committer._transaction
def failing(self, writes):
    if os.path.exists("bad-disk"):
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
        raise error
    return real(self, writes)
Committer._transaction = failing
"""


class Store(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.daemon = Daemon(self.folder)
        self.addCleanup(lambda: self.daemon.process and self.daemon.end(signal.SIGKILL))

    def test_a_sync_that_fails(self) -> None:
        """F9: nothing more is acknowledged; the daemon says so in one line and ends with status 1."""
        self.daemon.preamble = _FAILING_SYNC
        self.daemon.start()
        self.daemon.api("POST", "/models", MODEL)
        made = self.daemon.api("POST", "/devices", {"name": "counter", "model": "counter"})
        secret = bytes.fromhex(made["secret"])
        device = IndependentDevice("127.0.0.1", self.daemon.smok4, int(made["id"], 16), secret, timeout=20)
        device.connect()
        device.send_planok(0)
        device.handle(device.receive(), {})
        device.send_data(1, [Round(0, (Report(0, (0, 1)),))])
        self.assertEqual(device.receive(), Ack(1))
        (self.folder / "bad-disk").touch()
        device.send_data(2, [Round(0, (Report(0, (0, 2)),))])
        process = self.daemon.process
        assert process is not None
        wait_until(lambda: process.exit_status is not None, "the end of the daemon")
        self.assertEqual(process.exit_status, 1)
        with contextlib.suppress(ConnectionError):
            while True:
                self.assertNotIsInstance(device.receive(), Ack)
        self.assertEqual(process.output().count("smok stops: the store has failed and nothing more is acknowledged"), 1)
        (self.folder / "bad-disk").unlink()
        self.daemon.start()  # whoever restarts it finds everything that was acknowledged
        self.assertEqual(device.connect().cursor, 1)
        device.close()

    def test_an_old_version_over_new_data(self) -> None:
        """F28: one clear line, and the data stay as they are."""
        self.daemon.start()
        self.daemon.end()
        path = self.daemon.data_dir / "smok.db"
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA user_version = 99")
        before = path.read_bytes()
        self.assertIn("written by a newer version (schema 99", self.daemon.refusal())
        self.assertEqual(path.read_bytes(), before)
