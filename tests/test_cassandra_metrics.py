"""Promise: ``/metrics`` of a daemon on Cassandra shows how database and journal do."""

from __future__ import annotations

import urllib.request
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families
from twisted.trial.unittest import SynchronousTestCase

from . import cassandra_faults as faults
from .cassandra_shared import lent_keyspace


class Figures(SynchronousTestCase):
    """``test_cassandra_faults`` has those of a database that is away."""

    def test_of_a_daemon(self):
        """Requests by what became of them, how long they took, what the journal takes and what is not settled."""
        options = lent_keyspace(self)
        folder = Path(self.mktemp()).absolute()
        folder.mkdir()
        daemon = faults.daemon_on(options, folder)
        with faults.under_load(daemon) as load:
            load.end()
            faults.wait_for(lambda: daemon.figure("smok_journal_unsettled") == 0, 30, "all of the journal settled")
            ok = daemon.figure("smok_cassandra_requests_total", outcome="ok")
            self.assertGreaterEqual(ok, load.acknowledged)
            self.assertGreaterEqual(daemon.figure("smok_cassandra_request_seconds_count"), ok)
            self.assertGreater(daemon.figure("smok_cassandra_request_seconds_sum"), 0)
            self.assertEqual(daemon.figure("smok_cassandra_up"), 1)
            octets = daemon.figure("smok_journal_bytes")
            self.assertEqual(octets, sum(path.stat().st_size for path in self.segments(daemon)))
            self.assertGreater(daemon.figure("smok_journal_limit_bytes"), octets)
            with urllib.request.urlopen(f"http://127.0.0.1:{daemon.web}/metrics", timeout=20) as answer:
                names = {family.name for family in text_string_to_metric_families(answer.read().decode())}
        wanted = {"cassandra_in_flight", "cassandra_waiting", "journal_unsettled_seconds", "journal_waiting"}
        self.assertLessEqual({f"smok_{name}" for name in wanted}, names)

    @staticmethod
    def segments(daemon):
        return (daemon.data_dir / "journal").glob("*.journal")
