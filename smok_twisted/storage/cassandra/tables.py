"""The small tables: kept in a local SQLite file, and a copy of each row in Cassandra. Pure.

The columns are those of ``storage/schema/sqlite_1.sql`` and ``cassandra_1.cql``; a large table has a ``bucket`` in
Cassandra, so that no partition grows without end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

ROWS_A_BUCKET = 10_000


@dataclass(frozen=True)
class Mirrored:
    """A table with a copy in Cassandra."""

    name: str
    key: tuple[str, ...]
    others: tuple[str, ...]
    has_buckets: bool = False  #: by its key, which is then one number

    @property
    def columns(self) -> tuple[str, ...]:
        """Of the SQLite table, as far as they are mirrored; the key first."""
        return self.key + self.others

    def bucketed(self, values: Sequence[Any]) -> tuple[Any, ...]:
        """Values that begin with the key, with the bucket before them if the table has any."""
        return ((values[0] // ROWS_A_BUCKET, *values)) if self.has_buckets else tuple(values)

    @cached_property
    def upsert(self) -> str:
        """CQL; its values are ``bucketed`` columns and a write timestamp."""
        names = ("bucket",) * self.has_buckets + self.columns
        marks = ", ".join("?" * len(names))
        return f"INSERT INTO {self.name} ({', '.join(names)}) VALUES ({marks}) USING TIMESTAMP ?"

    @cached_property
    def delete(self) -> str:
        """CQL; its values are a write timestamp and the ``bucketed`` key."""
        names = ("bucket",) * self.has_buckets + self.key
        return f"DELETE FROM {self.name} USING TIMESTAMP ? WHERE {' AND '.join(f'{name} = ?' for name in names)}"

    @cached_property
    def select_all(self) -> str:
        """CQL: every row, in no order."""
        return f"SELECT {', '.join(self.columns)} FROM {self.name}"

    @cached_property
    def triggers(self) -> str:
        """SQL that notes each change in the table ``outbox``; it may be run again."""
        return "".join(
            f"CREATE TRIGGER IF NOT EXISTS mirror_{self.name}_{event.split()[0].lower()} AFTER {event} ON {self.name} "
            f"BEGIN INSERT INTO outbox (tbl, key) VALUES ('{self.name}', {self._key_of(row)}); END;\n"
            for event, row in (
                ("INSERT", "new"),
                (f"UPDATE OF {', '.join(self.columns)}", "new"),
                ("DELETE", "old"),
            )
        )

    def _key_of(self, row: str) -> str:
        return f"json_array({', '.join(f'{row}.{name}' for name in self.key)})"


def _table(name: str, key: str, others: str, has_buckets: bool = False) -> Mirrored:
    return Mirrored(name, tuple(key.split()), tuple(others.split()), has_buckets)


_DEVICE = """
    device_id name site model model_version link suite may_write replay_weak read_only allow_from allow_until_us
    timezone created_us"""
_COMMAND = "command_id device state requested_us who point expires_us idempotency_key body"

#: Parents before what refers to them.
TABLES = (
    _table("device", "number", _DEVICE),
    _table("model", "saved", "name version text created_us"),
    _table("plan", "device number", "model version blocks"),
    _table("credential", "device kid", "suite wrapped created_us logins state"),
    _table("nonces", "device", "memory"),
    _table("command", "seq", _COMMAND, True),
    _table("audit", "seq", "time_us who source device_id action detail previous_hash hash", True),
    _table("event", "event_id", "time_us kind severity text device_id detail acknowledged_by", True),
    _table("setting", "name", "text"),
)
BY_NAME = {table.name: table for table in TABLES}

#: Beside the mirrored tables in the local file. What Cassandra was told stays for some minutes: when all nodes lose
#: their power at once, they may have forgotten it (``LocalStore.doubt``). Sequence numbers begin with the time at which
#: the file was made, so that they also grow over a lost file.
LOCAL = """
CREATE TABLE IF NOT EXISTS outbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    tbl TEXT NOT NULL,
    key TEXT NOT NULL,                          -- JSON array
    told_us INTEGER                             -- NULL: not yet
);
CREATE TABLE IF NOT EXISTS packed_lately (
    device INTEGER NOT NULL REFERENCES device ON DELETE CASCADE,
    hour INTEGER NOT NULL,
    packed_us INTEGER NOT NULL,
    PRIMARY KEY (device, hour)
) WITHOUT ROWID;
-- The newest batch of each device that is in the journal.
CREATE TABLE IF NOT EXISTS taken (
    device INTEGER PRIMARY KEY REFERENCES device ON DELETE CASCADE,
    boot INTEGER NOT NULL,
    batch INTEGER NOT NULL
);
-- Partitions of a device in Cassandra that may have rows.
CREATE TABLE IF NOT EXISTS partition (
    device INTEGER NOT NULL REFERENCES device ON DELETE CASCADE,
    tbl TEXT NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (device, tbl, number)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
"""
