"""One session goes wrong under the whole daemon; the others do not notice."""

from __future__ import annotations

import shutil
import signal
import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from .independent_device import Ack, IndependentDevice, Plan, Report, Round
from .kill_loop import MODEL
from .processes import Daemon, wait_until

#: A fault of our own, planted: an event of a device is more than the daemon can bear.
_FAULT = "from smok_twisted.devices.device import Device; Device.reported_event = lambda *_: 1 / 0; "


class Sessions(SynchronousTestCase):
    """A daemon and two devices."""

    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.daemon = Daemon(self.folder)
        self.batches: dict[IndependentDevice, int] = {}
        self.addCleanup(lambda: self.daemon.process and self.daemon.end(signal.SIGKILL))

    def start(self) -> tuple[IndependentDevice, IndependentDevice]:
        self.daemon.start()
        self.daemon.api("POST", "/models", MODEL)
        return self.add("one"), self.add("other")

    def add(self, name: str) -> IndependentDevice:
        made = self.daemon.api("POST", "/devices", {"name": name, "model": "counter"})
        secret = bytes.fromhex(made["secret"])
        device = IndependentDevice("127.0.0.1", self.daemon.smok4, int(made["id"], 16), secret, timeout=20)
        self.addCleanup(device.close)
        device.connect()
        device.send_planok(0)
        plan = device.receive()
        assert isinstance(plan, Plan)
        device.handle(plan, {})
        return device

    def again(self, device: IndependentDevice) -> None:
        """It comes back, and nothing that was acknowledged is asked for again."""
        self.assertEqual(device.connect().cursor, self.batches.get(device, 0))
        device.send_planok(device.held)

    def report(self, device: IndependentDevice) -> None:
        self.batches[device] = batch = self.batches.get(device, 0) + 1
        device.send_data(batch, [Round(0, (Report(0, (0, batch)),))])
        self.assertEqual(device.receive(), Ack(batch))

    def is_closed(self, device: IndependentDevice) -> None:
        """Without an octet more."""
        self.assertRaises(ConnectionError, device.receive)

    def events(self, kind: str) -> list[str]:
        """Severities of the events of a kind, newest first."""
        return [one["severity"] for one in self.daemon.api("GET", "/events")["events"] if one["kind"] == kind]

    def test_a_bad_tag(self) -> None:
        """F22: that session is closed without a word, an event tells, and the third in ten minutes is an alarm."""
        one, other = self.start()
        self.report(one)
        for number in range(3):
            record = bytearray(one.to_server.seal(b"\x03"))
            record[-1] ^= 1
            one.send_raw(bytes(record))
            self.is_closed(one)
            self.report(other)
            wait_until(lambda count=number + 1: len(self.events("bad-tag")) == count, "the event", 10)
            self.again(one)
            self.report(one)
        self.assertEqual(self.events("bad-tag"), ["high", "low", "low"])
        self.assertEqual(self.daemon.figure("smok_violations_total", link="smok4", reason="bad-tag"), 3)

    def test_an_exception_in_one_handler(self) -> None:
        """F30: it ends that session only, is counted and logged once each; the device comes back and goes on."""
        self.daemon.preamble = _FAULT
        one, other = self.start()
        self.report(one)
        self.report(other)
        for _ in range(2):
            one.send_event(1, b"power")
            self.is_closed(one)
            self.report(other)
            self.again(one)
            self.report(one)
        self.assertEqual(self.daemon.figure("smok_session_crashes_total", link="smok4"), 2)
        self.assertEqual(self.daemon.figure("smok_sessions_ended_total", link="smok4", mood="crashed"), 2)
        assert self.daemon.process is not None
        self.assertEqual(self.daemon.process.output().count("ZeroDivisionError"), 2)
        self.assertTrue(all(one["connected"] for one in self.daemon.api("GET", "/devices")["devices"]))
