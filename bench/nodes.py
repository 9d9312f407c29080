"""What a row needs of Cassandra: a cluster for its length, a keyspace with our tables, octets on the disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from smok_twisted.errors import LocalError
from smok_twisted.storage.cassandra import schema
from smok_twisted.storage.cassandra.options import Options
from tools.cassandra import Cluster, Missing, cluster
from tools.cassandra import Options as ClusterOptions

from .table import Row

KEYSPACE = "smok_bench"
Measure = Callable[[Cluster], list[Row]]


def beside_cassandra(number: int, what: str, measure: Measure, nodes: int = 1) -> list[Row]:
    """What ``measure`` finds; where there can be no Cassandra, a row that says what is missing.

    Three nodes acknowledge what is on disk, as an operator who reads docs/operating.rst has it; one is there to be
    written to.
    """
    try:
        commitlog = "group" if nodes > 1 else "periodic"
        with cluster(ClusterOptions(nodes=nodes, base="auto", commitlog=commitlog)) as it:
            schema.make(Options(tuple(it.addresses), keyspace=None), KEYSPACE, nodes)
            return measure(it)
    except (Missing, LocalError) as error:
        return [Row(number, what, "", "", "", None, f"left out: {error}")]


def octets_on_disk(it: Cluster, table: str) -> int:
    """All files of a table of the first node, flushed and compacted. Raises LocalError when Cassandra's tool fails."""
    for verb in ("flush", "compact"):
        done = it.nodetool(verb, KEYSPACE, table)
        if done.returncode:
            raise LocalError(f"nodetool {verb} {table} failed: {(done.stderr or done.stdout).strip()}")
    folders = Path(it.node(1).folder, "data", KEYSPACE).glob(f"{table}-*")
    return sum(file.stat().st_size for folder in folders for file in folder.iterdir() if file.is_file())
