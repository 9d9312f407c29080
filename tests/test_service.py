"""The daemon as its operator meets it: what it refuses, what it says, how it stops."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from smok_twisted.clock import parse_rfc3339, rfc3339, use_monotonic_timers

from .independent_device import Ack, IndependentDevice, Plan, Report, Round
from .kill_loop import MODEL
from .processes import _TWISTD, ApiError, Daemon, wait_until


class Stand(SynchronousTestCase):
    """A folder for one daemon, which is ended when the test is over."""

    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.daemon = Daemon(self.folder)

    def tearDown(self) -> None:
        if self.daemon.process is not None and self.daemon.process.exit_status is None:
            self.daemon.end(signal.SIGKILL)

    def device(self) -> IndependentDevice:
        """A new device, logged in, with its plan."""
        self.daemon.api("POST", "/models", MODEL)
        return self.dialled(self.daemon.api("POST", "/devices", {"name": "counter", "model": "counter"}))

    def dialled(self, made: Any) -> IndependentDevice:
        """The device that the API has made, logged in, with its plan."""
        device = IndependentDevice(
            "127.0.0.1", self.daemon.smok4, int(made["id"], 16), bytes.fromhex(made["secret"]), timeout=10
        )
        device.connect()
        device.send_planok(0)
        plan = device.receive()
        assert isinstance(plan, Plan)
        device.handle(plan, {})
        return device


class Refusals(Stand):
    """One clear line, exit status 1, no traceback; nothing is half made."""

    def test_a_port_that_is_taken(self) -> None:
        """The line names the setting and the port."""
        with socket.create_server(("127.0.0.1", self.daemon.smok4)):
            line = self.daemon.refusal()
        self.assertIn(f"[listen] smok4 = 'tcp:{self.daemon.smok4}:interface=127.0.0.1' cannot be opened", line)
        self.assertIn("Address already in use", line)
        self.daemon.start()  # and nothing of the first try stands in the way
        self.assertEqual(self.daemon.end(), -signal.SIGTERM)

    def test_a_web_port_that_is_taken(self) -> None:
        """The same for the page."""
        with socket.create_server(("127.0.0.1", self.daemon.web)):
            self.assertIn("[listen] web = ", self.daemon.refusal())

    def test_a_folder_that_cannot_be_made(self) -> None:
        """Or where there is a file already."""
        self.daemon.data_dir.write_text("a file")
        self.assertIn(f"data_dir {self.daemon.data_dir}", self.daemon.refusal())

    def test_a_key_file_that_others_may_read(self) -> None:
        """The line says how to mend it."""
        self.daemon.start()
        self.daemon.end()
        key = self.daemon.data_dir / "secrets.key"
        key.chmod(0o644)
        self.assertIn(f"chmod 600 {key}", self.daemon.refusal())

    def test_a_key_file_that_is_another_one(self) -> None:
        """Secrets made with the old one do not open: better no start than devices that cannot log in."""
        self.daemon.start()
        self.device().close()
        self.daemon.end()
        (self.daemon.data_dir / "secrets.key").write_bytes(os.urandom(32))
        self.assertIn("key file", self.daemon.refusal())

    def test_a_damaged_database(self) -> None:
        """It is not touched, and not made anew over it."""
        self.daemon.data_dir.mkdir()
        database = self.daemon.data_dir / "smok.db"
        database.write_bytes(b"not a database at all" * 1000)
        self.assertIn("smok.db", self.daemon.refusal())
        self.assertEqual(database.read_bytes(), b"not a database at all" * 1000)

    def test_two_daemons_on_one_folder(self) -> None:
        """The second one does not start; the first goes on."""
        self.daemon.start()
        other = Daemon(self.folder)
        self.assertIn("smok.db", other.refusal())
        self.assertTrue(self.daemon._is_ready())

    def test_a_configuration_that_is_not_accepted(self) -> None:
        """Said by twistd before anything is started: file, key and the accepted form."""
        for text, words in {
            "[listen]\nsmok5 = ''": "[listen] smok5 is unknown; accepted are smok4, p24, gateway, web",
            "[limits]\nper_source = 0": "[limits] per_source = 0 is not accepted: a number from 1 to 100000",
            "[limits]\nper_source = true": "[limits] per_source = True is not accepted",
            "[daemon]\nname = 'A B'": "[daemon] name = 'A B' is not accepted: 1 to 32 of a-z, 0-9 and -",
            "[smok4]\nkeepalive = 240": "[smok4] keepalive = 240 is not accepted: a duration like",
            "[smok4]\nack_delay = '4m'": "[smok4] ack_delay is not accepted: shorter than the keepalive",
            "[storage]\nkind = 'oracle'": "one of \"sqlite\", \"cassandra\", \"memory\"",
            "daemon = 1": "daemon is not a section; accepted is [daemon]",
            "[daemon": "is not TOML",
        }.items():
            self.daemon.config.write_text(text)
            done = self.twistd("--config", str(self.daemon.config))
            self.assertEqual(done.returncode, 1)
            self.assertIn(words, done.stdout + done.stderr)
            self.assertIn("smok.toml", done.stdout + done.stderr)
            self.assertNotIn("Traceback", done.stdout + done.stderr)
        self.assertIn("cannot be read: No such file", self.twistd("--config", "nowhere.toml").stderr)

    def twistd(self, *arguments: str) -> Any:
        return subprocess.run(
            [sys.executable, "-c", _TWISTD, "-n", "--pidfile=", "smok", *arguments],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def test_a_database_that_is_not_there(self) -> None:
        """The first start needs Cassandra, which may know a system already; later ones do not."""
        with self.daemon.config.open("a") as config:
            config.write('[storage]\nkind = "cassandra"\n[storage.cassandra]\ncontact_points = ["127.0.0.77"]\n')
        self.assertIn("the first start needs the database", self.daemon.refusal())

    def test_an_endpoint_that_is_none(self) -> None:
        """Twisted's own reason, beside the setting."""
        text = self.daemon.config.read_text()
        self.daemon.config.write_text(text.replace("smok4 = \"tcp:", "smok4 = \"tpc:"))
        self.assertIn("[listen] smok4", self.daemon.refusal())


