"""A Cassandra store for tests: a keyspace of its own on the shared cluster, and a folder for its local half."""

from __future__ import annotations

import uuid
from pathlib import Path

from smok_twisted.storage.cassandra import schema
from smok_twisted.storage.cassandra.bridge import Bridge, Options
from smok_twisted.storage.cassandra.driver import DriverSession
from smok_twisted.storage.cassandra.local import LocalStore
from smok_twisted.storage.cassandra.store import CassandraStore
from smok_twisted.storage.journal.journal import Journal


def make_keyspace(addresses, replication):
    """An empty one with all tables; how it is reached."""
    keyspace = f"smok_{uuid.uuid4().hex[:12]}"
    schema.make(Options(tuple(addresses), keyspace=None), keyspace, replication)
    return Options(tuple(addresses), keyspace=keyspace)


def empty(options):
    """Take everything out of it; quicker than another one. To look is quicker than to empty what is empty."""
    session = DriverSession(options)
    try:
        tables = session.run(
            f"SELECT table_name FROM system_schema.tables WHERE keyspace_name = '{options.keyspace}'"
        )
        for (table,) in tables:
            if table != "schema_version" and session.run(f"SELECT * FROM {table} LIMIT 1"):
                session.run(f"TRUNCATE {table}")
    finally:
        session.close()


def make_store(options, folder, reactor, alarms=None, **others):
    """A new, closed store on what is in ``folder`` and in the keyspace."""
    folder = Path(folder)
    folder.mkdir(exist_ok=True)
    return CassandraStore(
        Bridge(options, reactor),
        Journal(folder / "journal", reactor, window_seconds=0),
        LocalStore(folder / "local.db", reactor, window_seconds=0),
        reactor,
        lambda kind, text: alarms.append((kind, text)) if alarms is not None else None,
        **others,
    )
