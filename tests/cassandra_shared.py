"""The one Cassandra that all test modules share: three real nodes, started by the first test that asks.

``make test`` says where (SMOK_TEST_CASSANDRA, see ``tools/cassandra/lending.py``) and ends it. A test that only uses
the cluster may do so beside others, in a keyspace of its own; one that hurts it (kills, pauses) has it alone.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from smok_twisted.storage.cassandra.options import Options as StoreOptions
from tools.cassandra import Cluster, Missing, Options
from tools.cassandra.lending import LEFT_OUT, VARIABLE
from tools.cassandra.locks import exclusive, shared

from . import cassandra_rig

#: Of the shared nodes. ``group``: what they acknowledge is on disk.
OPTIONS = Options(base="auto", commitlog="group")


def shared_cluster(test: SynchronousTestCase, alone: bool = False) -> Cluster:
    """Ready, and kept until the end of ``test``. ``alone``: nobody else has it meanwhile; it is made whole afterwards.

    Where it cannot be had, the test fails in CI and is skipped elsewhere; ``make test`` tells that in its last lines.
    The first call takes half a minute, on this thread: not from a test that has a reactor to serve.
    """
    cluster = Cluster(_folder(), OPTIONS)
    held = ExitStack()
    test.addCleanup(held.close)
    held.enter_context((exclusive if alone else shared)(cluster.folder / "users"))
    with may_be_missing():
        _start(cluster)
    if alone:
        test.addCleanup(make_whole, cluster)
    return cluster


def lent_keyspace(test: SynchronousTestCase, cluster: Cluster | None = None) -> StoreOptions:
    """Empty, with all tables, and nobody else's until the end of ``test``: to make one takes Cassandra 16 s.

    ``cluster``: of a test that has it already.
    """
    cluster, held = cluster or shared_cluster(test), ExitStack()
    test.addCleanup(held.close)
    files = (cluster.folder / f"keyspace-{number}" for number in itertools.count(1))
    return _emptied(cluster, next(file for file in files if _takes(held, file)))


def _takes(held: ExitStack, file: Path) -> bool:
    """Whether nobody else had it."""
    try:
        held.enter_context(exclusive(file, must_wait=_refuse))
    except BlockingIOError:
        return False
    return True


def _refuse() -> None:
    raise BlockingIOError


def _emptied(cluster: Cluster, file: Path) -> StoreOptions:
    """The keyspace whose name is in ``file``; a new one where there is none."""
    if name := file.read_text():
        options = StoreOptions(tuple(cluster.addresses), keyspace=name)
        cassandra_rig.empty(options)
    else:
        options = cassandra_rig.make_keyspace(cluster.addresses, 3)
        file.write_text(options.keyspace)
    return options


def make_whole(cluster: Cluster) -> None:
    """All nodes run and see each other, whatever a test did to them."""
    for entry in cluster.status():
        if entry.state == "paused":
            cluster.resume(entry.number)
    cluster.up()


@contextmanager
def may_be_missing() -> Iterator[None]:
    """Around the start of a cluster: what this machine lacks fails the test in CI and skips it elsewhere."""
    try:
        yield
    except Missing as missing:
        if os.environ.get("CI"):
            raise AssertionError(f"CI runs the tests with a real Cassandra, and {missing}") from None
        raise leave_out(f"no Cassandra: {missing}") from None


def leave_out(why: str) -> SkipTest:
    """To be raised by a test that this machine cannot run: the last lines of ``make test`` tell it."""
    if VARIABLE in os.environ:
        with (_folder() / LEFT_OUT).open("a") as file:
            file.write(f"{why}\n")
    return SkipTest(why)


def _folder() -> Path:
    folder = os.environ.get(VARIABLE)
    if folder is None:
        raise AssertionError(f"{VARIABLE} is not set: say `make test TESTS=...`, which starts and ends a Cassandra")
    return Path(folder)


def _start(cluster: Cluster) -> None:
    with exclusive(cluster.folder / "first"):
        was_ready = cluster.folder / "was-ready"
        if not was_ready.exists() or any(entry.state != "up" for entry in cluster.status()):
            cluster.up()
            was_ready.touch()
