"""Group commit: one bad write harms nobody, a full disk is waited for, a failed sync is the end."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.storage.commit import Committer
from smok_twisted.storage.database import Database

SCRIPT = "CREATE TABLE kept (value BLOB UNIQUE);"
INSERT = "INSERT INTO kept VALUES (?)"


def keep(value):
    """A write that stores ``value`` and answers with it."""

    def write(cursor):
        cursor.execute(INSERT, (value,))
        return value

    return write


class Commits(SynchronousTestCase):
    """A committer on a real file; ``self.waits`` is how long it wanted to wait, ``self.told`` what it said."""

    def setUp(self):
        self.path = Path(self.mktemp())
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.database = Database(self.path, [SCRIPT], 1)
        self.addCleanup(self.database.close)
        self.connection = self.connect()
        self.waits, self.told = [], []
        self.committer = Committer(self.connection, self.wait, lambda *words: self.told.append(words))

    def connect(self):
        connection = self.database.connect()
        self.addCleanup(connection.close)
        connection.execute("PRAGMA busy_timeout = 0")
        return connection

    def wait(self, seconds):
        self.waits.append(seconds)
        return self.meanwhile(len(self.waits))

    def meanwhile(self, times):
        self.fail("nothing to wait for")

    def kept(self):
        return [row[0] for row in self.connect().execute("SELECT value FROM kept ORDER BY rowid")]


class Groups(Commits):
    """Many writes, one transaction."""

    def test_results_in_order(self):
        """Each write has its own answer."""
        outcomes = self.committer.commit([keep(1), keep(2)])
        self.assertEqual([(outcome.value, outcome.error) for outcome in outcomes], [(1, None), (2, None)])
        self.assertEqual(self.kept(), [1, 2])

    def test_one_transaction(self):
        """Nobody sees half a group."""
        seen = []
        self.committer.commit([keep(1), lambda cursor: seen.extend(self.kept()), keep(2)])
        self.assertEqual((seen, self.kept()), ([], [1, 2]))

    def test_a_bad_write_is_rolled_back_alone(self):
        """By a constraint, by a mistake in SQL, by an exception of its own: all it did is undone."""

        def bad(error):
            def write(cursor):
                cursor.execute("INSERT INTO kept VALUES ('half')")
                error(cursor)

            return write

        def raise_(_):
            raise KeyError("own")

        bads = [bad(keep(1)), bad(lambda cursor: cursor.execute("SELEC")), bad(raise_)]
        outcomes = self.committer.commit([keep(1), *bads, keep(2)])
        kinds = [type(outcome.error) for outcome in outcomes]
        none = type(None)
        self.assertEqual(kinds, [none, sqlite3.IntegrityError, sqlite3.OperationalError, KeyError, none])
        self.assertEqual(self.kept(), [1, 2])

    def test_the_next_group_is_not_harmed(self):
        """Nothing of a bad write stays open."""
        self.committer.commit([lambda cursor: cursor.execute("SELEC")])
        self.committer.commit([keep(1)])
        self.assertEqual(self.kept(), [1])


class FullDisk(Commits):
    """SQLite's own SQLITE_FULL, from a limit on the number of pages."""

    big = (keep(b"a" * 9000), keep(b"b" * 9000))

    def setUp(self):
        super().setUp()
        self.limit(3)

    def limit(self, pages):
        self.connection.execute(f"PRAGMA max_page_count = {pages}")

    def meanwhile(self, times):
        self.assertEqual(self.kept(), [])
        if times == 7:
            self.limit(1000)
        return False

    def test_the_group_waits_for_room(self):
        """It is tried again, ever less often, until it fits; then it is there once."""
        outcomes = self.committer.commit(self.big)
        self.assertEqual([outcome.error for outcome in outcomes], [None, None])
        self.assertEqual(self.kept(), [b"a" * 9000, b"b" * 9000])
        self.assertEqual(self.waits, [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0])

    def test_it_says_so_once(self):
        """One line when it begins, one when it is over."""
        self.committer.commit(self.big)
        self.assertEqual([state for state, _ in self.told], ["disk-full", "ok"])

    def test_giving_up(self):
        """Whoever must stop now gets the error, and nothing of the group is stored."""
        self.meanwhile = lambda times: True
        error = self.assertRaises(sqlite3.OperationalError, self.committer.commit, self.big)
        self.assertEqual(error.sqlite_errorcode, sqlite3.SQLITE_FULL)
        self.assertEqual(self.kept(), [])


