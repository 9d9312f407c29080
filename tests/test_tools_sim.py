"""Promise: ``smok sim`` puts living boiler rooms on the page, and ends when it is told to."""

from __future__ import annotations

import shutil
import signal
import tempfile
import time
import urllib.request
from pathlib import Path

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.errors import UserError
from smok_twisted.tools.sim import boiler_time, main

from .processes import Daemon, Process, free_port, wait_until


class Commands(SynchronousTestCase):
    """The command, without a daemon."""

    def refused(self, *argv):
        return str(self.assertRaises(UserError, main, argv))

    def test_wrong_arguments(self):
        """One sentence that names the option and what it takes."""
        self.assertIn("--devices", self.refused("--devices", "0"))
        self.assertIn("a number from 0.1 to 3600", self.refused("--speed", "0"))
        self.assertIn("--drop-rate", self.refused("--drop-rate", "often"))
        self.assertIn("HOST:PORT", self.refused("--server", "127.0.0.1:0"))
        self.assertIn("a number from 0 to 100", self.refused("--exceptions", "101"))
        self.assertIn("does not tell a port: name the place by --server", self.refused("--config", self.unix_config()))
        self.assertIn("a network such as 10.0.0.0/8", self.refused("--p24-from", "everywhere"))

    def unix_config(self):
        config = Path(self.mktemp())
        config.write_text('[listen]\nsmok4 = "unix:/tmp/smok"\n')
        return str(config)

    def test_p24_is_off_by_default(self):
        """Without a place where a daemon serves it, one sentence says what to set."""
        self.assertIn('[listen] p24 = "tcp:2405"', self.refused("--p24", "1"))

    def test_time_of_the_boiler_rooms(self):
        """It is local time to begin with, and runs as fast as one likes."""
        clock = Clock()
        clock.advance(1000)
        now = boiler_time(60.0, clock.seconds, 1_800_000_000.0)
        local = time.localtime(1_800_000_000)
        self.assertEqual(now() % 86400, local.tm_hour * 3600 + local.tm_min * 60 + local.tm_sec)
        before = now()
        clock.advance(2)
        self.assertEqual(now() - before, 120)


class BesideADaemon(SynchronousTestCase):
    """As a process, beside a real daemon."""

    def setUp(self):
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.daemon = Daemon(self.folder)

    def sim(self, *options):
        command = ("-m", "smok_twisted.tools.main", "sim", "--config", str(self.daemon.config), *options)
        process = Process(self.folder / "sim.log", *command)
        self.addCleanup(process.end, signal.SIGKILL)
        return process

    def good_values(self, device):
        """How many of its points have a good value."""
        values = self.daemon.api("GET", f"/devices/{device}/values")["values"]
        return sum(value["quality"] == "good" for value in values)

    def test_from_nothing_to_values_and_again(self):
        """Devices are made, dial in and have values; started again it is the same devices, with nothing to set up."""
        self.daemon.start()
        self.addCleanup(self.daemon.end)
        devices = []
        for how in (signal.SIGTERM, signal.SIGINT):
            sim = self.sim("--devices", "2", "--speed", "10")
            wait_until(lambda: self.daemon.api("GET", "/status")["connected"] == 2, "two devices")
            wait_until(lambda: self.good_values("boiler-room-1") == 18, "all values")
            wait_until(lambda: self.good_values("boiler-room-2") == 6, "all values but the meter's")
            devices.append([one["id"] for one in self.daemon.api("GET", "/devices")["devices"]])
            self.assertEqual(sim.end(how), 0)
            wait_until(lambda: self.daemon.api("GET", "/status")["connected"] == 0, "both gone")
            self.assertNotIn("Traceback", sim.output())
        self.assertEqual(devices[0], devices[1])
        with urllib.request.urlopen(f"http://127.0.0.1:{self.daemon.web}/metrics", timeout=10) as metrics:
            self.assertIn(b'smok_sessions_ended_total{link="smok4",mood="bye-0"} 4.0', metrics.read())

    def test_first_generation_faults_and_ledger(self):
        """P24 devices dial in too; with a fault for each request no value is good; the ledger has what was reported."""
        self.daemon.start()
        self.addCleanup(self.daemon.end)
        options = ("--devices", "1", "--p24", "1", "--exceptions", "100", "--volatile", "--ledger", "made")
        sim = self.sim(*options)
        wait_until(lambda: self.daemon.api("GET", "/status")["connected"] == 2, "two devices")
        wait_until(lambda: self.qualities("boiler-room-1") <= {"exception-4", "exception-6"}, "exceptions")
        wait_until(lambda: "timeout" in self.qualities("boiler-room-p24-1"), "what P24 calls an exception")
        self.assertLessEqual(self.qualities("boiler-room-p24-1"), {"timeout", "stale"})  # it rests before it goes on
        self.assertEqual(sim.end(), 0)
        (line, *_) = (self.folder / "made").read_text().splitlines()
        self.assertEqual(line.split()[0], self.daemon.api("GET", "/devices/boiler-room-1")["id"])
        self.assertNotIn("Traceback", sim.output())

    def qualities(self, device):
        """Of its points."""
        values = self.daemon.api("GET", f"/devices/{device}/values")["values"]
        return {value["quality"] for value in values}

    def test_no_daemon(self):
        """One line that says where none answers, and exit status 3."""
        sim = self.sim("--token", "x", "--url", f"http://127.0.0.1:{free_port()}")
        wait_until(lambda: sim.exit_status is not None, "the end")
        self.assertEqual(sim.exit_status, 3)
        self.assertRegex(sim.output(), r"\Asmok: no daemon answers at [^\n]+\n\Z")

    def test_two_on_one_folder(self):
        """The second one is told in one line that the first has it, and the first goes on."""
        self.daemon.start()
        self.addCleanup(self.daemon.end)
        self.sim("--devices", "1")
        wait_until(lambda: self.daemon.api("GET", "/status")["connected"] == 1, "the first")
        log = self.folder / "second"
        log.mkdir()
        command = ("-m", "smok_twisted.tools.main", "sim", "--config", str(self.daemon.config), "--devices", "1")
        second = Process(log / "sim.log", *command, "--server", f"127.0.0.1:{self.daemon.smok4}")
        wait_until(lambda: second.exit_status is not None, "the end of the second")
        self.assertEqual(second.exit_status, 1)
        self.assertRegex(second.output(), r"smok: [^\n]+ in use by process [^\n]+\n\Z")
        self.assertNotIn("Traceback", second.output())
        self.assertEqual(self.daemon.api("GET", "/status")["connected"], 1)
