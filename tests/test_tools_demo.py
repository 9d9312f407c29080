"""Promise: ``make run`` shows a living system, and nothing of it is left when it ends, however it ends."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
import socket
import sys
import tempfile
import urllib.request
from contextlib import redirect_stdout
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.errors import LocalError
from smok_twisted.tools.demo import main
from smok_twisted.tools.demo_child import Child

from .processes import Process, free_port, wait_until


def mentioning(folder):
    """Processes that have ``folder`` on their command line, by pid."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in command:
            found[int(path.parent.name)] = command
    return found


class Folder(SynchronousTestCase):
    """A folder that no process of a test outlives."""

    def setUp(self):
        self.folder = Path(tempfile.mkdtemp()).resolve()
        self.addCleanup(shutil.rmtree, self.folder)
        self.addCleanup(self.end_all)

    def end_all(self):
        for pid in mentioning(self.folder):
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not mentioning(self.folder), "the end of all processes")


class Demo(Folder):
    """The whole, on free ports."""

    def setUp(self):
        super().setUp()
        self.web, self.smok4 = free_port(), free_port()
        self.data = self.folder / "data"

    def launch(self, *options):
        command = ("-m", "smok_twisted.tools.main", "demo", "--data-dir", str(self.data), "--devices", "2")
        ports = ("--web", str(self.web), "--smok4", str(self.smok4))
        return Process(self.folder / "demo.log", *command, *ports, *options)

    def start(self):
        """A demo that has said its welcome."""
        demo = self.launch()
        wait_until(lambda: "Ctrl-C" in demo.output() or demo.exit_status is not None, "the welcome")
        self.assertIsNone(demo.exit_status, demo.output())
        return demo

    def api(self, path):
        token = (self.data / "admin.token").read_text().strip()
        headers = {"Authorization": f"Bearer {token}"}
        request = urllib.request.Request(f"http://127.0.0.1:{self.web}/api/v1{path}", headers=headers)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def child(self, word):
        """The pid of the child with that word on its command line."""
        (pid,) = (pid for pid, command in mentioning(self.data).items() if word in command and "demo.toml" in command)
        return pid

    def ended(self, demo):
        """Its output, after it has ended and taken everything with it."""
        wait_until(lambda: demo.exit_status is not None, "the end")
        self.assertEqual(mentioning(self.folder), {})
        self.assertNotIn("Traceback", demo.output())
        return demo.output()

    def test_start_look_stop_and_again(self):
        """The page opens by the link, devices come with values, Ctrl-C ends all with status 0; twice on one folder."""
        for how in (signal.SIGINT, signal.SIGTERM):
            demo = self.start()
            (link,) = re.findall(r"http://\S+/signin\?token=\w+", demo.output())
            with urllib.request.build_opener(urllib.request.HTTPCookieProcessor()).open(link, timeout=10) as page:
                self.assertEqual(page.url, f"http://127.0.0.1:{self.web}/")
            wait_until(lambda: self.api("/status")["connected"] == 2, "two devices")
            wait_until(
                lambda: all(value["age"] is not None for value in self.api("/devices/boiler-room-1/values")["values"]),
                "a value for each point",
            )
            self.assertEqual(demo.end(how), 0)
            self.assertIn("Everything is stopped", self.ended(demo))
            demo.log.unlink()

    def test_a_busy_port(self):
        """One line that names the port and how to take another; nothing is started or written."""
        for port, option, variable in ((self.web, "--web", "PORT"), (self.smok4, "--smok4", "SMOK4_PORT")):
            with socket.create_server(("127.0.0.1", port)):
                demo = self.launch()
                output = self.ended(demo)
            self.assertEqual(demo.exit_status, 1)
            self.assertRegex(output, rf"\Asmok: port {port} [^\n]+ {option} [^\n]+`make run {variable}=[^\n]+\n\Z")
            self.assertFalse(self.data.exists())
            demo.log.unlink()

    def test_the_daemon_dies(self):
        """The room is stopped too; one line tells which of the two it was."""
        demo = self.start()
        os.kill(self.child("twistd"), signal.SIGKILL)
        self.assertRegex(self.ended(demo), r"smok: daemon has ended \(status -9\): [^\n]+daemon.log\n\Z")
        self.assertEqual(demo.exit_status, 1)

    def test_the_room_dies(self):
        """The daemon is stopped too, in its own time."""
        demo = self.start()
        os.kill(self.child(" sim "), signal.SIGKILL)
        self.assertRegex(self.ended(demo), r"smok: sim has ended \(status -9\): [^\n]+sim.log\n\Z")
        self.assertEqual(demo.exit_status, 1)
        self.assertIn("Server Shut Down", (self.data / "log" / "daemon.log").read_text())

    def test_a_daemon_that_cannot_start(self):
        """Its own line is shown, and where the rest of it stands."""
        self.data.mkdir()
        (self.data / "smok.db").write_bytes(b"not a database at all" * 1000)
        demo = self.launch()
        self.assertRegex(self.ended(demo), r"\Asmok: daemon has ended [^\n]+smok.db is damaged[^\n]+daemon.log\n\Z")
        self.assertEqual(demo.exit_status, 1)

    def test_ports_from_the_environment(self):
        """As `PORT=8081 make run` gives them; nothing is made when one is taken."""
        self.patch(os, "environ", {**os.environ, "PORT": str(self.web), "SMOK4_PORT": str(self.smok4)})
        for port in (self.web, self.smok4):
            with socket.create_server(("127.0.0.1", port)):
                error = self.assertRaises(LocalError, main, ["--data-dir", str(self.data)])
            self.assertIn(f"port {port} ", str(error))
        self.assertFalse(self.data.exists())


