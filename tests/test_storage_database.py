"""A database file is opened only when it can be trusted, and otherwise left as it is."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.errors import StorageError
from smok_twisted.storage.database import Database, check, explained, schema

OURS = 0x1234
FIRST = "CREATE TABLE one (a INTEGER);"
SECOND = "ALTER TABLE one ADD COLUMN b TEXT DEFAULT 'new';"
NOBODY = 65534


class Files(SynchronousTestCase):
    def setUp(self):
        self.folder = Path(self.mktemp())
        self.folder.mkdir(parents=True)
        self.path = self.folder / "x.sqlite"

    def make(self, *scripts, application_id=OURS):
        return Database(self.path, scripts or (FIRST,), application_id)

    @contextlib.contextmanager
    def connected(self, *scripts):
        database = Database(self.path, scripts or (FIRST,), OURS)
        with contextlib.closing(database.connect()) as connection:
            yield connection
        database.close()

    def refused(self, *scripts, application_id=OURS):
        """The line with which it is refused; the file is not touched."""
        before = self.path.read_bytes() if self.path.is_file() else None
        error = self.assertRaises(StorageError, self.make, *scripts, application_id=application_id)
        self.assertIn(str(self.path), str(error))
        self.assertNotIn("\n", str(error))
        if before is not None:
            self.assertEqual(self.path.read_bytes(), before)
        return str(error)


class Opening(Files):
    """What a good file gets."""

    def test_only_its_owner_may_read_it(self):
        """Whatever the umask says, for all files that belong to it."""
        self.addCleanup(os.umask, os.umask(0))
        with self.connected() as connection:
            connection.execute("INSERT INTO one VALUES (1)")
            modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in self.folder.iterdir()}
        names = ["x.sqlite", "x.sqlite-shm", "x.sqlite-wal", "x.sqlite.lock"]
        self.assertEqual(modes, dict.fromkeys(names, 0o600))

    def test_commits_are_synced(self):
        """Write-ahead log, full sync, no checkpoints behind our back, references checked."""
        with self.connected() as connection:
            values = {
                name: connection.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("journal_mode", "synchronous", "wal_autocheckpoint", "foreign_keys")
            }
        expected = {"journal_mode": "wal", "synchronous": 2, "wal_autocheckpoint": 0, "foreign_keys": 1}
        self.assertEqual(values, expected)

    def test_an_older_schema_is_brought_up_to_date(self):
        """Each script runs once, and what was there stays."""
        with self.connected(FIRST) as connection:
            connection.execute("INSERT INTO one VALUES (1)")
        for _ in range(2):
            with self.connected(FIRST, SECOND) as connection:
                self.assertEqual(connection.execute("SELECT a, b FROM one").fetchall(), [(1, "new")])

    def test_a_script_that_fails_leaves_nothing(self):
        """The file is as it was, and the version before still opens it."""
        with self.connected(FIRST) as connection:
            connection.execute("INSERT INTO one VALUES (1)")
        self.refused(FIRST, SECOND + "CREATE TABLE one (a);")
        with self.connected(FIRST) as connection:
            self.assertEqual(connection.execute("SELECT * FROM one").fetchall(), [(1,)])

    def test_the_store_has_its_scripts(self):
        """They are part of the package, in the order of their numbers."""
        scripts = schema("sqlite")
        self.assertIn("CREATE TABLE device", scripts[0])
        self.assertEqual(schema("nothing"), [])

    def test_summaries_of_version_2(self):
        """Schema 3 moves them to a smaller table; each is there afterwards, and none twice."""
        scripts = schema("sqlite")
        rows = [(device, day, bytes([day]) * 1400) for device in (1, 2) for day in range(30)]
        with self.connected(*scripts[:2]) as connection:
            connection.executemany("INSERT INTO summary VALUES (?, ?, ?)", rows)
        with self.connected(*scripts) as connection:
            self.assertEqual(connection.execute("SELECT * FROM summary ORDER BY device, day").fetchall(), rows)
            with self.assertRaises(sqlite3.IntegrityError):
                connection.execute("INSERT INTO summary VALUES (1, 0, x'00')")


class Refusing(Files):
    """One line that names the file and what is wrong."""

    def test_a_second_opener(self):
        """It is told who has the file; when that one lets go, the file is free."""
        first = self.make()
        self.assertIn(f"in use by process {os.getpid()}:", self.refused())
        first.close()
        with self.connected():
            pass

    def test_a_newer_version(self):
        """An old program never touches what it does not understand."""
        with self.connected(FIRST, SECOND):
            pass
        self.assertIn("schema 2, this one knows 1", self.refused(FIRST))

    def test_another_programs_database(self):
        """With a mark of its own, or with tables and no mark."""
        with self.connected():
            pass
        self.assertIn("another program", self.refused(application_id=OURS + 1))
        self.path.unlink()
        with contextlib.closing(sqlite3.connect(self.path)) as connection:
            connection.execute("CREATE TABLE bookmarks (url)")
            connection.execute("PRAGMA journal_mode = WAL")
        self.assertIn("another program", self.refused())

    def test_no_database_at_all(self):
        """A text file."""
        self.path.write_text("what is this?\n" * 200)
        self.assertIn("is damaged (file is not a database)", self.refused())

    def test_no_folder(self):
        """The folder is the operator's to make."""
        self.path = self.folder / "missing" / "x.sqlite"
        self.assertIn("No such file or directory", self.refused())

    def test_a_folder_in_its_place(self):
        """Said as the system says it."""
        self.path.mkdir()
        self.assertIn("Is a directory", self.refused())

    def test_no_permission(self):
        """As when the daemon was once run as root."""
        with self.connected():
            pass
        if os.geteuid() == 0:
            os.seteuid(NOBODY)
            self.addCleanup(os.seteuid, 0)
        else:
            (self.folder / "x.sqlite.lock").chmod(0)
        error = self.assertRaises(StorageError, self.make)
        self.assertIn("Permission denied", str(error))
        self.assertIn(str(self.path), str(error))

    def test_a_refused_file_is_free(self):
        """The lock goes with the refusal."""
        self.path.write_text("what is this?\n")
        for _ in range(2):
            self.assertIn("not a database", self.refused())


