"""Promise: how the database does is seen in the daemon's metrics."""

from __future__ import annotations

from prometheus_client import generate_latest
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.errors import StorageAway
from smok_twisted.observe.metrics import Metrics
from smok_twisted.observe.requests import OUTCOMES, Requests
from smok_twisted.storage.cassandra.bridge import Refused, Unknown

from .bridge_rig import BridgeRig


class Figures(SynchronousTestCase):
    def setUp(self):
        self.metrics = Metrics()
        self.requests = Requests(self.metrics)

    def figure(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"smok_cassandra_{name}", labels)

    def test_all_are_there_from_the_start(self):
        """A rate of something that did not happen yet is 0, not missing."""
        self.assertEqual([self.figure("requests_total", outcome=outcome) for outcome in OUTCOMES], [0] * 4)

    def test_other_nodes(self):
        """How often one was not enough: 0 before there is a connection."""
        rig = BridgeRig(observer=self.requests)
        self.requests.watch(rig.bridge)
        names = ("sent_total", "retries_total", "speculations_total")
        self.assertEqual([self.figure(name) for name in names], [0, 0, 0])
        rig.bridge.connect()
        rig.reactor.work()
        rig.session.tally.note_failed()
        for _ in range(2):
            rig.session.tally.note_slow()
        self.assertEqual([self.figure(name) for name in names], [1, 1, 2])  # the probe was sent

    def test_outcomes_and_state(self):
        """Each way in which a request ends, how long it took, what is out and what waits."""
        rig = BridgeRig.up(window=1, observer=self.requests)
        self.requests.watch(rig.bridge)
        before = self.figure("request_seconds_count")
        answers = [rig.execute(number) for number in range(4)]
        self.assertEqual([self.figure(name) for name in ("in_flight", "waiting", "up")], [1, 3, 1])
        rig.reactor.advance(3)
        for error in (Unknown("?"), Refused("no"), StorageAway("nobody")):
            rig.fail(error)
        for answer in answers:
            answer.addErrback(lambda _: None)
        ended = {outcome: self.figure("requests_total", outcome=outcome) for outcome in OUTCOMES}
        self.assertEqual(ended, {"ok": before, "unknown": 1, "refused": 1, "away": 2})
        self.assertEqual(self.figure("request_seconds_count"), before + 4)
        self.assertEqual(self.figure("request_seconds_sum"), 12)
        self.assertEqual([self.figure(name) for name in ("in_flight", "waiting", "up")], [0, 0, 0])
        self.assertIn(b"smok_cassandra_up 0.0", generate_latest(self.metrics.registry))
