"""Writes rows at QUORUM, one after another, until its standard input ends; then says how that went.

``python -m tests.cassandra_writer KEYSPACE ADDRESS...`` prints ``writing`` when the first row is acknowledged, and at
the end one JSON object: ``acknowledged``, ``failed`` (a list of words), ``slowest_seconds``, ``missing`` (rows that
were acknowledged and cannot be read). The driver's settings are those of the design note cassandra, section 4.
"""

from __future__ import annotations

import json
import select
import sys
import time

from cassandra import ConsistencyLevel
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile, Session
from cassandra.policies import (
    ConstantReconnectionPolicy,
    ConstantSpeculativeExecutionPolicy,
    DCAwareRoundRobinPolicy,
    TokenAwarePolicy,
)

PAUSE_SECONDS = 0.01
MOST_ROWS = 20_000
REPLICATION = "{'class': 'NetworkTopologyStrategy', 'datacenter1': 3}"


def connect(addresses: list[str]) -> Cluster:
    """As the daemon's store is to use it."""
    profile = ExecutionProfile(
        TokenAwarePolicy(DCAwareRoundRobinPolicy(local_dc="datacenter1"), shuffle_replicas=True),
        consistency_level=ConsistencyLevel.QUORUM,
        serial_consistency_level=ConsistencyLevel.SERIAL,
        request_timeout=15,
        speculative_execution_policy=ConstantSpeculativeExecutionPolicy(0.5, 2),
    )
    return Cluster(
        addresses,
        protocol_version=5,
        execution_profiles={EXEC_PROFILE_DEFAULT: profile},
        reconnection_policy=ConstantReconnectionPolicy(1.0, max_attempts=None),
        control_connection_timeout=10,
        connect_timeout=10,
        max_schema_agreement_wait=60,
        idle_heartbeat_interval=5,
        idle_heartbeat_timeout=10,
    )


class Writer:
    """``acknowledged`` is the ledger: numbers of rows that Cassandra has promised to keep."""

    def __init__(self, session: Session, keyspace: str) -> None:
        session.execute(f"CREATE KEYSPACE IF NOT EXISTS {keyspace} WITH replication = {REPLICATION}", timeout=60)
        session.execute(f"CREATE TABLE IF NOT EXISTS {keyspace}.row (n int PRIMARY KEY, at bigint)", timeout=60)
        self._session = session
        self._insert = session.prepare(f"INSERT INTO {keyspace}.row (n, at) VALUES (?, ?)")
        self._insert.is_idempotent = True
        self._select = session.prepare(f"SELECT n FROM {keyspace}.row WHERE n = ?")
        self._select.is_idempotent = True
        self.acknowledged: list[int] = []
        self.failed: list[str] = []
        self.slowest_seconds = 0.0

    def write(self, number: int) -> None:
        """One row; whatever comes of it is counted."""
        started = time.monotonic()
        try:
            self._session.execute(self._insert, (number, time.time_ns()))
        except Exception as error:
            self.failed.append(f"{type(error).__name__}: {error}"[:200])
        else:
            self.acknowledged.append(number)
        self.slowest_seconds = max(self.slowest_seconds, time.monotonic() - started)

    def missing(self) -> list[int]:
        """Rows that were acknowledged and are not there."""
        return [number for number in self.acknowledged if not list(self._session.execute(self._select, (number,)))]


def main(keyspace: str, *addresses: str) -> None:
    """Until the end of standard input."""
    cluster = connect(list(addresses))
    writer = Writer(cluster.connect(), keyspace)
    for number in range(MOST_ROWS):
        writer.write(number)
        if number == 0:
            print("writing", flush=True)
        if select.select([sys.stdin], [], [], PAUSE_SECONDS)[0]:
            break
    told = {"acknowledged": len(writer.acknowledged), "failed": writer.failed, "missing": writer.missing()}
    print(json.dumps({**told, "slowest_seconds": round(writer.slowest_seconds, 3)}), flush=True)
    cluster.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:])
