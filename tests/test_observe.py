"""What the daemon tells about itself, and what strangers cannot make it tell."""

from __future__ import annotations

from prometheus_client import generate_latest
from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.errors import RemoteError
from smok_twisted.observe.burst import Burst
from smok_twisted.observe.metrics import Metrics, bounded
from smok_twisted.observe.summary import OTHERS, SOURCES_AT_MOST, Line, Summary
from smok_twisted.observe.witness import Witness
from smok_twisted.readings import BlockReport, Fault, Report


class Summaries(SynchronousTestCase):
    def test_one_line_a_source_and_minute(self) -> None:
        """The first fault at once, the others together when the minute is over."""
        summary = Summary()
        self.assertEqual(summary.note("a", "bad-magic", "47", 0), Line("a", {"bad-magic": 1}, "47"))
        self.assertEqual([summary.note("a", "bad-magic", "48", second) for second in range(1, 50)], [None] * 49)
        self.assertIsNone(summary.note("a", "bad-tag", "", 50))
        self.assertEqual(summary.due(59), [])
        self.assertEqual(summary.due(60), [Line("a", {"bad-magic": 49, "bad-tag": 1}, "")])
        self.assertEqual((summary.due(120), summary.empty), ([], True))
        self.assertIsNotNone(summary.note("a", "bad-magic", "", 121))

    def test_many_sources_are_one(self) -> None:
        """Memory and lines are bounded."""
        summary = Summary()
        lines = [summary.note(f"source {number}", "x", "", 0) for number in range(2 * SOURCES_AT_MOST)]
        self.assertEqual(len([line for line in lines if line]), SOURCES_AT_MOST + 1)
        self.assertEqual(summary.due(60), [Line(OTHERS, {"x": SOURCES_AT_MOST - 1}, "")])


class Bursts(SynchronousTestCase):
    def test_one_alarm_however_long(self) -> None:
        """F20: ten thousand wrong secrets are one alarm; another burst after a quiet time is another."""
        burst = Burst(failures=10, seconds=600)
        self.assertEqual(sum(burst.begins(number) for number in range(10_000)), 1)
        self.assertEqual(sum(burst.begins(20_000 + number) for number in range(100)), 1)

    def test_now_and_then_is_no_burst(self) -> None:
        """A device with an old secret that comes back every ten minutes."""
        burst = Burst(failures=10, seconds=600)
        self.assertFalse(any(burst.begins(600 * number) for number in range(100)))


class Witnesses(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock, self.metrics, self.alarms = Clock(), Metrics(), list[tuple[str, str]]()
        self.witness = Witness("smok4", self.metrics, self.clock, lambda kind, text: self.alarms.append((kind, text)))
        self.lines: list[str] = []
        globalLogPublisher.addObserver(self.observe)
        self.addCleanup(globalLogPublisher.removeObserver, self.observe)

    def observe(self, event: dict[str, object]) -> None:
        if event.get("log_namespace") == "smok_twisted.observe.witness.Witness":
            self.lines.append(str(event["log_format"]).format(**event))

    def metric(self, name: str) -> str:
        return next(
            line.rpartition(" ")[2] for line in generate_latest(self.metrics.registry).decode().splitlines()
            if line.startswith(name)
        )  # fmt: skip

    def test_ten_thousand_wrong_secrets(self) -> None:
        """Each is counted; two lines in two minutes; one alarm."""
        for _ in range(10_000):
            self.witness.violated("192.0.2.7", RemoteError("wrong-secret", "device 0x2a"))
        self.clock.advance(60)
        line = "smok4 from 192.0.2.7: wrong-secret"
        self.assertEqual(self.lines, [f"{line} (device 0x2a)", f"{line} x 9999 (device 0x2a)"])
        self.assertEqual(self.metric('smok_violations_total{link="smok4",reason="wrong-secret"}'), "10000.0")
        self.assertEqual([kind for kind, _ in self.alarms], ["wrong-secrets"])
        self.clock.pump([60, 60])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_the_end_says_what_waits(self) -> None:
        """And stops the timer."""
        for _ in range(3):
            self.witness.violated("192.0.2.7", RemoteError("bad-magic"))
        self.witness.stop()
        self.assertEqual(self.lines[1:], ["smok4 from 192.0.2.7: bad-magic x 2"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_a_fault_of_our_own(self) -> None:
        """Is logged whole."""
        self.witness.crashed("192.0.2.7", Failure(ZeroDivisionError("ours")))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(self.metric('smok_session_crashes_total{link="smok4"}'), "1.0")

    def test_labels_are_bounded(self) -> None:
        """Whatever words come."""
        for number in range(1000):
            bounded(self.metrics.ended, "smok4", f"mood-{number}").inc()
        self.assertEqual(self.metric('smok_sessions_ended_total{link="smok4",mood="other"}'), "900.0")

    def test_what_failed_behind_devices(self) -> None:
        """By link and kind; no label names a device or a unit."""
        for fault in (Fault.TIMEOUT, Fault.CRC, Fault.TIMEOUT):
            self.metrics.line_fault("p24", fault)
        figures = [self.metric(f'smok_line_faults_total{{fault="{word}",link="p24"}}') for word in ("timeout", "crc")]
        self.assertEqual(figures, ["2.0", "1.0"])

    def test_what_was_stored(self) -> None:
        """Batches, reports and samples."""
        report = Report(1, 0, 0, 1, 0, 1, (BlockReport(0, (1, 2, 3)), BlockReport(1, (), 2)))
        self.metrics.stored((report, report), 0.03)
        figures = [self.metric(f"smok_{name}_total") for name in ("batches", "reports", "samples")]
        self.assertEqual(figures, ["1.0", "2.0", "6.0"])
