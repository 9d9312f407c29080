"""The daemon as a process that is measured, on one core, while everybody else has the others."""

from __future__ import annotations

import os
import re
import urllib.request
from pathlib import Path
from typing import Any

from bench.cpu import cpu_seconds, resident_octets

from .processes import Daemon

_CORES = sorted(os.sched_getaffinity(0))
#: Cores of the daemon, and of all that plays devices; the same when there is only one.
DAEMON_CORES, OTHER_CORES = _CORES[:1], _CORES[1:] or _CORES

#: Nobody is refused at the door: everybody comes from this machine.
OPEN_DOOR = "[limits]\nunauthenticated = 100000\nper_source = 100000\naccepts_per_second = 100000.0\n"


class MeasuredDaemon(Daemon):
    """``limits``: a section of its configuration, "" for the defaults."""

    def __init__(self, folder: Path, limits: str = OPEN_DOOR) -> None:
        super().__init__(folder)
        listeners, _, _ = self.config.read_text().partition("[limits]")
        self.config.write_text(listeners + limits)
        self.preamble = f"import os; os.sched_setaffinity(0, {DAEMON_CORES}); "

    @property
    def pid(self) -> int:
        """Of the process."""
        assert self.process is not None
        return self.process.pid

    def cpu_seconds(self) -> float:
        """All its threads, until now."""
        return cpu_seconds(self.pid)

    def resident_kilobytes(self, which: str = "VmRSS") -> float:
        """Its memory; ``VmHWM``: at its highest."""
        return resident_octets(self.pid, which) / 1000

    def descriptors(self) -> int:
        """How many are open."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def connected(self) -> int:
        """Devices with a session."""
        connected: int = self.api("GET", "/status")["connected"]
        return connected

    def metrics(self, name: str) -> dict[str, float]:
        """The samples of one metric by their labels."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.web}/metrics", timeout=60) as answer:
            text = answer.read().decode()
        found: list[Any] = re.findall(rf"^{name}(?:{{(.*)}})? (\S+)$", text, re.MULTILINE)
        return {labels: float(value) for labels, value in found}