class Damage(Files):
    """``check`` finds what opening does not look at."""

    def test_one_page_in_the_middle(self):
        """In one table; the others are still called good."""
        two = "CREATE TABLE one (a TEXT); CREATE TABLE two (a TEXT);"
        with self.connected(two) as connection:
            connection.executemany("INSERT INTO two VALUES (?)", [("x" * 500,)] * 100)
            root = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'two'").fetchone()[0]
        with self.path.open("r+b") as file:
            file.seek((root - 1) * 4096)
            file.write(os.urandom(64))
        with self.connected(two) as connection:
            check(self.path, connection, "one")
            for tables in (("two",), ("one", "two"), ()):
                error = self.assertRaises(StorageError, check, self.path, connection, *tables)
                self.assertIn(f"{self.path} is damaged", str(error))
                self.assertNotIn("\n", str(error))


class Explained(SynchronousTestCase):
    """SQLite's errors as an operator reads them."""

    def line(self, code, text="text of SQLite"):
        error = sqlite3.OperationalError(text)
        error.sqlite_errorcode = code
        return str(explained(Path("/x"), error))

    def test_lines(self):
        """Each names the file and what to do."""
        for code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE):
            self.assertIn("free some space", self.line(code))
        self.assertIn("owner and mode", self.line(sqlite3.SQLITE_READONLY_DIRECTORY))
        self.assertIn("restore it from a backup", self.line(sqlite3.SQLITE_CORRUPT_VTAB))
        self.assertEqual(self.line(sqlite3.SQLITE_IOERR_FSYNC, "disk I/O error"), "/x: disk I/O error")

    def test_what_is_clear_already(self):
        """Stays as it is."""
        error = StorageError("clear")
        self.assertIs(explained(Path("/x"), error), error)
