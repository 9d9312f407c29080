"""Promise: the store's file can be made, looked at and brought up to date by hand, and nothing bad in it is missed."""

from __future__ import annotations

import dataclasses
import os
import sqlite3
from contextlib import closing
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.storage.audit import AuditEntry, chained
from smok_twisted.storage.database import Database, schema
from smok_twisted.storage.records import DeviceRecord, ModelRecord
from smok_twisted.storage.sqlite import APPLICATION_ID
from smok_twisted.storage.sqlite_log import append_audit
from smok_twisted.storage.sqlite_registry import save_device, save_model
from smok_twisted.tools import database as module

from .kill_loop import MODEL
from .tools_rig import run_here, sentence

NEWEST = len(schema("sqlite"))


def insert_audit(connection: sqlite3.Connection, entry: AuditEntry) -> None:
    row = (*(getattr(entry, name) for name in AuditEntry.__slots__ if name != "detail"), "{}")
    names = [*(name for name in AuditEntry.__slots__ if name != "detail"), "detail"]
    marks = ", ".join("?" * len(names))
    connection.execute(f"INSERT INTO audit ({', '.join(names)}) VALUES ({marks})", row)


class DatabaseTestCase(SynchronousTestCase):
    def setUp(self):
        self.folder = Path(self.mktemp())
        self.file = self.folder / "smok.db"

    def db(self, word: str, *options: str):
        return run_here("db", word, "--data-dir", str(self.folder), *options)

    def accepted(self, word: str) -> str:
        ran = self.db(word)
        self.assertEqual((ran.code, ran.err), (0, ""))
        return ran.out

    def refused(self, word: str, *options: str) -> tuple[int, str]:
        ran = self.db(word, *options)
        self.assertEqual(ran.out, "")
        return ran.code, sentence(self, ran.err)

    def change(self, *statements: str) -> None:
        with closing(sqlite3.connect(self.file, isolation_level=None)) as connection:
            for statement in statements:
                connection.execute(statement)

    def fill(self, entries: int) -> None:
        """A model, a device, and a trail of so many entries."""
        database = Database(self.file, schema("sqlite"), APPLICATION_ID)
        with closing(database.connect()) as connection:
            cursor = connection.cursor()
            cursor.execute("BEGIN")
            save_model(cursor, ModelRecord("boiler", "1", MODEL, 0))
            save_model(cursor, ModelRecord("boiler", "2", MODEL, 0))
            save_device(cursor, DeviceRecord(2**64 - 1, "cellar", "boiler", 0))
            for number in range(entries):
                append_audit(cursor, number, "admin", "here", None, "test", {"number": number})
            cursor.execute("COMMIT")
        database.close()


class Init(DatabaseTestCase):
    """smok db init"""

    def test_makes_folder_and_file_for_their_owner_only(self):
        self.assertEqual(self.accepted("init"), f"made {self.file}, schema {NEWEST}\n")
        self.assertEqual((self.folder.stat().st_mode & 0o777, self.file.stat().st_mode & 0o777), (0o700, 0o600))

    def test_leaves_alone_what_is_there(self):
        self.accepted("init")
        before = self.file.read_bytes()
        self.assertEqual(self.accepted("init"), f"{self.file} is there already: nothing to do\n")
        self.assertEqual(self.file.read_bytes(), before)

    def test_a_folder_that_cannot_be_made(self):
        self.folder.write_text("a file")
        self.folder /= "data"
        self.assertEqual(self.refused("init"), (1, f"{self.folder} cannot be made: Not a directory"))


