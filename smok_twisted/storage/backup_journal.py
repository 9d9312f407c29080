"""The journal in front of Cassandra, as a part of a backup: what the database's own backup may not have yet.

The daemon may run: a segment that it removes is held open, and of the one that it writes to, what is there when it is
held counts. Blocking, no Twisted.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple

from ..errors import StorageError

TABLE = "backup_journal_file"
_MAKE = f"CREATE TABLE {TABLE} (name TEXT PRIMARY KEY, size INTEGER NOT NULL, octets BLOB NOT NULL)"
_PATTERNS = ("*.journal", "quarantine/*.entry")


class Held(NamedTuple):
    """A file of the journal. ``octets``: of the one that grows, as it was."""

    name: str
    file: BinaryIO
    octets: bytes | None


@contextmanager
def held(folder: Path) -> Iterator[list[Held]]:
    """All files of the journal as they are now. Raises StorageError for what cannot be read."""
    with ExitStack() as stack:
        try:
            files = _opened(folder, stack)
            segments = [name for name in files if "/" not in name]
            newest = max(segments, default=None)
            held_ = [Held(name, file, _grown(file) if name == newest else None) for name, file in files.items()]
        except OSError as error:
            raise StorageError(f"{folder} cannot be read: {error.strerror}") from None
        yield held_


def _opened(folder: Path, stack: ExitStack) -> dict[str, BinaryIO]:
    files: dict[str, BinaryIO] = {}
    for path in (path for pattern in _PATTERNS for path in sorted(folder.glob(pattern))):
        with suppress(FileNotFoundError):  # removed just now: the database has had it for ten minutes
            files[str(path.relative_to(folder))] = stack.enter_context(path.open("rb"))
    return files


def _grown(file: BinaryIO) -> bytes:
    """What was written by now, without a hole: the second look has all that is before what the first one saw."""
    octets = len(file.read().rstrip(b"\0"))
    file.seek(0)
    return file.read(octets)


def put(connection: sqlite3.Connection, files: list[Held]) -> None:
    """Into a backup. Zeros at the end are room that was reserved; only their number is kept."""
    connection.execute(f"DROP TABLE IF EXISTS {TABLE}")
    connection.execute(_MAKE)
    for one in files:
        octets = one.file.read() if one.octets is None else one.octets
        row = (one.name, os.fstat(one.file.fileno()).st_size, octets.rstrip(b"\0"))
        connection.execute(f"INSERT INTO {TABLE} VALUES (?, ?, ?)", row)


def count(connection: sqlite3.Connection) -> int | None:
    """How many files of a journal are in a backup; None: it is none of a system on Cassandra."""
    if not connection.execute("SELECT count(*) FROM sqlite_master WHERE name = ?", (TABLE,)).fetchone()[0]:
        return None
    number: int = connection.execute(f"SELECT count(*) FROM {TABLE}").fetchone()[0]
    return number


def take_out(connection: sqlite3.Connection, folder: Path) -> None:
    """Make the journal's folder; one that is there is ``.old`` afterwards."""
    made = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", suffix=".part", dir=folder.parent))
    try:
        for name, size, octets in connection.execute(f"SELECT name, size, octets FROM {TABLE}"):
            _write(made / name, octets, size)
        for one in (made / "quarantine", made):
            _sync(one)
        if folder.exists():
            old = folder.with_name(f"{folder.name}.old")
            shutil.rmtree(old, ignore_errors=True)
            os.replace(folder, old)
        os.replace(made, folder)
        _sync(folder.parent)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def count_on(connection: sqlite3.Connection, now_us: int) -> None:
    """Changes from now on are newer than all that Cassandra was ever told, also after this backup was made."""
    connection.execute("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = 'outbox'", (now_us,))


def _write(path: Path, octets: bytes, size: int) -> None:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    with open(path, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(octets)
        file.truncate(size)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    with suppress(FileNotFoundError):
        descriptor = os.open(folder, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
