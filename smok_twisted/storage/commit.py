"""Group commit: many writes, one transaction, one sync (design note storage, "Nothing lost").

The blocking half of ``writer``: no thread, no Twisted. What may go wrong, and what happens then:

- a write that raises is rolled back alone; the others of its group are not touched;
- no room on the disk, or another program holds the file: the same group is tried again until it passes;
- anything else from SQLite or the disk, above all a failed sync, is raised and ends it for good: a sync that failed
  once must not be believed when it succeeds later.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

from .database import is_full, primary_code

T = TypeVar("T")

#: One write: statements on the cursor of a transaction; called again when the transaction is tried again.
Write = Callable[[sqlite3.Cursor], Any]

#: What a single write is to blame for; 0 stands for all that is not SQLite's.
_OWN_FAULTS = (
    0,
    sqlite3.SQLITE_ERROR,
    sqlite3.SQLITE_TOOBIG,
    sqlite3.SQLITE_CONSTRAINT,
    sqlite3.SQLITE_MISMATCH,
    sqlite3.SQLITE_MISUSE,
    sqlite3.SQLITE_RANGE,
)
_FIRST_RETRY_SECONDS = 0.2
_LAST_RETRY_SECONDS = 5.0
#: Changed rows from one checkpoint to the next: a write-ahead log of some megabytes.
_ROWS_PER_CHECKPOINT = 4000


class Outcome(NamedTuple):
    """What became of one write: its result, or what it raised."""

    value: Any = None
    error: Exception | None = None


class Committer:
    """Owns ``connection`` (in autocommit mode) for writing."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        wait: Callable[[float], bool],
        tell: Callable[[str, str], None],
    ) -> None:
        """``wait(seconds)`` pauses and returns True to give up; ``tell(state, detail)`` hears of every change
        between "ok", "disk-full" and "locked"."""
        self._connection = connection
        self._cursor = connection.cursor()
        self._wait = wait
        self._tell = tell
        self._state = "ok"
        self._rows_at_checkpoint = 0

    def commit(self, writes: Sequence[Write]) -> list[Outcome]:
        """Do all ``writes`` in one transaction; when this returns they are on disk. Raises sqlite3.Error for good."""
        return self._until_it_passes(lambda: self._transaction(writes))

    def checkpoint_if_due(self) -> None:
        """Move the write-ahead log into the file from time to time. Raises sqlite3.Error for good."""
        if self._connection.total_changes - self._rows_at_checkpoint >= _ROWS_PER_CHECKPOINT:
            self._until_it_passes(lambda: self._cursor.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone())
            self._rows_at_checkpoint = self._connection.total_changes

    def _until_it_passes(self, step: Callable[[], T]) -> T:
        delay_seconds = _FIRST_RETRY_SECONDS
        while True:
            try:
                result = step()
            except sqlite3.Error as error:
                state = _passing(error)
                if state is None:
                    raise
                self._note(state, str(error))
                if self._wait(delay_seconds):
                    raise
                delay_seconds = min(2 * delay_seconds, _LAST_RETRY_SECONDS)
            else:
                self._note("ok", "")
                return result

    def _transaction(self, writes: Sequence[Write]) -> list[Outcome]:
        try:
            self._cursor.execute("BEGIN IMMEDIATE")
            outcomes = [self._attempt(write) for write in writes]
            self._cursor.execute("COMMIT")
        except sqlite3.Error:
            if self._connection.in_transaction:
                self._cursor.execute("ROLLBACK")
            raise
        return outcomes

    def _attempt(self, write: Write) -> Outcome:
        self._cursor.execute("SAVEPOINT one_write")
        try:
            outcome = Outcome(write(self._cursor))
        except Exception as error:
            if primary_code(error) not in _OWN_FAULTS:
                raise
            self._cursor.execute("ROLLBACK TO one_write")
            outcome = Outcome(error=error)
        self._cursor.execute("RELEASE one_write")
        return outcome

    def _note(self, state: str, detail: str) -> None:
        if state != self._state:
            self._state = state
            self._tell(state, detail)


def _passing(error: sqlite3.Error) -> str | None:
    """The word for a condition that passes by itself; None for all others."""
    if is_full(error):
        return "disk-full"
    return "locked" if primary_code(error) == sqlite3.SQLITE_BUSY else None
