"""What a run with a fault tells: how long batches waited for their ACK, how long none came, and a plot of it."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from unittest.mock import Mock
from xml.etree import ElementTree

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from .ack_times import AckTimes, Course
from .fault_plot import draw
from .independent_device import Ack
from .kill_loop import Client

DOCS = Path(__file__).resolve().parent.parent / "docs"


class Times(SynchronousTestCase):
    """One device, whose batches are covered one second after the other; ten are sent at once."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.times = AckTimes(self.clock.seconds)
        self.course = Course(self.clock.seconds)
        self.sent = 0

    def one(self, seconds: float) -> None:
        """A batch, and its ACK so long after."""
        self.sent += 1
        self.times.sent(self.sent)
        self.clock.advance(seconds)
        self.times.acknowledged(self.sent)

    def test_an_ack_covers_what_was_sent_before(self) -> None:
        """Each batch has waited since it was sent itself; none counts twice."""
        for batch in (1, 2, 3):
            self.times.sent(batch)
            self.clock.advance(1)
        self.times.acknowledged(2)
        self.times.acknowledged(2)
        self.clock.advance(1)
        self.times.acknowledged(3)
        self.assertEqual([(one.at_seconds, one.waited_seconds) for one in self.times.covered], [(3, 3), (3, 2), (4, 2)])

    def test_a_device_under_load_notes_them(self) -> None:
        """Each batch that it sends and each ACK that it hears."""
        device = {"name": "counter-0", "id": "0x1", "secret": "00" * 32}
        client = Client(Mock(smok4=2406), device, threading.Event())
        client.device = Mock(receive=Mock(return_value=Ack(2)))
        for _ in range(3):
            client._send()
        client._listen(1.0)
        client._listen(1.0)
        self.assertEqual(len(client.ack_times.covered), 2)

    def run_of_two(self) -> None:
        """Quiet at 10 ms, then killed at 50 ms with one of 1.5 s; the same for hung, with 2.5 s."""
        for kind, longest in (("kill", 1.5), ("hang", 2.5)):
            for _ in range(100):
                self.one(0.01)
            self.course.struck(kind)
            for _ in range(49):
                self.one(0.05)
            self.one(longest)
            self.course.over(kind)

    def test_figures(self) -> None:
        """For each fault, and for the quiet time before it."""
        self.run_of_two()
        self.assertEqual(self.course.figures(self.times.covered), {
            "longest gap kill": 1.5, "ack p50 / p99 ms before kill": "10 / 10", "ack p50 / p99 ms kill": "50 / 1500",
            "longest gap hang": 2.5, "ack p50 / p99 ms before hang": "10 / 10", "ack p50 / p99 ms hang": "50 / 2500",
        })  # fmt: skip

    def test_when_nothing_is_acknowledged_any_more(self) -> None:
        """The gap lasts as long as the fault, and the time until an ACK has no end."""
        self.one(0.01)
        self.course.struck("kill")
        self.clock.advance(7)
        self.course.over("kill")
        figures = self.course.figures(self.times.covered)
        self.assertEqual((figures["longest gap kill"], figures["ack p50 / p99 ms kill"]), (7, "inf / inf"))

    def test_drawn(self) -> None:
        """What was kept can be drawn: the faults by their names, in a file that is the same each time."""
        self.run_of_two()
        folder = Path(self.mktemp())
        folder.mkdir()
        self.course.keep(self.times.covered, folder / "node.json")
        kept = json.loads((folder / "node.json").read_text())
        self.assertEqual(kept["faults"], [["kill", 1.0, 4.95], ["hang", 5.95, 10.9]])
        self.assertEqual(sum(kept["batches"]), 300)
        for name in ("once.svg", "again.svg"):
            draw([kept, kept], folder / name)
        drawing = (folder / "once.svg").read_text()
        self.assertEqual(drawing, (folder / "again.svg").read_text())
        texts = "".join(ElementTree.fromstring(drawing).itertext())
        self.assertTrue("killed" in texts and "hung (SIGSTOP)" in texts)

    def test_the_page_shows_what_was_kept(self) -> None:
        """Each fault of the issue, and the file from which it can be drawn again."""
        kept = [json.loads((DOCS / "reliability" / f"{name}.json").read_text()) for name in ("node", "partition")]
        self.assertEqual([one[0] for run in kept for one in run["faults"]], ["kill", "hang", "restart", "partition"])
        words = "".join(ElementTree.parse(DOCS / "reliability" / "acknowledged.svg").getroot().itertext())
        for word in ("killed", "hung", "restarted", "cut off"):
            self.assertIn(word, words)
        self.assertIn(".. image:: reliability/acknowledged.svg", (DOCS / "reliability.rst").read_text(encoding="utf-8"))
