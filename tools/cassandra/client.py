"""What is asked of the nodes through PyPI's cassandra-driver, in a process of its own.

``python -m tools.cassandra.client ready|one|cql JSON``: ``Cluster`` runs it inside the cluster's network namespace;
the driver's threads and its reactor stay away from whoever uses ``Cluster``. Progress goes to stderr, the answer to
stdout; when the exit status is 1, the answer is one sentence that says why.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cassandra import ConsistencyLevel, DriverException
from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile, NoHostAvailable, Session
from cassandra.policies import WhiteListRoundRobinPolicy
from cassandra.protocol import ErrorMessage
from cassandra.query import SimpleStatement, dict_factory

from smok_twisted.errors import LocalError

from .configuration import PASSWORD, USER

KEYSPACE = "smok_ready"
_TABLE = f"CREATE TABLE IF NOT EXISTS {KEYSPACE}.row (node int PRIMARY KEY, at bigint)"
_FAILURES = (DriverException, NoHostAvailable, ErrorMessage, OSError)
_PAUSE_SECONDS = 0.2


@contextmanager
def alone(address: str, password: bool) -> Iterator[Session]:
    """A session that talks to this node only."""
    profile = ExecutionProfile(
        load_balancing_policy=WhiteListRoundRobinPolicy([address]), request_timeout=20, row_factory=dict_factory
    )
    cluster = Cluster(
        [address],
        protocol_version=5,
        auth_provider=PlainTextAuthProvider(USER, PASSWORD) if password else None,
        execution_profiles={EXEC_PROFILE_DEFAULT: profile},
        connect_timeout=5,
        control_connection_timeout=10,
        max_schema_agreement_wait=60,
        schema_metadata_enabled=False,
        token_metadata_enabled=False,
    )
    try:
        yield cluster.connect()
    finally:
        cluster.shutdown()


class Readiness:
    """Asks until ``deadline`` (of ``time.monotonic``); LocalError afterwards."""

    def __init__(self, addresses: list[str], password: bool, deadline: float) -> None:
        self._addresses = addresses
        self._password = password
        self._deadline = deadline

    def joined(self, address: str, nodes: int) -> None:
        """The node says that it is a member, and it and ``nodes - 1`` others have one schema."""

        def ask() -> None:
            with alone(address, self._password) as session:
                local = session.execute("SELECT bootstrapped, schema_version FROM system.local").one()
                peers = list(session.execute("SELECT schema_version FROM system.peers_v2"))
            _expect(local["bootstrapped"] == "COMPLETED", f"it is {local['bootstrapped']}")
            versions = [row["schema_version"] for row in (local, *peers)]
            _expect(nodes == 1 or len(versions) == nodes, f"it knows {len(versions)} of {nodes} nodes")
            _expect(nodes == 1 or len(set(versions)) == 1, "the nodes' schemas differ")

        self._until(ask, f"{address} to have joined")

    def keyspace(self) -> None:
        """Where ``everywhere`` writes."""
        copies = f"{{'class': 'NetworkTopologyStrategy', 'datacenter1': {len(self._addresses)}}}"

        def ask() -> None:
            with alone(self._addresses[0], self._password) as session:
                session.execute(f"CREATE KEYSPACE IF NOT EXISTS {KEYSPACE} WITH replication = {copies}", timeout=60)
                session.execute(_TABLE, timeout=60)

        self._until(ask, "a keyspace to write to")

    def everywhere(self, address: str) -> None:
        """A row written and read at ALL through this node: the proof that it sees every other one."""
        at = time.time_ns()
        number = self._addresses.index(address)
        insert = f"INSERT INTO {KEYSPACE}.row (node, at) VALUES ({number}, {at})"
        select = f"SELECT at FROM {KEYSPACE}.row WHERE node = {number}"

        def ask() -> None:
            with alone(address, self._password) as session:
                session.execute(SimpleStatement(insert, consistency_level=ConsistencyLevel.ALL))
                row = session.execute(SimpleStatement(select, consistency_level=ConsistencyLevel.ALL)).one()
            _expect(row is not None and row["at"] == at, "another value came back")

        self._until(ask, f"a write and a read at ALL through {address}")

    def _until(self, ask: Callable[[], None], what: str) -> None:
        while True:
            try:
                return ask()
            except _FAILURES as error:
                if time.monotonic() > self._deadline:
                    raise LocalError(f"waited in vain for {what}: {_words(error)}") from None
            time.sleep(_PAUSE_SECONDS)


class NotYet(DriverException):
    """The node answered, and the answer is not what is waited for."""


def _expect(true: bool, otherwise: str) -> None:
    if not true:
        raise NotYet(otherwise)


def _words(error: Exception) -> str:
    if isinstance(error, NoHostAvailable) and error.errors:
        error = next(iter(error.errors.values()))
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def ready(addresses: list[str], password: bool, seconds: float) -> None:
    """Every node is a member, and through each of them all can be written and read."""
    asks = Readiness(addresses, password, time.monotonic() + seconds)
    for address in addresses:
        asks.joined(address, len(addresses))
    print("all have joined; a row is written and read at ALL through each", file=sys.stderr, flush=True)
    asks.keyspace()
    for address in addresses:
        asks.everywhere(address)


def one(address: str, password: bool, seconds: float) -> None:
    """One node answers as a member, whatever the others do."""
    Readiness([address], password, time.monotonic() + seconds).joined(address, 1)


def cql(address: str, password: bool, statement: str, consistency: str) -> None:
    """Prints ``{"columns": [...], "rows": [[...], ...]}``; what JSON has no form for is text."""
    try:
        with alone(address, password) as session:
            level = ConsistencyLevel.name_to_value[consistency]
            answer = session.execute(SimpleStatement(statement, consistency_level=level), timeout=60)
            columns = list(answer.column_names or [])
            print(json.dumps({"columns": columns, "rows": [list(row.values()) for row in answer]}, default=str))
    except _FAILURES as error:
        raise LocalError(_words(error)) from None


VERBS: dict[str, Callable[..., None]] = {"ready": ready, "one": one, "cql": cql}


def main(verb: str, arguments: str) -> None:
    """The arguments of the function ``verb``, as one JSON object."""
    logging.getLogger("cassandra").addHandler(logging.NullHandler())  # a node that is not there yet is no news
    try:
        VERBS[verb](**json.loads(arguments))
    except LocalError as error:
        print(error)
        sys.exit(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
