"""F16: the wall clock is set by an hour, forth and back, under the whole daemon; libfaketime stands for who sets it.

The monotonic clock goes on meanwhile, as it does on a real machine.
"""

from __future__ import annotations

import http.client
import os
import shutil
import socket
import tempfile
import time
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from smok_twisted.clock import parse_rfc3339, rfc3339

from .independent_device import Ack, IndependentDevice, Message, Ping, Plan, Report, Round
from .processes import Daemon, wait_until

HOUR = 3600
KEEPALIVE_SECONDS = 10
MODEL = """
name = "plant"
interval = "3600s"
[[point]]
name = "setpoint"
register = "holding"
address = 11
access = "rw"
min = 20
max = 90
"""


class Steps(SynchronousTestCase):
    """A daemon whose wall clock the test sets, a device that is there all the time and one that is away."""

    def setUp(self) -> None:
        library = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
        if library is None:
            raise SkipTest("no libfaketime: the clock is not set under the daemon; install faketime for that")
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.daemon = Daemon(self.folder)
        with self.daemon.config.open("a") as config:
            config.write(f'[smok4]\nkeepalive = "{KEEPALIVE_SECONDS}s"\n')
        self.step = self.folder / "step"
        self.set_clock(0)
        self.daemon.environment = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self.step),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }
        self.daemon.start()
        self.addCleanup(lambda: self.daemon.end())
        self.daemon.api("POST", "/models", MODEL)
        self.away = self.add("away")
        self.device = self.dial(self.add("plant"))
        self.device.handle(self.until(Plan), {})
        self.batch = 0

    def set_clock(self, seconds: int) -> None:
        """So much ahead of the clock of everybody else."""
        new = self.folder / "new"
        new.write_text(f"{seconds:+d}s\n")
        os.replace(new, self.step)

    def add(self, name: str) -> Any:
        return self.daemon.api("POST", "/devices", {"name": name, "model": "plant", "may_write": True})

    def dial(self, made: Any) -> IndependentDevice:
        secret = bytes.fromhex(made["secret"])
        device = IndependentDevice("127.0.0.1", self.daemon.smok4, int(made["id"], 16), secret, timeout=10)
        device.connect()
        self.addCleanup(device.close)
        device.send_planok(0)
        return device

    def until(self, kind: type[Message]) -> Any:
        """The next message of that kind; the device answers others."""
        while not isinstance(message := self.device.receive(20), kind):
            self.device.handle(message, {})
        return message

    def report(self, value: int) -> dict[str, Any]:
        """The device reports a value; what the page shows of it."""
        self.batch += 1
        self.device.send_data(self.batch, [Round(0, (Report(0, (value,)),))])
        self.assertEqual(self.until(Ack), Ack(self.batch))
        (shown,) = self.daemon.api("GET", "/devices/plant/values")["values"]
        self.assertEqual((shown["value"], shown["quality"]), (value, "good"))
        return dict(shown)

    def ahead(self, text: str) -> float:
        """How far a time of the daemon is ahead of our wall clock, in hours."""
        return round((parse_rfc3339(text) / 1e6 - time.time()) / HOUR, 1)

    def write(self, expires_in: float) -> str:
        command = {"point": "setpoint", "value": 60, "expires_in": expires_in}
        return str(self.daemon.api("POST", "/devices/away/commands", command)["id"])

    def state(self, command: str) -> str:
        return str(self.daemon.api("GET", f"/devices/away/commands/{command}")["state"])

    def ask(self, path: str, **headers: str) -> Any:
        """The answer to a browser that follows no redirections."""
        line = http.client.HTTPConnection("127.0.0.1", self.daemon.web, timeout=20)
        self.addCleanup(line.close)
        line.request("GET", path, headers=headers)
        answer = line.getresponse()
        answer.read()
        return answer

    def guess(self) -> int:
        """What somebody hears who tries a token."""
        return int(self.ask("/api/v1/devices", Authorization="Bearer guess").status)

    # -- the promises

    def test_an_hour_forth_and_back(self) -> None:
        """Sessions live on, no limit ends early or late, readings carry the clock of their moment."""
        self.assertEqual(self.ahead(self.report(51)["time"]), 0)
        long, short = self.write(expires_in=300), self.write(expires_in=20)
        while self.guess() == 401:
            pass
        link = self.daemon.api("POST", "/signin")["url"]
        with socket.create_connection(("127.0.0.1", self.daemon.smok4), 5) as stranger:
            self.set_clock(HOUR)
            self.assertEqual(self.ahead(self.report(52)["time"]), 1)
            self.assertEqual([self.state(one) for one in (long, short)], ["queued", "queued"])
            self.assertEqual(self.guess(), 429)
            cookie = self.signed_in(link)
            self.set_clock(0)
            self.assertEqual(self.ahead(self.report(53)["time"]), 0)
            self.assertEqual(self.ask("/api/v1/devices", Cookie=cookie).status, 200)
            stranger.settimeout(0.2)
            self.assertRaises(TimeoutError, stranger.recv, 1)  # its minute is not over
        self.timers_go_on(short)
        self.dial(self.away).run_plan({(1, 3, 11): 55}, 20, stop=lambda: self.state(long) == "confirmed")
        self.assertEqual(self.state(long), "confirmed")
        self.history_is_whole()

    def signed_in(self, link: str) -> str:
        """The link of an hour ago, by the wall clock, is good; the cookie it gives."""
        answer = self.ask(link.partition(str(self.daemon.web))[2])
        self.assertEqual(answer.status, 303)
        self.assertEqual(round((parsedate_to_datetime(answer.headers["Date"]).timestamp() - time.time()) / HOUR, 1), 1)
        cookie = str(answer.headers["Set-Cookie"].partition(";")[0])
        self.assertEqual(self.ask("/api/v1/devices", Cookie=cookie).status, 200)
        return cookie

    def timers_go_on(self, short: str) -> None:
        """After the step back nothing waits an hour longer: a silent device is asked, and then its session ends."""
        silent = time.monotonic()
        self.until(Ping)
        self.assertLess(time.monotonic() - silent, 2.5 * KEEPALIVE_SECONDS)
        wait_until(lambda: self.state(short) == "expired", "the end of a write", 30)
        wait_until(lambda: not self.daemon.api("GET", "/devices/plant")["connected"], "the end of the session")
        self.assertEqual(self.daemon.figure("smok_sessions_ended_total", link="smok4", mood="silent"), 1)
        wait_until(lambda: 1 < self.daemon.api("GET", "/devices/plant")["age"] < 60, "its age to grow", 10)

    def history_is_whole(self) -> None:
        """Each reading once, in the order of its time, the one of the wrong hour where that clock had it."""
        assert self.daemon.process is not None
        until = rfc3339(int((time.time() + 2 * HOUR) * 1e6))
        series = self.daemon.api("GET", f"/devices/plant/series?point=setpoint&to={until}")
        self.assertEqual([value for value in series["value"] if value is not None], [51, 53, 52])
        self.assertEqual(series["time"], sorted(series["time"]))
        trail = [one["seq"] for one in self.daemon.api("GET", "/audit")["audit"]]
        self.assertEqual(trail, sorted(trail, reverse=True))
        self.assertNotIn("Traceback", self.daemon.process.output())
