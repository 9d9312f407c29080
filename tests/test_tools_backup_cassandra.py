"""Promise: the daemon's half of a system on Cassandra is backed up with its journal, beside the running daemon."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing

from smok_twisted.storage import backup_journal
from smok_twisted.storage.cassandra.local import LocalStore
from smok_twisted.storage.journal.files import Files

from .test_tools_backup import BackupTestCase
from .tools_rig import run_here


class OfCassandra(BackupTestCase):
    """The daemon's half: its local file, and the journal while it is written to."""

    def fill(self, reports=100):
        self.store = self.folder / "local.db"
        super().fill(reports)
        with closing(sqlite3.connect(self.store)) as connection:
            connection.executescript(LocalStore.script)
            connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('outbox', 1000)")
            connection.execute("UPDATE device SET name = 'attic'")
            connection.commit()
        self.files = self.journal(self.folder)
        for number in range(310):  # the newest segment has room left
            self.files.append([bytes([number % 256]) * 100 + b"\0" * 9], number)
        self.files.put_aside(self.files.read(7, 1).entries[0], "bad")

    def journal(self, folder):
        files = Files(folder / "journal", 4096, max_octets=1 << 30)
        files.open()
        self.addCleanup(files.close)
        return files

    def configured(self, folder):
        file = self.place / f"{folder.name}.toml"
        file.write_text(f'[daemon]\ndata_dir = "{folder.name}"\n[storage]\nkind = "cassandra"\n')
        return "--config", str(file)

    def backup(self, *options):
        return run_here("backup", str(self.file), *self.configured(self.folder), *options)

    def restore(self, *options):
        return run_here("restore", str(self.file), *self.configured(self.new), *options)

    def test_there_and_back(self):
        """What the journal had, with what was put aside; what it got later is not in it, and what it lost is."""
        files, entries = self.files, self.files.read(1, 1000).entries
        self.assertIn("1 devices, 100 audit entries, ", self.accepted(self.backup("--with-keys")))
        files.append([b"later"], 999)
        out = self.accepted(self.restore())
        self.assertIn("start it on the cluster that was restored with it", out)
        self.assertEqual(self.names(self.new), ["admin.token", "journal", "local.db", "secrets.key"])
        again = self.journal(self.new)
        self.assertEqual((again.cut, again.next_lsn, again.read(1, 1000).entries), ("", 311, entries))
        aside = f"quarantine/{7:020d}.entry"
        self.assertEqual(*[(folder / "journal" / aside).read_bytes() for folder in (self.folder, self.new)])
        with closing(sqlite3.connect(self.new / "local.db")) as new, closing(sqlite3.connect(self.store)) as old:
            self.assertEqual(*[one.execute("SELECT * FROM device").fetchall() for one in (new, old)])
            (ours,), (theirs,) = (one.execute("SELECT max(seq) FROM outbox").fetchone() for one in (new, old))
            self.assertEqual(ours, theirs)
            new.execute("UPDATE device SET name = 'roof'")
            later = new.execute("SELECT max(seq) FROM outbox").fetchone()[0]
        self.assertGreater(later, 1_700_000_000_000_000)  # newer than all that was told since the backup

    def test_while_segments_come_and_go(self):
        """What is there when it begins counts: the rest of the newest does not, a removed one does."""
        entries = self.files.read(1, 1000).entries
        with closing(sqlite3.connect(self.place / "made.db")) as made:
            with backup_journal.held(self.folder / "journal") as held:
                for number in range(100):
                    self.files.append([b"later" * 20], 1000 + number)
                self.assertTrue(self.files.tidy(250))
                backup_journal.put(made, held)
            self.new.mkdir()
            backup_journal.take_out(made, self.new / "journal")
        again = self.journal(self.new)
        self.assertEqual((again.cut, again.read(1, 1000).entries), ("", entries))

    def test_by_force_the_journal_that_was_there_stays_beside_it(self):
        self.accepted(self.backup())
        self.files.append([b"later"], 999)
        self.files.close()
        self.new = self.folder
        self.accepted(self.restore("--force"))
        names = self.names(self.folder)
        self.assertEqual([one for one in names if one.endswith(".old")], ["journal.old", "local.db.old"])
        self.assertEqual(self.journal(self.folder).next_lsn, 311)

    def test_the_wrong_kind(self):
        """Neither is taken for the other; nothing is made then."""
        self.accepted(self.backup())
        ran = run_here("restore", str(self.file), "--data-dir", str(self.new))
        text = f"{self.file} is of a system on Cassandra: name its smok.toml by --config"
        self.assertEqual(self.refused(ran), (2, text))
        os.replace(self.store, self.folder / "smok.db")
        self.accepted(run_here("backup", str(self.file), "--force", "--data-dir", str(self.folder)))
        text = f"{self.file} is of an embedded store: restore it as one, then `smok db copy` it to Cassandra"
        self.assertEqual(self.refused(self.restore()), (2, text))
        self.assertFalse(self.new.exists())

    def test_a_folder_without_it(self):
        self.store.unlink()
        text = f"{self.store} does not exist; --data-dir or --config names another folder"
        self.assertEqual(self.refused(self.backup()), (2, text))