class Stopping(Stand):
    def test_a_device_is_told(self) -> None:
        """F27: SIGTERM ends with GOAWAY and BYE, what was sent before is acknowledged; twistd dies of the signal."""
        self.daemon.start()
        device = self.device()
        device.send_data(1, [Round(0, (Report(0, (0, 1)),))])
        assert self.daemon.process is not None
        os.kill(self.daemon.process.pid, signal.SIGTERM)
        kinds = []
        while "Bye" not in kinds:
            kinds.append(type(device.receive()).__name__)
        self.assertEqual(sorted(kinds), ["Ack", "Bye", "Goaway"])
        self.assertEqual(self.daemon.end(0), -signal.SIGTERM)
        self.assertNotIn("Traceback", self.daemon.process.output())

    def test_latest_values_are_there_again(self) -> None:
        """After a restart, before any device has come back."""
        self.daemon.start()
        device = self.device()
        device.send_data(1, [Round(0, (Report(0, (7, 8)),))])
        self.assertEqual(device.receive(), Ack(1))
        self.daemon.end(signal.SIGKILL)
        self.daemon.start()
        values = self.daemon.api("GET", "/devices/counter/values")
        self.assertEqual([one["value"] for one in values["values"]], [7, 8])
        self.assertFalse(values["connected"])


class Crowd(Stand):
    def test_file_descriptors_run_out(self) -> None:
        """F10: new connections are refused first; who is logged in goes on, and so does the page."""
        self.daemon.preamble = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)); "
        self.daemon.start()
        device = self.device()
        crowd = [socket.create_connection(("127.0.0.1", self.daemon.smok4), 5) for _ in range(100)]
        self.addCleanup(lambda: [one.close() for one in crowd])
        device.send_data(1, [Round(0, (Report(0, (0, 1)),))])
        self.assertEqual(device.receive(), Ack(1))
        self.assertTrue(self.daemon.api("GET", "/devices/counter/values")["connected"])
        assert self.daemon.process is not None
        self.assertIn("too-many-connections", self.daemon.process.output())
        for one in crowd:
            one.close()
        device.bye()
        wait_until(lambda: self.returns(device), "a place for the device", 10)

    def test_strangers_take_every_connection_to_the_web(self) -> None:
        """F10: who comes then is told to come again; devices log in and report, and later the page is there again."""
        self.daemon.preamble = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)); "
        self.daemon.start()
        self.daemon.api("POST", "/models", MODEL)
        made = self.daemon.api("POST", "/devices", {"name": "counter", "model": "counter"})
        crowd = [socket.create_connection(("127.0.0.1", self.daemon.web), 5) for _ in range(100)]
        self.addCleanup(lambda: [one.close() for one in crowd])
        device = self.dialled(made)
        device.send_data(1, [Round(0, (Report(0, (0, 1)),))])
        self.assertEqual(device.receive(), Ack(1))
        for one in crowd[20:]:
            one.close()  # those beyond what may be told why
        refused = wait_until(self.refusal, "a refusal in words", 20)
        self.assertIn("come again, or raise [limits] web_connections", refused.problem["detail"])
        for one in crowd:
            one.close()
        wait_until(lambda: self.refusal() is None, "the page again", 20)
        self.assertTrue(self.daemon.api("GET", "/devices/counter")["connected"])
        assert self.daemon.process is not None
        self.assertEqual(self.daemon.process.output().count("web from 127.0.0.1: too-many-connections"), 1)
        self.assertNotIn("Traceback", self.daemon.process.output())

    def refusal(self) -> ApiError | None:
        """What the API says when it does not let us in; a connection that is cut says nothing, and is asked anew."""
        try:
            wait_until(lambda: self.is_answered(), "an answer", 10)
        except ApiError as error:
            return error
        return None

    def is_answered(self) -> bool:
        with contextlib.suppress(OSError):
            self.daemon.api("GET", "/devices/counter")
            return True
        return False

    def test_the_usual_limit_is_no_limit(self) -> None:
        """A soft limit on descriptors is raised as far as the system allows: nobody is refused for it."""
        self.daemon.preamble = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (64, 2048)); "
        self.daemon.start()
        crowd = [socket.create_connection(("127.0.0.1", self.daemon.smok4), 5) for _ in range(100)]
        self.addCleanup(lambda: [one.close() for one in crowd])
        device = self.device()
        device.bye()
        assert self.daemon.process is not None
        self.assertNotIn("too-many-connections", self.daemon.process.output())

    def test_a_fleet_finds_room_at_the_door(self) -> None:
        """Hundreds that dial while the daemon is busy are connected at once, and need not try again after seconds."""
        self.daemon.start()
        assert self.daemon.process is not None
        os.kill(self.daemon.process.pid, signal.SIGSTOP)
        self.addCleanup(os.kill, self.daemon.process.pid, signal.SIGCONT)
        room = min(300, int(Path("/proc/sys/net/core/somaxconn").read_text()))
        for _ in range(room):
            one = socket.create_connection(("127.0.0.1", self.daemon.smok4), 0.9)  # SYNs come again after a second
            self.addCleanup(one.close)

    @staticmethod
    def returns(device: IndependentDevice) -> bool:
        try:
            return device.connect().cursor == 1
        except OSError:
            return False