class Check(DatabaseTestCase):
    """smok db check"""

    def test_a_good_file(self):
        self.accepted("init")
        self.fill(entries=3)
        text = f"{self.file} is good: schema {NEWEST}, 1 devices, 1 models, audit trail unbroken over 3 entries, "
        self.assertEqual(self.accepted("check"), f"{text}0 days of packed history as the log says\n")

    def test_an_empty_file(self):
        self.accepted("init")
        self.assertIn("0 devices, 0 models, audit trail unbroken over 0 entries", self.accepted("check"))

    def test_changes_nothing(self):
        """Not even what a daemon that was killed has left in its log is moved."""
        self.accepted("init")
        database = Database(self.file, schema("sqlite"), APPLICATION_ID)
        with closing(database.connect()) as connection:
            save_device(connection.cursor(), DeviceRecord(7, "attic", "boiler", 0))
            left = {path: path.read_bytes() for path in self.folder.glob("smok.db*") if path.suffix != ".db-shm"}
        database.close()
        for path, octets in left.items():
            path.write_bytes(octets)
        self.assertIn("1 devices", self.accepted("check"))
        self.assertEqual({path: path.read_bytes() for path in left}, left)

    def test_while_the_daemon_runs(self):
        """What is in its log already counts; it is not disturbed."""
        self.accepted("init")
        database = Database(self.file, schema("sqlite"), APPLICATION_ID)
        self.addCleanup(database.close)
        with closing(database.connect()) as connection:
            save_device(connection.cursor(), DeviceRecord(7, "attic", "boiler", 0))
            self.assertIn("1 devices", self.accepted("check"))
            save_device(connection.cursor(), DeviceRecord(8, "cellar", "boiler", 0))

    def test_an_entry_that_was_changed_taken_out_or_put_in(self):
        """Wherever it is in a trail of several pages, and also the oldest."""
        self.patch(module, "AUDIT_PAGE", 4)
        for number, statement, text in (
            (5, "UPDATE audit SET who = 'nobody' WHERE seq = 5", "the audit trail is broken at entry 5"),
            (10, "UPDATE audit SET detail = '{}' WHERE seq = 10", "the audit trail is broken at entry 10"),
            (1, "UPDATE audit SET time_us = 9 WHERE seq = 1", "the audit trail is broken at entry 1"),
            (4, "DELETE FROM audit WHERE seq = 4", "the audit trail is broken at entry 5"),
            (7, "DELETE FROM audit WHERE seq = 7", "the audit trail is broken at entry 8"),
            (1, "DELETE FROM audit WHERE seq < 4", "the audit trail is broken: entries before 4 are missing"),
            (9, "UPDATE audit SET hash = x'00' WHERE seq = 9", "the audit trail is broken at entry 9"),
        ):
            self.file.unlink(missing_ok=True)
            self.accepted("init")
            self.fill(entries=10)
            self.assertIn("unbroken over 10 entries", self.accepted("check"))
            self.change(statement)
            code, found = self.refused("check")
            self.assertEqual((code, found.split(": it was")[0]), (1, text), f"entry {number}")

    def test_a_tail_that_was_made_anew(self):
        """Also where two pages meet."""
        self.patch(module, "AUDIT_PAGE", 4)
        for cut in range(2, 11):
            self.file.unlink(missing_ok=True)
            self.accepted("init")
            self.fill(entries=10)
            self.change(f"DELETE FROM audit WHERE seq >= {cut}")
            stranger = dataclasses.replace(chained(None, 0, "", "", None, "", {}), seq=cut - 1)
            with closing(sqlite3.connect(self.file, isolation_level=None)) as connection:
                for number in range(cut, 11):
                    stranger = chained(stranger, number, "admin", "here", None, "test", {})
                    insert_audit(connection, stranger)
            code, text = self.refused("check")
            self.assertEqual((code, text.split(": it was")[0]), (1, f"the audit trail is broken at entry {cut}"))

    def test_damage_in_any_page(self):
        """Every page of the file is read."""
        self.accepted("init")
        self.fill(entries=200)
        octets = self.file.read_bytes()
        with closing(sqlite3.connect(self.file)) as connection:
            (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'audit'").fetchone()
        at = (page - 1) * 4096
        self.file.write_bytes(octets[:at] + bytes(4096) + octets[at + 4096 :])
        code, text = self.refused("check")
        self.assertEqual(code, 1)
        self.assertRegex(text, rf"\A{self.file} is damaged \(.+\): restore it from a backup, or move it away")

    def test_damage_in_what_nobody_reads_now(self):
        """The history is looked through as well."""
        self.accepted("init")
        with closing(sqlite3.connect(self.file)) as connection:
            (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'report'").fetchone()
        octets = self.file.read_bytes()
        at = (page - 1) * 4096
        self.file.write_bytes(octets[:at] + bytes(4096) + octets[at + 4096 :])
        self.assertEqual(self.refused("check")[0], 1)

    def test_what_does_not_decode(self):
        self.accepted("init")
        self.fill(entries=0)
        self.change("UPDATE device SET allow_from = 'x'")
        code, text = self.refused("check")
        self.assertEqual(code, 1)
        self.assertTrue(text.startswith(f"{self.file} is damaged ("), text)

    def test_what_is_no_database(self):
        self.folder.mkdir()
        self.file.write_text("hello " * 1000)
        remedy = "restore it from a backup, or move it away to begin anew"
        self.assertEqual(self.refused("check"), (1, f"{self.file} is damaged (file is not a database): {remedy}"))

    def test_what_is_somebody_elses(self):
        self.folder.mkdir()
        self.change("CREATE TABLE recipes (name)")
        text = f"{self.file} is not a store of SMOK: name its folder by --data-dir"
        self.assertEqual(self.refused("check"), (1, text))

    def test_a_newer_and_an_older_schema(self):
        self.accepted("init")
        for version, remedy in (
            (NEWEST + 1, "install the version that wrote it"),
            (NEWEST - 1, "`smok db upgrade` brings it up to date"),
        ):
            self.change(f"PRAGMA user_version = {version}")
            text = f"{self.file} has schema {version}, this version of SMOK has {NEWEST}: {remedy}"
            self.assertEqual(self.refused("check"), (1, text))

    def test_nothing_there(self):
        """And nothing is made by looking."""
        for word in ("check", "upgrade"):
            text = f"{self.file} does not exist; `smok db init` makes it, --data-dir names another folder"
            self.assertEqual(self.refused(word), (2, text))
        self.assertFalse(self.folder.exists())


class Upgrade(DatabaseTestCase):
    """smok db upgrade"""

    def test_the_newest_stays(self):
        self.accepted("init")
        self.assertEqual(self.accepted("upgrade"), f"{self.file} has schema {NEWEST}, the newest: nothing to do\n")

    def test_an_older_one_is_brought_up_to_date(self):
        """A file of version 0 has our mark and nothing in it."""
        self.folder.mkdir()
        self.change(f"PRAGMA application_id = {APPLICATION_ID}")
        self.assertEqual(self.accepted("upgrade"), f"brought {self.file} from schema 0 to {NEWEST}\n")
        self.assertIn("is good", self.accepted("check"))

    def test_a_newer_one_is_left_alone(self):
        self.accepted("init")
        self.change(f"PRAGMA user_version = {NEWEST + 1}")
        code, text = self.refused("upgrade")
        self.assertEqual(code, 1)
        self.assertIn(f"was written by a newer version (schema {NEWEST + 1}, this one knows {NEWEST})", text)

    def test_not_while_the_daemon_runs(self):
        self.accepted("init")
        database = Database(self.file, schema("sqlite"), APPLICATION_ID)
        self.addCleanup(database.close)
        text = f"{self.file} is in use by process {os.getpid()}: only one can have it at a time"
        self.assertEqual(self.refused("upgrade"), (1, text))


class Configuration(DatabaseTestCase):
    def test_names_the_folder(self):
        self.folder.mkdir()
        config = self.folder / "smok.toml"
        config.write_text('[daemon]\ndata_dir = "data"\n')
        ran = run_here("db", "init", "--config", str(config))
        self.assertEqual(ran, (0, f"made {self.folder / 'data' / 'smok.db'}, schema {NEWEST}\n", ""))

    def test_the_store_in_memory_keeps_nothing(self):
        self.folder.mkdir()
        config = self.folder / "smok.toml"
        config.write_text('[storage]\nkind = "memory"\n')
        text = '[storage] kind = "memory" keeps nothing, this is for kind = "sqlite" and "cassandra"'
        for word in ("check", "init", "upgrade"):
            self.assertEqual(self.refused(word, "--config", str(config)), (2, text))
