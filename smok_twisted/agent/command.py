"""``smok agent``: one agent in a process of its own (design note product, "Agent")."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

from twisted.logger import ILogObserver, LogEvent, LogLevel, formatEvent, formatTime, globalLogBeginner
from zope.interface import implementer

from ..clock import use_monotonic_timers
from ..errors import StorageError, UserError
from ..modbus.lines import FORM as LINE_FORM
from ..modbus.lines import parse_line
from .service import AgentService
from .settings import AgentSettings, parse_address, parse_device_id, read_secret

#: Exit codes (design note product, "Command").
OK, REFUSED, USAGE = 0, 1, 2


def main(argv: Sequence[str], stderr: TextIO = sys.stderr) -> int:
    """Run until SIGTERM or SIGINT. 0: stopped; 1: the spool cannot be used; 2: the arguments are not accepted."""
    try:
        settings = parse(argv)
    except UserError as error:
        print(f"smok agent: {error}", file=stderr)
        return USAGE
    except SystemExit as ended:  # --help, or argparse has told what is wrong
        return int(ended.code or 0)
    return _run(settings, stderr)


def parse(argv: Sequence[str]) -> AgentSettings:
    """The settings that the arguments ask for. Raises UserError, or SystemExit as argparse does."""
    given = _parser().parse_args(argv)
    parse_line(given.modbus)
    device_id = parse_device_id(given.device)
    return AgentSettings(
        server=parse_address(given.server),
        device_id=device_id,
        secret=read_secret(given.secret_file),
        modbus=given.modbus,
        spool_folder=given.spool or Path(f"smok-agent-0x{device_id:016x}"),
        kid=given.kid,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="smok agent", description="Read equipment beside it and dial in to a server.")
    add = parser.add_argument
    add("--server", required=True, metavar="HOST[:PORT]", help="where to dial; port 2406 unless given")
    add("--device", required=True, metavar="ID", help="the device's id, decimal or 0x and hex digits")
    add("--secret-file", required=True, type=Path, metavar="FILE", help="holds the secret in hex; mode 0600")
    add("--modbus", required=True, metavar="LINE", help=LINE_FORM)
    add("--kid", type=int, default=0, metavar="N", help="number of the slot that the secret belongs to (default 0)")
    add("--spool", type=Path, metavar="DIR", help="where readings are kept (default ./smok-agent-ID)")
    return parser


def _run(settings: AgentSettings, stderr: TextIO) -> int:
    from twisted.internet import reactor  # installs the reactor: not before it is needed

    use_monotonic_timers(reactor)
    lines: Any = _Lines(stderr)
    globalLogBeginner.beginLoggingTo([lines], redirectStandardIO=False)
    return _Process(settings, reactor, stderr).run()


class _Process:
    """The service, as long as the process lives."""

    def __init__(self, settings: AgentSettings, reactor: Any, stderr: TextIO) -> None:
        self._reactor = reactor
        self._stderr = stderr
        self._code = OK
        self._service = AgentService(settings, reactor, on_failed=self._failed)

    def run(self) -> int:
        """The exit code."""
        try:
            self._service.startService()
        except StorageError as error:
            print(f"smok agent: {error}", file=self._stderr)
            return REFUSED
        self._reactor.addSystemEventTrigger("before", "shutdown", self._service.stopService)
        self._reactor.run()
        return self._code

    def _failed(self, error: StorageError) -> None:
        if self._code == OK:
            self._code = REFUSED
            self._reactor.stop()


@implementer(ILogObserver)
class _Lines:
    """One line for each event: time and text. A traceback comes with faults of this program only."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __call__(self, event: LogEvent) -> None:
        ours = event.get("log_namespace", "").startswith("smok_twisted")
        if event["log_level"] >= (LogLevel.info if ours else LogLevel.warn):
            print(formatTime(event["log_time"]), formatEvent(event), file=self._stream, flush=True)
            if "log_failure" in event:
                event["log_failure"].printTraceback(self._stream)