class FullDisk(Stand):
    """On a small file system of its own."""

    def setUp(self) -> None:
        super().setUp()
        if os.geteuid() != 0:
            raise SkipTest("only root can mount a small file system; tests.test_storage_sqlite has a full disk without")
        self.daemon.data_dir.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", self.daemon.data_dir], check=True)
        self.addCleanup(lambda: subprocess.run(["umount", "-l", self.daemon.data_dir], check=True))

    def test_acknowledgements_stop_and_resume(self) -> None:
        """No crash, no lost reading: what was acknowledged is there, the rest is acknowledged when there is room."""
        self.daemon.start()
        device = self.device()
        ballast = self.daemon.data_dir / "ballast"
        with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))
        acknowledged = sent = 0
        until = time.monotonic() + 30
        while "store takes nothing" not in self.output() and time.monotonic() < until:
            sent += 1
            device.send_data(sent, [Round(0, (Report(0, (0, sent)),))])
            acknowledged = self.newest_ack(device, acknowledged, 0.2)
        self.assertIn("store takes nothing", self.output())
        self.assertLess(acknowledged, sent)
        self.assertEqual(self.daemon.api("GET", "/status")["storage"]["state"], "disk-full")
        ballast.unlink()
        self.assertTrue(wait_until(lambda: self.newest_ack(device, 0, 1) == sent, "the last acknowledgement"))
        self.daemon.end()
        self.assertNotIn("Traceback", self.output())
        self.daemon.start()
        series = self.daemon.api("GET", "/devices/counter/series?point=low")
        self.assertEqual([value for value in series["value"] if value is not None], list(range(1, sent + 1)))

    def output(self) -> str:
        assert self.daemon.process is not None
        return self.daemon.process.output()

    @staticmethod
    def newest_ack(device: IndependentDevice, before: int, seconds: float) -> int:
        try:
            message = device.receive(seconds)
        except TimeoutError:
            return before
        return message.batch if isinstance(message, Ack) else before


class Time(SynchronousTestCase):
    def test_a_step_of_the_wall_clock_fires_no_timer(self) -> None:
        """F16: the reactor's time is the monotonic clock's."""
        reactor = Clock()
        use_monotonic_timers(reactor)
        self.patch(time, "time", lambda: 0.0)
        before = time.monotonic()
        self.assertTrue(before <= reactor.seconds() <= time.monotonic())

    def test_times_as_users_see_them(self) -> None:
        """RFC 3339, UTC, milliseconds; and back."""
        self.assertEqual(rfc3339(1_800_000_000_123_456), "2027-01-15T08:00:00.123Z")
        self.assertEqual(parse_rfc3339("2027-01-15T09:00:00.123456+01:00"), 1_800_000_000_123_456)
        self.assertRaises(ValueError, parse_rfc3339, "2027-01-15T09:00:00")
