"""A process that a command starts and stops, with its log."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from ..errors import LocalError
from .output import one_line

#: From the wish to stop to the end that is not asked for.
GRACE_SECONDS = 15.0

#: What a user should see without opening a log.
_IMPORTANT = re.compile(r"#(warn|error|critical)\]|loses its connection")
#: Time and origin of a line.
_ORIGIN = re.compile(r"^\d{4}-\S+ (\[[^]]*\] )?")


class Child:
    """Runs from the beginning on, in a process group of its own. ``log`` takes all that it says."""

    def __init__(
        self, name: str, command: Sequence[str], log: Path, grace_seconds: float = GRACE_SECONDS
    ) -> None:
        self.log = log
        self._name = name
        self._grace_seconds = grace_seconds
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, process_group=0
            )
        self._news = log.open(encoding="utf-8", errors="replace")
        self._last_line = ""

    def tell_news(self) -> None:
        """Print the important ones of the lines that have come."""
        for line in self._news:
            self._last_line = line
            if _IMPORTANT.search(line):
                print(f"{self._name}: {_plain(line)}", flush=True)

    def check(self) -> None:
        """Raises LocalError when it has ended by itself."""
        status = self._process.poll()
        if status is not None:
            last_line = [self._last_line, *self._news][-1]
            raise LocalError(f"{self._name} has ended (status {status}): {_plain(last_line)}; its log is {self.log}")

    def stop(self) -> None:
        """Ask it to end, wait, and end it after the grace."""
        for number, seconds in ((signal.SIGTERM, self._grace_seconds), (signal.SIGKILL, None)):
            if self._process.poll() is None:
                os.killpg(self._process.pid, number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(seconds)
        self._news.close()


def _plain(line: str) -> str:
    return one_line(_ORIGIN.sub("", line.rstrip()))
