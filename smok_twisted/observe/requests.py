"""Figures of the bridge to Cassandra, among the daemon's."""

from __future__ import annotations

from typing import Protocol

from prometheus_client import Counter, Histogram

from .metrics import Metrics

OUTCOMES = ("ok", "unknown", "refused", "away")


class _Tally(Protocol):
    sent: int
    failed: int
    slow: int


class _Bridge(Protocol):
    @property
    def in_flight(self) -> int: ...

    @property
    def waiting(self) -> int: ...

    @property
    def is_up(self) -> bool: ...

    @property
    def tally(self) -> _Tally: ...


class Requests:
    """The observer of a ``storage.cassandra.bridge.Bridge``; ``watch`` it once it is made::

        requests = Requests(metrics)
        bridge = Bridge(options, reactor, requests)
        requests.watch(bridge)

    The bridge knows nothing of Prometheus.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        total = Counter(
            "smok_cassandra_requests", "Requests to Cassandra that ended", ["outcome"], registry=metrics.registry
        )
        self._total = {outcome: total.labels(outcome) for outcome in OUTCOMES}
        self._seconds = Histogram(
            "smok_cassandra_request_seconds",
            "From a request to Cassandra until its answer, waiting included",
            buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 5, 15),
            registry=metrics.registry,
        )

    def answered(self, outcome: str, seconds: float) -> None:
        """One of ``OUTCOMES``."""
        self._total[outcome].inc()
        self._seconds.observe(seconds)

    def watch(self, bridge: _Bridge) -> None:
        """Its state is read when somebody asks for it."""
        gauge, count = self._metrics.gauge, self._metrics.count
        gauge("cassandra_in_flight", "Requests that Cassandra has not answered yet", lambda: bridge.in_flight)
        gauge("cassandra_waiting", "Requests to Cassandra that are not sent yet", lambda: bridge.waiting)
        gauge("cassandra_up", "1 while requests are sent to Cassandra", lambda: bridge.is_up)
        count("cassandra_sent", "Requests that were sent; several rows may be one", lambda: bridge.tally.sent)
        count("cassandra_retries", "Requests that another node was asked for: one failed", lambda: bridge.tally.failed)
        count("cassandra_speculations", "The same: one was silent for half a second", lambda: bridge.tally.slow)
