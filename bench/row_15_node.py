"""Row 15: one server of three dies under load; how long nothing is acknowledged, and whether anything is lost.

The daemon, its devices and their ledger are those of ``tests.cassandra_faults``.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from tests import cassandra_faults, cassandra_rig
from tools.cassandra import Cluster

from .nodes import beside_cassandra
from .table import Row, Verdict, at_most

TARGET_SECONDS = 5.0
_NODES = 3
_KINDS = {"kill": "killed (-9)", "hang": "hung (SIGSTOP)"}
_SECONDS = 12.0


def measure() -> list[Row]:
    """A real Cassandra of three nodes."""
    return beside_cassandra(15, "one server of three dies", _measure, _NODES)


def _measure(it: Cluster) -> list[Row]:
    options = cassandra_rig.make_keyspace(it.addresses, _NODES)
    with tempfile.TemporaryDirectory(prefix="smok-bench-") as folder:
        found = cassandra_faults.one_node(it, options, Path(folder), tuple(_KINDS), _SECONDS)
    return [row(kind, found) for kind in _KINDS]


def row(kind: str, found: dict[str, Any]) -> Row:
    """``found``: the figures of ``one_node``."""
    gap, lost = found[f"longest gap {kind}"], found["missing"]
    return Row(
        15,
        f"one Cassandra node of three {_KINDS[kind]}: longest time without an ACK",
        f"0 lost, <= {TARGET_SECONDS:.0f} s",
        f"{gap:.2f} s; {lost} of {found['acknowledged']:,} lost",
        f"{found['sessions dropped']} sessions of devices dropped",
        None,
        _verdict(gap, lost),
    )


def _verdict(gap_seconds: float, lost: int) -> Verdict:
    if lost:
        return Verdict(f"misses: {lost} acknowledged batches are lost", 0.0)
    return at_most(gap_seconds, TARGET_SECONDS, "the driver takes so long to give the node up")