class Locked(Commits):
    """Somebody has opened the file with another program."""

    def setUp(self):
        super().setUp()
        self.other = self.connect()
        self.other.execute("BEGIN IMMEDIATE")

    def meanwhile(self, times):
        self.other.execute("ROLLBACK")
        return False

    def test_waits(self):
        """The group is written when the other one is done."""
        self.committer.commit([keep(1)])
        self.assertEqual((self.kept(), [state for state, _ in self.told]), ([1], ["locked", "ok"]))


class FailingCursor(sqlite3.Cursor):
    """A disk that fails on the statement ``fails``, as SQLite tells it."""

    fails = ""
    code = sqlite3.SQLITE_IOERR_FSYNC
    tried = 0

    def execute(self, statement, *arguments):
        if statement == self.fails:
            self.tried += 1
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = self.code
            raise error
        return super().execute(statement, *arguments)


class FailedDisk(Commits):
    """The one thing here that cannot be made to happen for real: a sync that fails."""

    def fail_on(self, statement, code=sqlite3.SQLITE_IOERR_FSYNC):
        cursor = FailingCursor(self.connection)
        cursor.fails, cursor.code = statement, code
        self.committer._cursor = cursor
        return cursor

    def test_a_failed_sync_is_never_tried_again(self):
        """The error comes out, and nothing is acknowledged."""
        cursor = self.fail_on("COMMIT")
        self.assertRaises(sqlite3.OperationalError, self.committer.commit, [keep(1)])
        self.assertEqual((cursor.tried, self.waits, self.kept()), (1, [], []))

    def test_a_failed_write_to_the_disk_is_not_blamed_on_the_statement(self):
        """Errors of the disk and of the file end it, wherever they show."""
        for code in (
            sqlite3.SQLITE_IOERR_WRITE,
            sqlite3.SQLITE_CORRUPT,
            sqlite3.SQLITE_NOTADB,
            sqlite3.SQLITE_READONLY,
            sqlite3.SQLITE_CANTOPEN,
            sqlite3.SQLITE_NOMEM,
        ):
            self.fail_on("SELECT 1", code)
            writes = [lambda cursor: cursor.execute("SELECT 1")]
            self.assertRaises(sqlite3.OperationalError, self.committer.commit, writes)

    def test_a_failed_checkpoint(self):
        """SQLite's own checkpoints swallow the error; ours do not."""
        self.committer.commit([lambda cursor: cursor.executemany(INSERT, zip(range(5000)))])
        self.fail_on("PRAGMA wal_checkpoint(PASSIVE)")
        self.assertRaises(sqlite3.OperationalError, self.committer.checkpoint_if_due)

    def test_no_room_at_the_last_moment(self):
        """When the group is complete, or (an I/O error by name) for the index of the log: it is done again, whole."""
        for value, statement, code in (
            (1, "COMMIT", sqlite3.SQLITE_FULL),
            (2, "BEGIN IMMEDIATE", sqlite3.SQLITE_IOERR_SHMSIZE),
        ):
            cursor = self.fail_on(statement, code)
            self.meanwhile = lambda times, cursor=cursor: setattr(cursor, "fails", "")
            self.committer.commit([keep(value)])
        self.assertEqual(self.kept(), [1, 2])
        self.assertEqual([state for state, _ in self.told], ["disk-full", "ok"] * 2)


class Checkpoints(Commits):
    """The write-ahead log does not grow for ever."""

    def in_the_file_alone(self):
        """How many rows are in the file without its log."""
        copy = self.path.with_name("copy.sqlite")
        shutil.copyfile(self.path, copy)
        with contextlib.closing(sqlite3.connect(copy)) as connection:
            return connection.execute("SELECT count(*) FROM sqlite_master JOIN kept").fetchone()[0]

    def test_moved_into_the_file_now_and_then(self):
        """After some thousand rows, not after each."""
        self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        rows = []
        for number in range(50):
            values = zip(range(number * 100, number * 100 + 100))
            self.committer.commit([lambda cursor, values=values: cursor.executemany(INSERT, values)])
            self.committer.checkpoint_if_due()
            rows.append(self.in_the_file_alone() // 2)
        self.assertEqual(rows[0], 0)
        self.assertEqual(len(set(rows)), 2)
        self.assertEqual(rows[-1], 4000)
