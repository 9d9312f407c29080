"""Promise: a backup is all of the store at one moment, taken beside a running daemon; a restore brings it back.

Whatever goes wrong is told in one sentence, and leaves neither half a file nor a store that was touched.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.modbus.maps import parse_map
from smok_twisted.storage.database import Database, schema
from smok_twisted.storage.records import DeviceRecord, ModelRecord
from smok_twisted.storage.sqlite import APPLICATION_ID
from smok_twisted.storage.sqlite_history import append, encoded
from smok_twisted.storage.sqlite_log import append_audit
from smok_twisted.storage.sqlite_registry import save_device, save_model

from .kill_loop import MODEL, Client, stored_numbers
from .processes import Daemon, wait_until
from .store_samples import DEVICE, batch_of, report
from .tools_rig import run_here, sentence

KEYS = {"secrets.key": b"a key\n", "admin.token": b"a token\n"}


def dump(file: Path) -> list[str]:
    """Everything in a database, as SQL."""
    with closing(sqlite3.connect(file)) as connection:
        return list(connection.iterdump())


class BackupTestCase(SynchronousTestCase):
    """``folder`` is a data folder with a device, some reports and keys; ``file`` is where a backup goes."""

    def setUp(self):
        self.place = Path(self.mktemp()).resolve()
        self.folder, self.new = self.place / "data", self.place / "new"
        self.folder.mkdir(parents=True)
        self.store, self.file = self.folder / "smok.db", self.place / "backup.db"
        self.fill()

    def fill(self, reports=100):
        database = Database(self.store, schema("sqlite"), APPLICATION_ID)
        with closing(database.connect()) as connection:
            cursor = connection.cursor()
            save_model(cursor, ModelRecord("counter", parse_map(MODEL).version, MODEL, 0))
            save_device(cursor, DeviceRecord(DEVICE, "cellar", "boiler", 0))
            for number in range(1, 1 + reports):
                append(cursor, encoded(batch_of(report(number))))
                append_audit(cursor, number, "admin", "here", None, "test", {"number": number})
        database.close()
        for name, octets in KEYS.items():
            (self.folder / name).write_bytes(octets)

    def backup(self, *options: str):
        return run_here("backup", str(self.file), "--data-dir", str(self.folder), *options)

    def restore(self, *options: str):
        return run_here("restore", str(self.file), "--data-dir", str(self.new), *options)

    def accepted(self, ran) -> str:
        self.assertEqual((ran.code, ran.err), (0, ""))
        return ran.out

    def refused(self, ran) -> tuple[int, str]:
        self.assertEqual(ran.out, "")
        return ran.code, sentence(self, ran.err)

    def names(self, folder: Path) -> list[str]:
        return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")


class Backup(BackupTestCase):
    def test_one_file_that_holds_all_and_is_for_its_owner_only(self):
        out = self.accepted(self.backup())
        self.assertIn("read again and good: schema 3, 1 devices, 100 reports in the log, 0 packed", out)
        self.assertEqual(dump(self.file), dump(self.store))
        self.assertEqual(self.file.stat().st_mode & 0o777, 0o600)
        self.assertEqual(self.names(self.place), ["backup.db", "data"])

    def test_says_whether_it_holds_the_keys(self):
        """They are in it only when they were asked for."""
        self.assertIn("it does not hold the keys: keep a copy of secrets.key elsewhere", self.accepted(self.backup()))
        self.assertFalse(any(octets in self.file.read_bytes() for octets in KEYS.values()))
        out = self.accepted(self.backup("--with-keys", "--force"))
        self.assertIn("it holds secrets.key and admin.token: whoever reads", out)
        self.assertTrue(all(octets in self.file.read_bytes() for octets in KEYS.values()))

    def test_overwrites_nothing_unless_told_to(self):
        self.file.write_text("holiday pictures")
        text = f"{self.file} is there already: name another file, or give --force to replace it"
        self.assertEqual(self.refused(self.backup()), (2, text))
        self.assertEqual(self.file.read_text(), "holiday pictures")
        self.accepted(self.backup("--force"))
        self.assertEqual(dump(self.file), dump(self.store))

    def test_never_overwrites_the_store(self):
        self.file = self.store
        before = dump(self.store)
        text = f"{self.store} is the store itself: name another file"
        self.assertEqual(self.refused(self.backup("--force")), (2, text))
        self.assertEqual(dump(self.store), before)

    def test_never_replaces_what_is_no_regular_file(self):
        """By force or not: a FIFO stays one, and so would a device."""
        os.mkfifo(self.file)
        for options in ((), ("--force",)):
            text = f"{self.file} is no regular file: name a file"
            self.assertEqual(self.refused(self.backup(*options)), (2, text))
        self.assertTrue(self.file.is_fifo())
        self.assertEqual(self.names(self.place), ["backup.db", "data"])

    def test_a_link_stays_one(self):
        """What it leads to is replaced."""
        target = self.place / "elsewhere.db"
        target.write_text("old")
        self.file.symlink_to(target)
        self.accepted(self.backup("--force"))
        self.assertTrue(self.file.is_symlink())
        self.assertEqual(dump(target), dump(self.store))

    def test_what_was_written_only_to_the_log_is_in_it(self):
        """A running daemon has not moved it into the file yet, and goes on writing."""
        database = Database(self.store, schema("sqlite"), APPLICATION_ID)
        self.addCleanup(database.close)
        with closing(database.connect()) as connection:
            append(connection.cursor(), encoded(batch_of(report(101))))
            self.assertIn("101 reports", self.accepted(self.backup()))
            append(connection.cursor(), encoded(batch_of(report(102))))

    def test_a_store_that_is_damaged_gives_no_backup(self):
        with closing(sqlite3.connect(self.store)) as connection:
            (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'audit_of_device'").fetchone()
        octets = self.store.read_bytes()
        at = (page - 1) * 4096
        self.store.write_bytes(octets[:at] + bytes(4096) + octets[at + 4096 :])
        code, text = self.refused(self.backup())
        self.assertEqual(code, 1)
        self.assertIn("is damaged", text)
        self.assertEqual(self.names(self.place), ["data"])

    def test_a_folder_that_does_not_exist(self):
        self.file = self.place / "nowhere" / "backup.db"
        text = f"{self.file} cannot be written: No such file or directory"
        self.assertEqual(self.refused(self.backup()), (1, text))


class Restore(BackupTestCase):
    def setUp(self):
        super().setUp()
        self.accepted(self.backup("--with-keys"))

    def test_into_a_new_folder(self):
        """All of it, with the keys, for the daemon's user only; the keys are not left in the store."""
        self.assertIn("with secrets.key and admin.token: the daemon can be started", self.accepted(self.restore()))
        self.assertEqual(dump(self.new / "smok.db"), dump(self.store))
        self.assertEqual(self.names(self.new), ["admin.token", "secrets.key", "smok.db"])
        modes = {path.stat().st_mode & 0o777 for path in self.new.glob("*[!k]")}
        self.assertEqual((modes, self.new.stat().st_mode & 0o777), ({0o600}, 0o700))
        self.assertEqual({name: (self.new / name).read_bytes() for name in KEYS}, KEYS)
        self.assertFalse(any(octets in (self.new / "smok.db").read_bytes() for octets in KEYS.values()))
        self.assertIn("is good", self.accepted(run_here("db", "check", "--data-dir", str(self.new))))

    def test_without_keys_says_what_is_missing(self):
        self.accepted(self.backup("--force"))
        out = self.accepted(self.restore())
        self.assertIn(f"without keys: {self.new / 'secrets.key'} is missing: put yours there before the daemon", out)

    def test_not_into_a_folder_with_something_in_it(self):
        self.new.mkdir()
        (self.new / "secrets.key").write_text("another")
        code, text = self.refused(self.restore())
        self.assertEqual(code, 2)
        self.assertIn(f"{self.new} is not empty (secrets.key): name a new folder by --data-dir, or give --force", text)
        self.assertEqual(self.names(self.new), ["secrets.key"])

    def test_by_force_what_was_there_stays_beside_it(self):
        """Also what a daemon that was killed had only in its log."""
        backed_up = dump(self.store)
        self.new = self.folder
        database = Database(self.store, schema("sqlite"), APPLICATION_ID)
        with closing(database.connect()) as connection:
            append(connection.cursor(), encoded(batch_of(report(101))))
            log = {path: path.read_bytes() for path in self.folder.glob("smok.db*") if path.suffix != ".db-shm"}
        database.close()
        before = dump(self.store)
        for path, octets in log.items():
            path.write_bytes(octets)
        (self.folder / "secrets.key").write_text("another")
        self.accepted(self.restore("--force"))
        self.assertEqual((dump(self.store), dump(self.folder / "smok.db.old")), (backed_up, before))
        self.assertNotEqual(before, backed_up)
        self.assertEqual((self.folder / "secrets.key.old").read_text(), "another")
        self.assertEqual((self.folder / "secrets.key").read_bytes(), KEYS["secrets.key"])

    def test_by_force_in_place_of_a_damaged_store(self):
        """Which is what restoring is for."""
        self.new = self.folder
        backed_up = dump(self.store)
        self.store.write_bytes(b"rubbish" * 1000)
        self.accepted(self.restore("--force"))
        self.assertEqual(dump(self.store), backed_up)
        self.assertEqual((self.folder / "smok.db.old").read_bytes(), b"rubbish" * 1000)

    def test_never_in_place_of_what_is_no_regular_file(self):
        """Store or key, by force or not; nor is a backup read out of a FIFO, for which nobody may come."""
        self.backup("--with-keys", "--force")
        for name in ("smok.db", "secrets.key"):
            self.new = self.place / f"new-{name}"
            self.new.mkdir()
            os.mkfifo(self.new / name)
            text = f"{self.new / name} is no regular file: name a file"
            self.assertEqual(self.refused(self.restore("--force")), (2, text))
            self.assertEqual((self.names(self.new), (self.new / name).is_fifo()), ([name], True))
        self.file = self.place / "fifo"
        os.mkfifo(self.file)
        self.assertEqual(self.refused(self.restore()), (2, f"{self.file} is no regular file: name a file"))

    def test_not_while_a_daemon_has_the_store(self):
        self.new = self.folder
        database = Database(self.store, schema("sqlite"), APPLICATION_ID)
        self.addCleanup(database.close)
        text = f"{self.store} is in use by process {os.getpid()}: only one can have it at a time"
        self.assertEqual(self.refused(self.restore("--force")), (1, text))

    def test_not_one_of_a_newer_version(self):
        with closing(sqlite3.connect(self.file)) as connection:
            connection.execute("PRAGMA user_version = 99")
        code, text = self.refused(self.restore())
        self.assertEqual((code, text.partition(" was made by ")[2].partition(" (")[0]), (1, "a newer version"))
        self.assertFalse(self.new.exists())

    def test_not_what_is_damaged_or_no_backup(self):
        octets = self.file.read_bytes()
        for content in (b"hello " * 1000, octets[: len(octets) // 2], b""):
            self.file.write_bytes(content)
            self.assertEqual(self.refused(self.restore())[0], 1)
            self.assertFalse(self.new.exists())

    def test_a_file_that_does_not_exist(self):
        self.file = self.place / "nothing"
        text = f"{self.file} does not exist; `smok backup FILE` makes one"
        self.assertEqual(self.refused(self.restore()), (2, text))


class UnderLoad(SynchronousTestCase):
    """A daemon, devices that send as fast as they can, and a backup meanwhile."""

    def test_all_that_was_acknowledged_before_is_in_it(self):
        """And with it a new daemon goes on where the old one was."""
        folder, other = (Path(self.mktemp()).resolve() for _ in range(2))
        folder.mkdir()
        other.mkdir()
        daemon, stop = Daemon(folder), threading.Event()
        self.addCleanup(lambda: daemon.process and daemon.end())
        daemon.start()
        daemon.api("POST", "/models", MODEL)
        made = [daemon.api("POST", "/devices", {"name": f"counter-{n}", "model": "counter"}) for n in range(3)]
        clients = [Client(daemon, one, stop) for one in made]
        self.addCleanup(stop.set)
        for client in clients:
            client.start()
        wait_until(lambda: all(client.acknowledged > 200 for client in clients), "the devices' batches")
        before = {client.device_id: client.acknowledged for client in clients}
        file = folder / "backup.db"
        ran = run_here("backup", str(file), "--with-keys", "--data-dir", str(daemon.data_dir))
        self.assertEqual((ran.code, ran.err), (0, ""))
        after = {client.device_id: client.acknowledged for client in clients}
        wait_until(
            lambda: all(client.acknowledged > after[client.device_id] for client in clients),
            "batches after the backup",
        )
        stop.set()
        for client in clients:
            client.join(30)
            self.assertIsNone(client.problem)
        devices, audit = (daemon.api("GET", path) for path in ("/devices", "/audit?limit=1000"))
        daemon.end()

        restored = Daemon(other)
        ran = run_here("restore", str(file), "--data-dir", str(restored.data_dir))
        self.assertEqual((ran.code, ran.err), (0, ""))
        self.assert_is_moment_of(restored.data_dir / "smok.db", daemon.data_dir / "smok.db", before)
        restored.start()
        self.addCleanup(restored.end)
        again = [restored.api("GET", path) for path in ("/devices", "/audit?limit=1000")]
        names = [[(one["id"], one["name"]) for one in found["devices"]] for found in (again[0], devices)]
        self.assertEqual(*names)
        self.assertEqual(again[1]["audit"][-len(audit["audit"]) :], audit["audit"])

    def assert_is_moment_of(self, restored: Path, store: Path, acknowledged: dict[int, int]) -> None:
        """A prefix of what the store came to have, with everything that was acknowledged before."""
        for device_id, count in acknowledged.items():
            found, all_of_them = stored_numbers(restored, device_id), stored_numbers(store, device_id)
            self.assertEqual(set(found), set(range(1, len(found) + 1)))
            self.assertTrue(len(all_of_them) > len(found) >= count, (len(all_of_them), len(found), count))
        with closing(sqlite3.connect(restored)) as ours, closing(sqlite3.connect(store)) as theirs:
            for table in ("model", "plan", "credential", "command", "audit", "event"):
                found, later = (one.execute(f"SELECT * FROM {table}").fetchall() for one in (ours, theirs))
                self.assertEqual(found, later[: len(found)] if table in ("audit", "event") else later, table)
