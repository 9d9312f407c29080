"""The daemon's figures, as Prometheus takes them: prefix ``smok_``, base units, no label that a stranger can grow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from ..readings import QUALITY_OF_FAULT, Fault, Report

#: Labels come from strangers' faults; the vocabulary is ours and small, and bounded all the same.
_WORDS_AT_MOST = 100


@dataclass(frozen=True)
class _CountedElsewhere(Collector):
    name: str
    text: str
    read: Callable[[], float]

    def collect(self) -> Iterator[CounterMetricFamily]:
        yield CounterMetricFamily(self.name, self.text, self.read())


class Metrics:
    """All figures of one daemon; several may live in one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.violations = self._counter("violations", "Faults of peers and refusals at the door", "link", "reason")
        self.crashes = self._counter("session_crashes", "Sessions ended by a fault of our own", "link")
        self.ended = self._counter("sessions_ended", "Connections that are over", "link", "mood")
        self.batches = self._counter("batches", "Batches that became durable")
        self.reports = self._counter("reports", "Rounds of readings that became durable")
        self.samples = self._counter("samples", "Register words and bits that became durable")
        self.lost = self._counter("readings_lost", "Readings of devices without a memory that could not be stored")
        self.line_faults = self._counter("line_faults", "Commands that failed behind a device", "link", "fault")
        self.commands = self._counter("commands", "Writes to equipment that are settled", "state")
        self.commit = Histogram(
            "smok_batch_commit_seconds",
            "From a batch's arrival until it is durable",
            buckets=(0.01, 0.02, 0.05, 0.1, 0.15, 0.25, 0.5, 1, 5, 30),
            registry=self.registry,
        )

    def stored(self, reports: tuple[Report, ...], seconds: float) -> None:
        """A batch became durable ``seconds`` after it had come."""
        self.batches.inc()
        self.reports.inc(len(reports))
        self.samples.inc(sum(len(block.words) for report in reports for block in report.blocks))
        self.commit.observe(seconds)

    def line_fault(self, link: str, fault: Fault) -> None:
        """A unit on some device's serial line gave no answer, or a garbled one."""
        self.line_faults.labels(link, QUALITY_OF_FAULT[fault]).inc()

    def command_settled(self, state: str) -> None:
        """A write to equipment has ended as this."""
        self.commands.labels(state).inc()

    def gauge(self, name: str, text: str, read: Callable[[], float]) -> None:
        """A figure that is read when somebody asks for it."""
        Gauge(f"smok_{name}", text, registry=self.registry).set_function(read)

    def count(self, name: str, text: str, read: Callable[[], float]) -> None:
        """What somebody else counts up from 0, read like a gauge; its name gets ``_total``."""
        self.registry.register(_CountedElsewhere(f"smok_{name}", text, read))

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"smok_{name}", text, labels, registry=self.registry)


def bounded(counter: Counter, *labels: str) -> Counter:
    """The child of ``counter`` for these labels, or the one named ``other`` when there are too many already."""
    if labels not in counter._metrics and len(counter._metrics) >= _WORDS_AT_MOST:
        labels = (*labels[:-1], "other")
    return counter.labels(*labels)