class Children(Folder):
    """One process and its log."""

    def child(self, program, grace_seconds=15.0):
        command = [sys.executable, "-u", "-c", program, str(self.folder)]
        return Child("child", command, self.folder / "log", grace_seconds)

    def when_logged(self, child, text):
        wait_until(lambda: text in child.log.read_text(), text)

    def test_a_child_that_does_not_listen(self):
        """It is asked first, and ended when the grace is over; so is what it has started itself."""
        program = (
            "import os, signal, time\n"
            "signal.signal(signal.SIGTERM, lambda *_: print('asked'))\n"
            "os.fork()\n"
            "print('up')\n"
            "while True: time.sleep(0.01)\n"
        )
        child = self.child(program, grace_seconds=0.3)
        wait_until(lambda: child.log.read_text().count("up") == 2, "both")
        child.stop()
        self.assertIn("asked", child.log.read_text())
        wait_until(lambda: not mentioning(self.folder), "the end of both")

    def test_important_lines_are_shown(self):
        """Warnings and what happens to devices, without time and origin; the rest is for the log."""
        lines = [
            "2026-01-31T12:00:00+0000 [smok_twisted.service.SmokService#info] all is well",
            "2026-01-31T12:00:00+0000 [smok_twisted.service.SmokService#warn] the disk is \\x1b[2J full",
            "2026-01-31T12:00:00+0000 boiler-room-1 loses its connection for 30 s",
        ]
        child = self.child("".join(f'print("{line}")\n' for line in lines) + "import time; time.sleep(60)")
        self.addCleanup(child.stop)
        self.when_logged(child, "for 30 s")
        with redirect_stdout(io.StringIO()) as told:
            child.tell_news()
        self.assertEqual(
            told.getvalue(), "child: the disk is  [2J full\nchild: boiler-room-1 loses its connection for 30 s\n"
        )

    def test_a_child_that_has_ended(self):
        """Its status and its last words are told."""
        child = self.child("print('2026-01-31T12:00:00+0000 cannot go on'); raise SystemExit(3)")
        error = wait_until(lambda: self.complaint(child), "the end")
        self.assertIn("child has ended (status 3): cannot go on; its log is", error)
        child.stop()

    def complaint(self, child):
        try:
            child.check()
        except LocalError as error:
            return str(error)
        return None
