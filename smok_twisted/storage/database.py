"""One SQLite file, opened so that it can be trusted: locked, of a known schema, write-ahead log on, synced.

Knows nothing of what is in the file: the daemon's store and the agent's spool both open theirs with it.
Blocking, no Twisted.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path
from typing import TypeVar

from ..errors import StorageError

T = TypeVar("T")

_PRIMARY_CODE = 0xFF
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def schema(name: str) -> list[str]:
    """The scripts ``schema/NAME_1.sql``, ``NAME_2.sql`` ... of this package, in order."""
    folder = resources.files(__package__) / "schema"
    files = [file for file in folder.iterdir() if file.name.startswith(f"{name}_")]
    return [file.read_text() for file in sorted(files, key=lambda file: int(file.name[len(name) + 1 : -4]))]


def primary_code(error: BaseException) -> int:
    """The primary result code of a failed statement (https://sqlite.org/rescode.html); 0 for other errors."""
    return getattr(error, "sqlite_errorcode", 0) & _PRIMARY_CODE


def is_full(error: BaseException) -> bool:
    """There was no room on the disk: for the data, or for the index of the write-ahead log (which is an I/O error)."""
    no_index = getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_IOERR_SHMSIZE
    return no_index or primary_code(error) == sqlite3.SQLITE_FULL


def explained(path: Path, error: BaseException) -> StorageError:
    """``error`` as the one line that an operator reads."""
    if isinstance(error, StorageError):
        return error
    code = primary_code(error)
    if code in _DAMAGED:
        return damaged(path, str(error))
    if is_full(error):
        return StorageError(f"no room left for {path}: free some space on its disk")
    if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY):
        return StorageError(f"cannot write {path} or beside it: check the owner and mode of the file and its folder")
    return StorageError(f"{path}: {error}")


def damaged(path: Path, what: str) -> StorageError:
    """``path`` cannot be used as it is."""
    return StorageError(f"{path} is damaged ({what}): restore it from a backup, or move it away to begin anew")


class Database:
    """A locked file. ``scripts[n]`` brings the schema from version n to n + 1; ``application_id`` marks the file
    as ours (https://sqlite.org/pragma.html#pragma_application_id)."""

    def __init__(self, path: Path, scripts: Sequence[str], application_id: int) -> None:
        """Open or create ``path`` (mode 0600) and bring its schema up to date.

        Raises StorageError with one clear line, the file unchanged, when another process has it, when it is
        damaged, of another program or of a newer version, and when the system does not let us.
        """
        self.path = path
        self._lock = locked(path)
        try:
            os.close(_open(path))
            with contextlib.closing(self.connect()) as connection:
                self._check_origin(connection, application_id, len(scripts))
                _upgrade(connection, scripts, application_id)
        except (sqlite3.Error, StorageError) as error:
            self.close()
            raise explained(path, error) from error

    def connect(self) -> sqlite3.Connection:
        """A connection in autocommit mode, for one thread at a time. A commit is on disk when it returns.

        Checkpoints are left to the writer: SQLite swallows the errors of its own (sqlite3WalDefaultHook).
        """
        connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        journal_mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        if journal_mode != "wal":
            raise StorageError(f"{self.path} is on a file system without shared memory: put it on a local disk")
        for pragma in ("synchronous = FULL", "foreign_keys = ON", "wal_autocheckpoint = 0"):
            connection.execute(f"PRAGMA {pragma}")
        return connection

    def close(self) -> None:
        """Let another process have the file. All connections must be closed by now."""
        os.close(self._lock)

    def _check_origin(self, connection: sqlite3.Connection, application_id: int, newest: int) -> None:
        found_id = _pragma(connection, "application_id")
        has_tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if found_id != application_id and (found_id or has_tables):
            raise StorageError(f"{self.path} belongs to another program: name another file")
        version = _pragma(connection, "user_version")
        if version > newest:
            raise StorageError(
                f"{self.path} was written by a newer version (schema {version}, this one knows {newest}):"
                " install that version again, or restore a backup"
            )


def check(path: Path, connection: sqlite3.Connection, *tables: str) -> None:
    """Look for damage in ``tables``, or in the whole file (slow: every page is read). Raises StorageError."""
    for argument in [f"({table})" for table in tables] or [""]:
        try:
            verdict = connection.execute(f"PRAGMA quick_check{argument}").fetchone()[0]
        except sqlite3.Error as error:
            raise explained(path, error) from error
        if verdict != "ok":
            raise damaged(path, verdict.splitlines()[-1])


def looked_at(path: Path, look: Callable[[Path, sqlite3.Connection], T]) -> T:
    """What ``look`` makes of one moment of the file; a daemon may write to it meanwhile. Raises StorageError."""
    try:
        uri = f"{path.absolute().as_uri()}?mode=ro"
        with contextlib.closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
            connection.execute("BEGIN")  # so that a running daemon does not change what is looked at
            return look(path, connection)
    except sqlite3.Error as error:
        raise explained(path, error) from None
    except ValueError as error:
        raise damaged(path, str(error)) from None


def version_of(path: Path, connection: sqlite3.Connection, application_id: int) -> int:
    """The schema's version. Raises StorageError for files that are not ours."""
    found_id, version = (_pragma(connection, name) for name in ("application_id", "user_version"))
    if found_id != application_id:
        raise StorageError(f"{path} is not a store of SMOK: name its folder by --data-dir")
    return version


def locked(path: Path) -> int:
    """An open file ``PATH.lock`` that no other process has locked; it names the process that has.

    Raises StorageError.
    """
    lock = _open(path.with_name(path.name + ".lock"))
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.truncate(lock, 0)
        os.write(lock, b"%d\n" % os.getpid())
    except BlockingIOError:
        owner = os.read(lock, 20).decode(errors="replace").strip() or "unknown"
        os.close(lock)
        raise StorageError(f"{path} is in use by process {owner}: only one can have it at a time") from None
    except OSError as error:
        os.close(lock)
        raise StorageError(f"cannot lock {path}: {error.strerror}") from None
    return lock


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StorageError(f"cannot open {path}: {error.strerror}; we must be able to read and write it") from None


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    value: int = connection.execute(f"PRAGMA {name}").fetchone()[0]
    return value


def _upgrade(connection: sqlite3.Connection, scripts: Sequence[str], application_id: int) -> None:
    """Run the scripts that the file has not seen, each with its version number in one transaction."""
    for version, script in list(enumerate(scripts, start=1))[_pragma(connection, "user_version") :]:
        marks = f"PRAGMA application_id = {application_id}; PRAGMA user_version = {version};"
        connection.executescript(f"BEGIN IMMEDIATE; {script} {marks} COMMIT;")
