"""What simulated devices keep: the agent's spool, without a thread for each, on disk or only in memory."""

from __future__ import annotations

import secrets
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed

from ..agent import spool_file
from ..agent.settings import AgentSettings
from ..agent.spool import Spool
from ..errors import StorageError
from ..storage.commit import Committer, Write
from ..storage.database import Database, explained

MOST_BATCHES = 4_000
#: Statements that a connection in memory keeps compiled: they are most of what it takes.
_STATEMENTS = 16


class UnsyncedWriter:
    """The ``Writes`` of a spool, done at once and left to the system to bring to the disk: no thread, no waiting.

    Nothing that is lost in a power cut was ever measured.
    """

    def __init__(self, database: Database) -> None:
        self._path = database.path
        self._connection = database.connect()
        self._connection.execute("PRAGMA synchronous = OFF")
        self._committer = Committer(self._connection, lambda seconds: True, lambda state, detail: None)

    def submit(self, write: Write) -> Deferred[Any]:
        """See ``spool.Writes``."""
        try:
            (outcome,) = self._committer.commit([write])
            self._committer.checkpoint_if_due()
        except sqlite3.Error as error:
            return fail(explained(self._path, error))
        return succeed(outcome.value) if outcome.error is None else fail(outcome.error)

    def close(self) -> Deferred[None]:
        """See ``spool.Writes``."""
        self._connection.close()
        return succeed(None)


class VolatileDatabase(Database):
    """Is gone when it is closed. All who use it share one connection."""

    def __init__(self) -> None:
        self.path = Path("a spool in memory")
        self._connection = sqlite3.connect(":memory:", isolation_level=None, cached_statements=_STATEMENTS)
        self._connection.executescript(spool_file.SCHEMA)

    def connect(self) -> sqlite3.Connection:
        """The one there is."""
        return self._connection

    def close(self) -> None:
        """Forget everything."""
        self._connection.close()


def open_spool(settings: AgentSettings, volatile: bool = False) -> Spool:
    """A small one; ``volatile``: in memory, empty. Raises StorageError with one clear line."""
    if volatile:
        database: Database = VolatileDatabase()
        return _spool(settings, database, database.connect())
    database = spool_file.open_file(settings.spool_folder)
    try:
        with closing(database.connect()) as connection:
            return _spool(settings, database, connection)
    except (sqlite3.Error, ValueError, StorageError) as error:
        database.close()
        raise explained(database.path, error) from error


def _spool(settings: AgentSettings, database: Database, connection: sqlite3.Connection) -> Spool:
    state = spool_file.load(connection, secrets.randbelow, settings.kid, settings.secret)
    return Spool(database, UnsyncedWriter(database), state, most_batches=MOST_BATCHES)
