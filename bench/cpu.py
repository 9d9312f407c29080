"""CPU time and memory of another process."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TextIO, cast

_ROOT = Path(__file__).resolve().parent.parent


class Subject:
    """A process that is measured. It says one word when it is ready, and answers each line that it is told with one."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._pid = process.pid
        self._stdin, self._stdout = cast(TextIO, process.stdin), cast(TextIO, process.stdout)
        self._first_word = self._stdout.readline().strip()

    @property
    def port(self) -> int:
        """Where it listens, if it does."""
        return int(self._first_word)

    def cpu_seconds(self) -> float:
        """User and system time until now, of all its threads, to the nanosecond (clock_getcpuclockid(3) on Linux)."""
        return time.clock_gettime(~self._pid << 3 | 2)

    def resident_octets(self) -> int:
        """Its memory (RSS)."""
        status = Path(f"/proc/{self._pid}/status").read_text()
        return 1024 * next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))

    def ask(self, line: str) -> str:
        """Tell it something, and wait for the answer."""
        self._stdin.write(line + "\n")
        self._stdin.flush()
        return self._stdout.readline().strip()


@contextmanager
def subject(name: str, *arguments: object, module: str = "bench.subjects") -> Iterator[Subject]:
    """Start one; it ends with the context, and what it wrote to files goes with it."""
    command = [sys.executable, "-m", module, name, *map(str, arguments)]
    with TemporaryDirectory(prefix="smok-bench-") as folder:
        environment = {**os.environ, "TMPDIR": folder}
        pipe = subprocess.PIPE
        with subprocess.Popen(command, cwd=_ROOT, env=environment, text=True, stdin=pipe, stdout=pipe) as process:
            try:
                yield Subject(process)
            finally:
                process.kill()
