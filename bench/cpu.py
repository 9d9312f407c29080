"""CPU time and memory of another process."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TextIO, cast

_ROOT = Path(__file__).resolve().parent.parent


def cpu_seconds(pid: int) -> float:
    """User and system time until now, of all its threads, to the nanosecond (clock_getcpuclockid(3) on Linux)."""
    return time.clock_gettime(~pid << 3 | 2)


def resident_octets(pid: int, which: str = "VmRSS") -> int:
    """Its memory now (RSS), or at its highest (``VmHWM``)."""
    status = Path(f"/proc/{pid}/status").read_text()
    return 1024 * next(int(line.split()[1]) for line in status.splitlines() if line.startswith(which))


class Subject:
    """A process that is measured. It says one word when it is ready, and answers each line that it is told with one."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._pid = process.pid
        self._stdin, self._stdout = cast(TextIO, process.stdin), cast(TextIO, process.stdout)
        self.word = self.read()  #: what it said first

    @property
    def port(self) -> int:
        """Where it listens, if it does."""
        return int(self.word)

    def cpu_seconds(self) -> float:
        """See ``cpu_seconds``."""
        return cpu_seconds(self._pid)

    def resident_octets(self) -> int:
        """See ``resident_octets``."""
        return resident_octets(self._pid)

    def ask(self, line: str) -> str:
        """Tell it something, and wait for the answer."""
        self._stdin.write(line + "\n")
        self._stdin.flush()
        return self.read()

    def read(self) -> str:
        """The next line that it says."""
        return self._stdout.readline().strip()


def subject(
    name: str, *arguments: object, module: str = "bench.subjects", within: Sequence[str] = ()
) -> AbstractContextManager[Subject]:
    """A process of ours; ``within``: what goes before its command line, to run it elsewhere."""
    return command([*within, sys.executable, "-m", module, name, *map(str, arguments)])


@contextmanager
def command(line: Sequence[str]) -> Iterator[Subject]:
    """Start one; it ends with the context, and what it wrote to files goes with it."""
    with TemporaryDirectory(prefix="smok-bench-") as folder:
        environment = {**os.environ, "TMPDIR": folder}
        pipe = subprocess.PIPE
        with subprocess.Popen(line, cwd=_ROOT, env=environment, text=True, stdin=pipe, stdout=pipe) as process:
            try:
                yield Subject(process)
            finally:
                process.kill()
