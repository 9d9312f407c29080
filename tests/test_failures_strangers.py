"""Strangers at the door of the whole daemon: slow ones, curious ones, and those who guess secrets."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import urllib.request
from pathlib import Path

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from . import slow_strangers, wrong_secrets
from .independent_device import Ack, IndependentDevice, Report, Round
from .kill_loop import MODEL
from .processes import Daemon


class Strangers(SynchronousTestCase):
    """A daemon with one device that works all the time."""

    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.daemon = Daemon(self.folder)
        self.daemon.start()
        self.addCleanup(lambda: self.daemon.end())
        self.daemon.api("POST", "/models", MODEL)
        self.device = self.add("counter")
        self.device.connect()
        self.device.send_planok(0)
        self.device.handle(self.device.receive(), {})
        self.batch = 0

    def add(self, name: str) -> IndependentDevice:
        made = self.daemon.api("POST", "/devices", {"name": name, "model": "counter"})
        secret = bytes.fromhex(made["secret"])
        device = IndependentDevice("127.0.0.1", self.daemon.smok4, int(made["id"], 16), secret, timeout=20)
        self.addCleanup(device.close)
        return device

    def report(self) -> None:
        """What the device does meanwhile, and must be able to do."""
        self.batch += 1
        self.device.send_data(self.batch, [Round(0, (Report(0, (0, self.batch)),))])
        self.assertEqual(self.device.receive(), Ack(self.batch))

    def lines(self, source: str) -> list[str]:
        """What the log says of a source."""
        assert self.daemon.process is not None
        self.assertNotIn("Traceback", self.daemon.process.output())
        marks = (f"smok4 from {source}: ", f"p24 from {source}: ")
        lines = self.daemon.process.output().splitlines()
        return [line[line.index(mark) :] for line in lines for mark in marks if mark in line]


class SlowOnes(Strangers):
    def test_each_is_cut_after_a_minute(self) -> None:
        """F18: 60 s from accept to login whatever trickles in, 60 s for a record; and F19: one line a minute."""
        for _ in range(30):
            self.probe(bytes(20), "127.0.0.19")
        some = dict(slow_strangers.before_login(self.daemon, self.add("slow")))
        some["slow record"] = slow_strangers.after_login(self.add("slower"))
        slow_strangers.watch(some, self.report)
        for name, one in some.items():
            assert one.cut_after is not None, f"{name} is still there"
            self.assertTrue(55 < one.cut_after < 80, f"{name}: cut after {one.cut_after} s")
            self.assertEqual(len(one.heard), 9 if name == "silent after hello" else 0, name)
        self.assertGreater(self.batch, 40)
        counts = {("smok4", "login-timeout"): 4, ("smok4", "slow-frame"): 1, ("p24", "login-timeout"): 2}
        for (link, reason), count in counts.items():
            self.assertEqual(self.daemon.figure("smok_violations_total", link=link, reason=reason), count)
        self.assertEqual(
            [line.partition(" (")[0] for line in self.lines("127.0.0.19")],
            ["smok4 from 127.0.0.19: bad-magic", "smok4 from 127.0.0.19: bad-magic x 29"],
        )

    def probe(self, octets: bytes, source: str) -> None:
        with socket.create_connection(("127.0.0.1", self.daemon.smok4), 10, source_address=(source, 0)) as line:
            line.sendall(octets)
            self.assertEqual(heard(line), b"")


class CuriousOnes(Strangers):
    """F19: scanners and lost clients, as they are."""

    def test_a_browser(self) -> None:
        """urllib finds no web server."""
        self.assertRaises(OSError, urllib.request.urlopen, f"http://127.0.0.1:{self.daemon.smok4}/", timeout=20)
        self.report()

    def test_tls(self) -> None:
        """OpenSSL's client finds no TLS, and reads not one octet."""
        if shutil.which("openssl") is None:
            raise SkipTest("no openssl: no TLS client knocks; install openssl for that")
        done = subprocess.run(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{self.daemon.smok4}"],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        self.assertIn("SSL handshake has read 0 bytes", done.stdout)
        self.report()

    def test_after_twenty_octets_it_is_over(self) -> None:
        """Whatever they are, one by one or at once: closed with the 20th, without an answer, one line in the log."""
        for octets in (b"SSH-2.0-OpenSSH_9.2p1\r\n", b"EHLO scanner.example\r\n", bytes(range(256)), b"\r\n" * 20):
            self.assertEqual(self.accepted(octets), 20)
            with socket.create_connection(("127.0.0.1", self.daemon.smok4), 10) as line:
                line.sendall(octets)
                self.assertEqual(heard(line), b"")
        for _ in range(50):  # who only looks whether the port is open
            socket.create_connection(("127.0.0.1", self.daemon.smok4), 10).close()
        self.report()
        (line,) = self.lines("127.0.0.1")
        self.assertTrue(line.startswith("smok4 from 127.0.0.1: bad-magic"), line)
        self.assertEqual(self.daemon.figure("smok_violations_total", link="smok4", reason="bad-magic"), 8)

    def accepted(self, octets: bytes) -> int:
        """How many octets, one segment each, the daemon takes before it closes."""
        with socket.create_connection(("127.0.0.1", self.daemon.smok4), 10) as line:
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            line.settimeout(0.02)
            for number, octet in enumerate(octets, 1):
                line.send(bytes([octet]))
                try:
                    if number >= 20:
                        line.settimeout(20)
                    self.assertEqual(line.recv(100), b"")
                    return number
                except TimeoutError:
                    pass
                except ConnectionResetError:
                    return number
        return len(octets)


class Guessers(SynchronousTestCase):
    def test_a_thousand_wrong_secrets(self) -> None:
        """F20: no lockout, the device itself logs in and reports, one alarm, no memory; more in ``make failures``."""
        folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, folder)
        found = wrong_secrets.run(folder, 1000)
        self.assertEqual((found["refused"], found["answers"]), (1000, 0))
        self.assertEqual((found["alarms"], found["events"]), (1, 1))
        self.assertEqual(found["lines"], len(wrong_secrets.SOURCES))
        self.assertLess(found["mib_after"] - found["mib_before"], 16)
        self.assertGreater(found["acks"], 0)
        self.assertLess(found["ack_median_ms"], 5_000)  # make failures is stricter, on a machine that does nothing else
        self.assertLess(found["login_worst_ms"], 15_000)

    def test_what_make_failures_would_say(self) -> None:
        """A device that hardly gets through, or not at all, is no success; what went before the attack is no matter."""
        worker = wrong_secrets.Worker(0, {"id": "0", "secret": ""})
        worker.acks = [wrong_secrets.Waited(float(at), 0.05) for at in range(100)]
        worker.acks += [wrong_secrets.Waited(100.0 + at, 0.2) for at in range(10)]
        worker.logins = [wrong_secrets.Waited(1.0, 9.0), wrong_secrets.Waited(104.0, 1.2)]
        sound = {"refused": 1, "attempts": 1, "answers": 0, "alarms": 1, "mib_after": 0, "mib_before": 0, "cores": 0}
        said = wrong_secrets.breaches(sound | wrong_secrets.waits(worker, 100.0, 110.0))
        self.assertEqual([what.split()[1] for what in said], ["device", "ACKs"])
        self.assertEqual(len(wrong_secrets.breaches(sound | wrong_secrets.waits(worker, 200.0, 210.0))), 2)
        worker.acks = [wrong_secrets.Waited(at.begun, 0.05) for at in worker.acks]
        worker.logins = [wrong_secrets.Waited(104.0, 0.9)]
        self.assertEqual(wrong_secrets.breaches(sound | wrong_secrets.waits(worker, 100.0, 110.0)), [])


def heard(line: socket.socket) -> bytes:
    """What the daemon says before it closes."""
    try:
        return line.recv(100)
    except ConnectionResetError:
        return b""


