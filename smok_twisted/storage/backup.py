"""The embedded store, or Cassandra's local half, in one file, taken while the daemon writes; and the way back from it.

A backup is a store's file itself, without anything beside it; the key files of the data folder stand in a table of
their own, if they are wanted, and the journal (``backup_journal``) in another. It is one moment of the store: SQLite's
write-ahead log lets us read that moment to the end while the daemon goes on, and the daemon never waits for us
(https://sqlite.org/wal.html#concurrency). The log grows meanwhile. Blocking, no Twisted.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from ..clock import wall_clock_us
from ..errors import StorageError, UserError
from . import backup_journal
from .database import check, damaged, explained, locked, looked_at, version_of

#: Of the data folder: what wraps the devices' secrets, and the API's token.
KEY_FILES = ("secrets.key", "admin.token")

_KEYS_TABLE = "backup_key_file"
#: 4 MB of the usual pages, between two steps of a progress bar.
_PAGES_A_STEP = 1024
_BESIDE = ("-wal", "-shm")

#: Told how many pages are done, and of how many.
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Contents:
    """What is in a backup."""

    version: int  #: of its schema
    rows: dict[str, int]  #: by table
    keys: dict[str, bytes]  #: by the name of the file
    journal_files: int | None  #: None: it is of an embedded store


def back_up(
    store: Path,
    target: Path,
    keys: Mapping[str, bytes],
    application_id: int,
    progress: Progress,
    journal: Path | None = None,
) -> Contents:
    """Write the store's file as it is at this moment to ``target``, which is replaced once all is there and read again.

    The ``journal`` is held before: whatever is in it, the file knows the device, the day and the hour of it. Raises
    StorageError, and nothing is left behind then; UserError for a target that is no regular file.
    """
    expect_regular(target)
    target = Path(os.path.realpath(target))  # a link stays one

    def copy(path: Path, source: sqlite3.Connection) -> dict[str, int]:
        version_of(path, source, application_id)
        rows = _rows(source)  # the first look is what begins the moment
        with _written(made) as copied:
            source.backup(copied, pages=_PAGES_A_STEP, progress=_steps(progress))
            _put_keys(copied, keys)
            if journal is not None:
                backup_journal.put(copied, files)
        return rows

    with _temporary(target) as made, _held(journal) as files:
        rows = looked_at(store, copy)
        contents = contents_of(made, application_id)
        if contents.rows != rows:
            raise damaged(made, "what was written is not what was read")
        _put_in_place(made, target)
    return contents


def _held(journal: Path | None) -> contextlib.AbstractContextManager[list[backup_journal.Held]]:
    return contextlib.nullcontext([]) if journal is None else backup_journal.held(journal)


def expect_regular(path: Path) -> None:
    """Raises UserError for a device, a FIFO, a folder: only files are replaced, and only what is a file has an end."""
    if path.exists() and not path.is_file():
        raise UserError(f"{path} is no regular file: name a file")


def contents_of(path: Path, application_id: int) -> Contents:
    """Read the whole file. Raises StorageError when it is damaged, or not ours, and UserError when it is no file."""
    expect_regular(path)

    def look(path: Path, connection: sqlite3.Connection) -> Contents:
        version = version_of(path, connection, application_id)
        check(path, connection)
        return Contents(version, _rows(connection), _keys(connection), backup_journal.count(connection))

    return looked_at(path, look)


def restore(backup: Path, store: Path, application_id: int, newest: int, force: bool, progress: Progress) -> Contents:
    """Put a backup into the folder of ``store``, its key files beside it.

    Raises StorageError or UserError, the folder's store unchanged: for a backup that is damaged, not ours or of a
    schema above ``newest``; while a daemon has the store; for a folder that is not empty, unless ``force``: then what
    is replaced stays beside it under names that end in ``.old``.
    """
    contents = contents_of(backup, application_id)
    for replaced in (store, *(store.parent / name for name in contents.keys)):
        expect_regular(replaced)
    if contents.version > newest:
        raise StorageError(
            f"{backup} was made by a newer version (schema {contents.version}, this one knows {newest}):"
            " install that version"
        )
    _make_folder(store.parent)
    lock = locked(store)
    try:
        _check_empty(store, force)
        with _temporary(store) as made:
            _unpack(backup, made, progress)
            if contents_of(made, application_id).rows != contents.rows:
                raise damaged(made, "what was written is not what was read")
            for name, octets in contents.keys.items():
                _put_key_file(store.parent / name, octets)
            if contents.journal_files is not None:
                looked_at(backup, lambda _, source: backup_journal.take_out(source, store.parent / "journal"))
            _keep_old(store)
            _put_in_place(made, store)
    finally:
        os.close(lock)
    return contents


def _unpack(backup: Path, made: Path, progress: Progress) -> None:
    """Without the keys, not even in a page that is free."""

    def copy(_: Path, source: sqlite3.Connection) -> None:
        with _written(made) as copied:
            source.backup(copied, pages=_PAGES_A_STEP, progress=_steps(progress))
            copied.execute("PRAGMA secure_delete = ON")
            copied.execute(f"DROP TABLE IF EXISTS {_KEYS_TABLE}")
            if backup_journal.count(copied) is not None:
                copied.execute(f"DROP TABLE {backup_journal.TABLE}")
                backup_journal.count_on(copied, wall_clock_us())

    looked_at(backup, copy)


def _rows(connection: sqlite3.Connection) -> dict[str, int]:
    """How many each table has."""
    query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
    names = [name for (name,) in connection.execute(query) if name not in (_KEYS_TABLE, backup_journal.TABLE)]
    return {name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in names}


def _keys(connection: sqlite3.Connection) -> dict[str, bytes]:
    query = "SELECT count(*) FROM sqlite_master WHERE name = ?"
    if not connection.execute(query, (_KEYS_TABLE,)).fetchone()[0]:
        return {}
    kept = dict(connection.execute(f"SELECT name, octets FROM {_KEYS_TABLE}"))
    return {name: octets for name, octets in kept.items() if name in KEY_FILES}


def _put_keys(connection: sqlite3.Connection, keys: Mapping[str, bytes]) -> None:
    connection.execute(f"DROP TABLE IF EXISTS {_KEYS_TABLE}")
    if keys:
        connection.execute(f"CREATE TABLE {_KEYS_TABLE} (name TEXT PRIMARY KEY, octets BLOB NOT NULL)")
        connection.executemany(f"INSERT INTO {_KEYS_TABLE} VALUES (?, ?)", list(keys.items()))


def _steps(progress: Progress) -> Callable[[int, int, int], None]:
    return lambda _, remaining, total: progress(total - remaining, total)


@contextlib.contextmanager
def _written(path: Path) -> Iterator[sqlite3.Connection]:
    """A database that nobody else knows of; on disk, and without a write-ahead log, when this ends."""
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous = OFF")
            yield connection
            connection.execute("PRAGMA journal_mode = DELETE")
        _sync(path)
    except sqlite3.Error as error:
        raise explained(path, error) from error


@contextlib.contextmanager
def _temporary(target: Path) -> Iterator[Path]:
    """A new file beside ``target``, gone at the end if it still has its name."""
    try:
        file, name = tempfile.mkstemp(prefix=f"{target.name}.", suffix=".part", dir=target.parent)
    except OSError as error:
        raise StorageError(f"{target} cannot be written: {error.strerror}") from None
    os.close(file)
    try:
        yield Path(name)
    except OSError as error:
        raise StorageError(f"{target} cannot be written: {error.strerror}") from None
    finally:
        for suffix in ("", "-journal", *_BESIDE):
            Path(name + suffix).unlink(missing_ok=True)


def _put_in_place(made: Path, target: Path) -> None:
    os.replace(made, target)
    _sync(target.parent)


def _sync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{folder} cannot be made: {error.strerror}") from None


def _check_empty(store: Path, force: bool) -> None:
    names = sorted(path.name for path in store.parent.iterdir() if path.name != f"{store.name}.lock")
    if names and not force:
        shown = ", ".join(names[:3]) + (" ..." if len(names) > 3 else "")
        raise UserError(
            f"{store.parent} is not empty ({shown}): name a new folder by --data-dir, or give --force, which keeps"
            " what it replaces under names that end in .old"
        )


def _put_key_file(path: Path, octets: bytes) -> None:
    """Replace the file if it says something else."""
    if path.exists() and path.read_bytes() == octets:
        return
    with _temporary(path) as made:
        made.write_bytes(octets)
        _sync(made)
        if path.exists():
            os.replace(path, f"{path}.old")
        _put_in_place(made, path)


def _keep_old(store: Path) -> None:
    """The store that is there also under the name ``.old``, whole: what is in its log is moved into it first.

    If it is too much damaged for that, its log is kept beside it.
    """
    if not store.exists():
        return
    with contextlib.suppress(sqlite3.Error), closing(sqlite3.connect(store)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    old = f"{store}.old"
    for suffix in ("", *_BESIDE):
        Path(old + suffix).unlink(missing_ok=True)
    os.link(store, old)
    for suffix in _BESIDE:  # a log that stayed would be taken for one of the new file
        with contextlib.suppress(FileNotFoundError):
            os.replace(f"{store}{suffix}", old + suffix)
