"""Processes that outlive the command that started them, known by pid and start time.

A pid alone may belong to somebody else by tomorrow; together with the start time from ``/proc`` it does not. Signals
go through a pidfd that is opened first and checked then, so that only what was started here is ever touched.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from smok_twisted.errors import LocalError

#: In the background, never a child of ours: nobody has to wait for it, and no zombie is left.
_LAUNCH = 'log=$1; shift; "$@" </dev/null >>"$log" 2>&1 & echo $!'
STOPPED = "Tt"
DEAD = "ZX"
_PAGE_OCTETS = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Process:
    """One process that was started here; ``started`` is in clock ticks since the machine's start."""

    pid: int
    started: int

    @property
    def state(self) -> str:
        """The letter of ``/proc`` (``T``: stopped by a signal); empty when it does not run."""
        letter, started, threads = _look(self.pid)
        # A JVM's first thread may be dead while others still hold its sockets.
        is_dead = letter in DEAD and threads <= 1
        return letter if started == self.started and not is_dead else ""

    @property
    def runs(self) -> bool:
        """Also true while it is stopped by a signal."""
        return bool(self.state)

    @property
    def is_stopped(self) -> bool:
        """Whether SIGSTOP holds it."""
        return self.state in tuple(STOPPED)

    @property
    def resident_octets(self) -> int:
        """Memory that it occupies; 0 when it does not run."""
        try:
            return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * _PAGE_OCTETS if self.runs else 0
        except OSError:
            return 0

    def send(self, number: signal.Signals) -> bool:
        """Whether it was there to take the signal. Raises LocalError when it belongs to another user."""
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return False
        try:
            if not self.runs:
                return False
            signal.pidfd_send_signal(handle, number)
        except ProcessLookupError:
            return False
        except PermissionError:
            raise LocalError(f"pid {self.pid} belongs to another user: only that user or root may do this") from None
        finally:
            os.close(handle)
        return True

    def wait(self, seconds: float) -> bool:
        """Whether it has ended in time."""
        until = time.monotonic() + seconds
        while self.runs and time.monotonic() < until:
            time.sleep(0.02)
        return not self.runs

    def end(self, patience_seconds: float) -> bool:
        """SIGTERM, patience, SIGKILL. False when it had to be killed."""
        self.send(signal.SIGTERM)
        self.send(signal.SIGCONT)
        if self.wait(patience_seconds):
            return True
        self.send(signal.SIGKILL)
        self.wait(10)
        return False

    def save(self, file: Path) -> None:
        """Keep it for later commands."""
        write_whole(file, json.dumps({"pid": self.pid, "started": self.started}))


def this_process() -> Process:
    """Ourselves."""
    return Process(os.getpid(), _look(os.getpid())[1])


def load(file: Path) -> Process | None:
    """What ``save`` has kept; None when nothing was started."""
    try:
        return Process(**json.loads(file.read_text()))
    except FileNotFoundError:
        return None


def launch(command: Sequence[str], log: Path, environment: Mapping[str, str]) -> Process:
    """Start it in a session of its own; what it prints goes to the end of ``log``."""
    done = subprocess.run(
        ["sh", "-c", _LAUNCH, "sh", str(log), *command],
        env=dict(environment),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        start_new_session=True,
    )
    pid = int(done.stdout)
    return Process(pid, _look(pid)[1])


def write_whole(file: Path, text: str) -> None:
    """The file holds the old text or the new one, never a part."""
    beside = file.with_name(f"{file.name}.{os.getpid()}.new")
    beside.write_text(text, "utf-8")
    beside.replace(file)


def _look(pid: int) -> tuple[str, int, int]:
    """State, start time, number of threads; ``("", -1, 0)`` when there is no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return "", -1, 0
    fields = text.rpartition(")")[2].split()  # the name before it may hold anything
    return fields[0], int(fields[19]), int(fields[17])
