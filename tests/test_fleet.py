"""Promise: a whole fleet loses nothing while things go wrong, and who stayed does not notice when the others come back.

Short versions of ``make fleet`` and ``make storm``, and whether these would notice.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from . import fleet_run, storm_run
from .fleet_rig import OPEN_DOOR

#: Everything goes wrong within a minute.
OFTEN = ("--drop-rate", "600", "--dead-unit-rate", "300", "--power-cut-rate", "360", "--exceptions", "5",
    "--slow-answers", "5")  # fmt: skip


class Runs(SynchronousTestCase):
    """With processes."""

    def setUp(self):
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)

    def test_a_fleet(self):
        """Connections are lost, units fall silent, the power fails: each report is stored once or still waits."""
        figures = fleet_run.run(self.folder, devices=50, p24=5, seconds=20, faults=OFTEN)
        self.assertTrue(fleet_run.holds(figures), fleet_run.report(figures))
        self.assertGreater(figures.p24_stored, 0)
        log = (self.folder / "sim.log").read_text()
        self.assertTrue(all(figures.mishaps), figures.mishaps)
        self.assertNotIn("Traceback", log + (self.folder / "daemon.log").read_text())

    def test_a_storm(self):
        """With the limits of a daemon that nobody has configured, from many addresses; the twenty that stay, and ask
        500 times a second, do not notice."""
        figures = storm_run.run(self.folder, devices=800, sources=80, limits="", staying_seconds=0.04)
        told = storm_run.report(figures)
        self.assertEqual((figures.missing, len(figures.back)), (0, 800))
        self.assertGreater(min(len(figures.storm["pong"]), len(figures.storm["ack"])), 40, told)
        # On a machine with much else to do it is slow before the storm as well; `make storm` asks for one second.
        usual = max(storm_run.p99(figures.calm[kind]) for kind in ("pong", "ack"))
        self.assertTrue(storm_run.holds(figures, max(storm_run.LONGEST_SECONDS, 5 * usual)), told)
        self.assertIn("800 devices, 0 missing", told)
        self.assertNotIn("Traceback", (self.folder / "daemon.log").read_text())

    def test_a_storm_that_is_noticed(self):
        """One answer in fifty is late, none is there at all, or one never came: that does not pass."""
        quick = [0.01] * 98
        for pong, unanswered in (([*quick, 1.1, 1.2], 0), ([], 0), (quick, 1)):
            waits = {"pong": pong, "ack": quick, "late": []}
            figures = storm_run.Figures(1, [1.0], 0, {"attempts": 1}, waits, waits, unanswered)
            self.assertFalse(storm_run.holds(figures))

    def test_a_storm_from_one_address(self):
        """As behind one NAT: only so many a second are let in, the others come again, and all are back."""
        limits = OPEN_DOOR.replace("accepts_per_second = 100000.0", "accepts_per_second = 20.0")
        figures = storm_run.run(self.folder, devices=60, sources=1, limits=limits)
        self.assertEqual((figures.missing, len(figures.back)), (0, 60))
        self.assertIn('link="smok4",reason="too-fast-from-source"', figures.violations)


class Counting(SynchronousTestCase):
    """Made, stored, waiting, missing, twice, disordered."""

    def count(self, made, stored, kept=""):
        """Reports are letters."""
        return fleet_run.count(*({1: [bytes([letter]) for letter in text.encode()]} for text in (made, stored, kept)))

    def test_all_is_well(self):
        """Everything is stored, or still on its device; what the device keeps and need not is no matter."""
        self.assertEqual(self.count("abca", "abca"), (4, 4, 0, 0, 0, 0))
        self.assertEqual(self.count("abcab", "abc", "bcab"), (5, 3, 2, 0, 0, 0))

    def test_one_is_missing(self):
        """At the end, or in the middle."""
        self.assertEqual(self.count("abcd", "abc"), (4, 3, 0, 1, 0, 0))
        self.assertEqual(self.count("abcd", "abd"), (4, 3, 0, 1, 0, 1))

    def test_one_is_there_twice(self):
        """Or was never made."""
        self.assertEqual(self.count("abc", "abbc"), (3, 4, 0, 0, 1, 1))
        self.assertEqual(self.count("abc", "abcx"), (3, 4, 0, 0, 1, 1))

    def test_wrong_order(self):
        """All there, but not as they were made."""
        self.assertEqual(self.count("abc", "acb"), (3, 3, 0, 0, 0, 1))

    def test_a_device_that_stored_nothing(self):
        """Is not overlooked."""
        self.assertEqual(fleet_run.count({1: [b"a"], 2: [b"b"]}, {1: [b"a"]}, {}), (2, 1, 0, 1, 0, 0))
