"""Whom the driver asks, in which order, and whom again. For one node that dies or hangs: nobody is to notice."""

from __future__ import annotations

from threading import Lock
from typing import Any

#: At the first silence of half a second and at the second one another node is asked as well.
TRIES = 3
_SILENCE_SECONDS = 0.5


class Tally:
    """What was asked, and how often one node was not enough. The driver counts in threads of its own."""

    def __init__(self) -> None:
        self.sent = 0  #: requests, each to one node; counted by whoever sends them
        self.failed = 0  #: it failed or refused, and the next one was asked
        self.slow = 0  #: it was silent for half a second, and another one was asked as well
        self._lock = Lock()

    def note_failed(self) -> None:
        """Once more."""
        with self._lock:
            self.failed += 1

    def note_slow(self) -> None:
        """Once more."""
        with self._lock:
            self.slow += 1


def balancing(local_dc: str) -> Any:
    """The nodes that have the row, in turns; then the others; and all once more.

    Not the driver's TokenAwarePolicy: it shuffles one list under the hands of all requests that are being sent, so that
    a second try may go to the very node that hangs. Once more, because a request that two nodes are slow with was sent
    to all three; when one connection breaks then, the others are about to answer.
    """
    from cassandra.policies import DCAwareRoundRobinPolicy, WrapperPolicy

    class ReplicasFirst(WrapperPolicy):
        def populate(self, cluster: Any, hosts: Any) -> None:
            self._metadata = cluster.metadata
            super().populate(cluster, hosts)

        def make_query_plan(self, working_keyspace: Any = None, query: Any = None) -> Any:
            nodes = list(self._child_policy.make_query_plan(working_keyspace, query))
            keyspace = working_keyspace if query is None else query.keyspace or working_keyspace
            if keyspace and query is not None and query.routing_key is not None:
                replicas = self._metadata.get_replicas(keyspace, query.routing_key)
                nodes.sort(key=lambda node: node not in replicas)
            return nodes + nodes

    return ReplicasFirst(DCAwareRoundRobinPolicy(local_dc=local_dc))


def speculating(tally: Tally) -> Any:
    """Another node after each half second of silence, for what may be done twice."""
    from cassandra.policies import SpeculativeExecutionPlan, SpeculativeExecutionPolicy

    class Plan(SpeculativeExecutionPlan):
        def __init__(self) -> None:
            self.asked = 0

        def next_execution(self, host: Any) -> float:
            """Seconds until the next one is asked, -1 for never; called whenever one was."""
            self.asked += 1
            if self.asked > 1:
                tally.note_slow()
            return _SILENCE_SECONDS if self.asked < TRIES else -1

    class AfterSilence(SpeculativeExecutionPolicy):
        def new_plan(self, keyspace: Any, statement: Any) -> Any:
            return Plan()

    return AfterSilence()


def retrying(tally: Tally) -> Any:
    """The next node for what may be done twice, an error for all else; the driver's own asks nobody."""
    from cassandra.policies import RetryPolicy

    class NextHostIfIdempotent(RetryPolicy):
        def next_host_if(self, is_wanted: bool) -> Any:
            """What the driver wants to hear."""
            if is_wanted:
                tally.note_failed()
            return (self.RETRY_NEXT_HOST if is_wanted else self.RETHROW), None

        def on_request_error(self, query: Any, consistency: Any, error: Any, retry_num: int) -> Any:
            return self.next_host_if((query is None or query.is_idempotent) and retry_num < 2)  # None: being prepared

        def on_read_timeout(self, query: Any, *rest: Any, retry_num: int = 0, **more: Any) -> Any:
            """Each of the three tries once more: by then the nodes know which of them has died."""
            return self.next_host_if(retry_num < TRIES)

        def on_write_timeout(self, query: Any, consistency: Any, *rest: Any, **more: Any) -> Any:
            return self.RETHROW, None

        def on_unavailable(self, query: Any, consistency: Any, *rest: Any, retry_num: int = 0, **more: Any) -> Any:
            """Nothing was done. A node that is cut off from the others says this of them: ask each first."""
            return self.next_host_if(retry_num < TRIES - 1)

    return NextHostIfIdempotent()
