"""The daemon, the agent and a MODBUS slave as real processes, on loopback, ended by pid."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 60


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    """Whether somebody accepts there."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def wait_until(true: Callable[[], Any], what: str, seconds: float = START_SECONDS) -> Any:
    """The first true answer; AssertionError naming ``what`` when there is none in time."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if answer := true():
            return answer
        time.sleep(0.05)
    raise AssertionError(f"{what}: not within {seconds} s")


class Process:
    """A child whose output goes to a file."""

    def __init__(
        self, log: Path, *arguments: str, environment: Mapping[str, str] | None = None, prefix: Sequence[str] = ()
    ) -> None:
        """``prefix`` stands before Python."""
        self.log = log
        with log.open("ab") as output:
            self._child = subprocess.Popen(
                [*prefix, sys.executable, *arguments],
                cwd=log.parent,
                env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def pid(self) -> int:
        """Of the child."""
        return self._child.pid

    @property
    def exit_status(self) -> int | None:
        """None while it runs."""
        return self._child.poll()

    def output(self) -> str:
        """What it has printed so far."""
        return self.log.read_text("utf-8", "replace")

    def end(self, how: int = signal.SIGTERM, seconds: float = 20) -> int:
        """End it and wait; its exit status."""
        if self._child.poll() is None:
            self._child.send_signal(how)
        try:
            return self._child.wait(seconds)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
            raise AssertionError(f"pid {self.pid} did not end within {seconds} s:\n{self.output()[-2000:]}") from None


class Daemon:
    """``twistd -n smok`` in a folder of its own; ``start`` and ``end`` any number of times."""

    def __init__(self, folder: Path, more: str = "") -> None:
        """``more``: further sections of its configuration."""
        self.folder = folder
        self.smok4, self.p24, self.web = free_port(), free_port(), free_port()
        self.config = folder / "smok.toml"
        self.config.write_text(
            f'[listen]\nsmok4 = "tcp:{self.smok4}:interface=127.0.0.1"\nweb = "tcp:{self.web}:interface=127.0.0.1"\n'
            f'p24 = "tcp:{self.p24}:interface=127.0.0.1"\n'
            "[limits]\nper_source = 2000\naccepts_per_second = 1000.0\n" + more
        )
        self.data_dir = folder / "smok-data"
        self.preamble = ""  #: Python that is run before twistd
        self.environment: dict[str, str] = {}  #: more variables for it
        self.prefix: list[str] = []  #: what stands before its command
        self.process: Process | None = None

    def launch(self) -> Process:
        """Start it and do not wait."""
        arguments = ("-n", "--pidfile=", "smok", "--config", str(self.config))
        log, program = self.folder / "daemon.log", self.preamble + _TWISTD
        self.process = Process(log, "-c", program, *arguments, environment=self.environment, prefix=self.prefix)
        return self.process

    def refusal(self) -> str:
        """What it says when it cannot start: the one line after ``smok stops: ``."""
        process = self.launch()
        wait_until(lambda: process.exit_status is not None, "the daemon's refusal")
        output = process.output()
        assert process.exit_status == 1, output
        assert "Traceback" not in output, output
        (line,) = [line for line in output.splitlines() if "smok stops: " in line]
        return line.partition("smok stops: ")[2]

    def start(self) -> None:
        """Returns when it answers /readyz."""
        process = self.launch()
        try:
            wait_until(lambda: process.exit_status is not None or self._is_ready(), "the daemon's start")
            assert process.exit_status is None
        except AssertionError:
            raise AssertionError(f"the daemon did not start:\n{process.output()[-4000:]}") from None

    def end(self, how: int = signal.SIGTERM) -> int:
        """End it; its exit status."""
        assert self.process is not None
        return self.process.end(how)

    def ready(self) -> Any:
        """What /readyz says, if it says yes."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.web}/readyz", timeout=5) as answer:
            return json.loads(answer.read())

    def _is_ready(self) -> bool:
        try:
            return bool(self.ready())
        except OSError:
            return False

    def figure(self, name: str, **labels: str) -> float:
        """One of /metrics; 0 when it has not been counted yet."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.web}/metrics", timeout=20) as answer:
            text = answer.read().decode()
        wanted = ",".join(f'{label}="{word}"' for label, word in labels.items())
        start = f"{name}{{{wanted}}} " if wanted else f"{name} "
        return next((float(line[len(start) :]) for line in text.splitlines() if line.startswith(start)), 0.0)

    def api(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """One request with the admin token; JSON in and out. ``ApiError`` carries a problem document."""
        data = None if body is None else body.encode() if isinstance(body, str) else json.dumps(body).encode()
        kind = "application/toml" if isinstance(body, str) else "application/json"
        token = (self.data_dir / "admin.token").read_text().strip()
        request = urllib.request.Request(f"http://127.0.0.1:{self.web}/api/v1{path}", data, method=method)
        for name, value in {"Authorization": f"Bearer {token}", "Content-Type": kind, **headers}.items():
            request.add_header(name.replace("_", "-"), value)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                octets = answer.read()
        except urllib.error.HTTPError as error:
            raise ApiError(error.code, json.loads(error.read() or b"{}")) from None
        return json.loads(octets) if octets else None


class ApiError(Exception):
    """A problem document."""

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        super().__init__(f"{status}: {problem}")
        self.status = status
        self.problem = problem


_TWISTD = "import sys; sys.argv[0] = 'twistd'; from twisted.scripts.twistd import run; run()"
