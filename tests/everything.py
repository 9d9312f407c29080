"""The whole suite, in an order in which its two workers seldom wait for each other.

Trial gives each worker the next test of its list. The tests that use Cassandra stand close together there, and many of
them have to have the nodes for themselves: one worker would wait for the other for minutes. So they are spread over
all others, as their time goes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from unittest import TestCase, TestSuite

from twisted.trial.runner import TestLoader

from . import cassandra_shared

#: What a test takes, about, in the modules or classes where it is long. A wrong figure costs time and nothing else.
SECONDS = {
    "test_captures": 4,
    "test_cassandra_backup": 60,
    "test_cassandra_bridge_faults": 30,
    "test_cassandra_cluster.Faults": 28,
    "test_cassandra_cluster.OwnCluster": 20,
    "test_cassandra_copying": 8,
    "test_cassandra_faults": 60,
    "test_cassandra_login": 20,
    "test_cassandra_metrics": 10,
    "test_cassandra_store": 1,
    "test_disk_full": 10,
    "test_failures_clock": 28,
    "test_failures_line": 10,
    "test_failures_strangers": 14,
    "test_fleet": 9,
    "test_history_reader": 1.3,
    "test_journal_power_cut": 1.3,
    "test_observe_wireshark": 1,
    "test_observe_wireshark_peers": 2,
    "test_page": 7,
    "test_service": 2.7,
    "test_system": 4.5,
    "test_tools_cassandra_database": 7,
    "test_tools_demo": 1,
    "test_tools_export": 0.8,
    "test_tools_journal_drain": 2,
    "test_tools_mutants": 1.8,
    "test_tools_replay_into": 4,
    "test_tools_sim": 1.5,
    "test_tools_sim_device": 2,
}
OTHERS_SECONDS = 0.12
#: One of these is imported by whatever needs a cluster.
_CLUSTERS = (cassandra_shared.shared_cluster, cassandra_shared.lent_keyspace, cassandra_shared.may_be_missing)


def testSuite() -> TestSuite:
    """Trial asks for it, by this name."""
    tests = list(_each(TestLoader().loadByName("tests", recurse=True)))
    on_cassandra = [test for test in tests if _uses_cassandra(test)]
    return TestSuite(_merged(on_cassandra, [test for test in tests if not _uses_cassandra(test)]))


def _each(suite: TestSuite | TestCase) -> Iterator[TestCase]:
    """A module that cannot be imported is a test, too, which says so."""
    if isinstance(suite, TestSuite):
        for part in suite:
            yield from _each(part)
    else:
        yield suite


def _uses_cassandra(test: TestCase) -> bool:
    return any(value in _CLUSTERS for value in vars(sys.modules[type(test).__module__]).values() if callable(value))


def _seconds(test: TestCase) -> float:
    module = type(test).__module__.removeprefix("tests.")
    return SECONDS.get(f"{module}.{type(test).__name__}", SECONDS.get(module, OTHERS_SECONDS))


def _merged(*streams: list[TestCase]) -> Iterator[TestCase]:
    """Each in its own order; at any place the same part of the time of each has gone."""
    placed = []
    for stream in streams:
        whole, gone = sum(map(_seconds, stream)), 0.0
        for test in stream:
            placed.append((gone / whole, test))
            gone += _seconds(test)
    return (test for _, test in sorted(placed, key=lambda pair: pair[0]))
