"""``smok sim``: boiler rooms that are not there, dialling in for real (design note product, "Command")."""

from __future__ import annotations

import os
import sys
import time
from argparse import ArgumentTypeError, Namespace
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any, TextIO

from twisted.logger import ILogObserver, LogEvent, Logger, LogLevel, eventAsText, globalLogBeginner
from twisted.python.failure import Failure
from zope.interface import implementer

from ..agent.settings import AgentSettings, parse_address
from ..clock import use_monotonic_timers
from .access import find_access, find_settings
from .arguments import Parser, connection, debug, whole
from .boiler import Boiler
from .client import Client
from .sim_enrolment import Enrolment, Identity
from .sim_room import BoilerLine, Room, SimulatedDevice

EXAMPLES = """\
examples:
  smok sim                                   five boiler rooms, beside a daemon with its defaults
  smok sim --devices 50 --speed 60           an hour of weather and heating passes in a minute
  smok sim --server 192.0.2.7 --url http://192.0.2.7:8080 --token TOKEN"""

DROP_RATE = "how often an hour one of them loses its connection for 20 to 60 s (default 20)"


def main(argv: Sequence[str]) -> int:
    """Run until SIGTERM or SIGINT; then 0. Raises UserError, StorageError, or what ``Client`` raises."""
    args = _parser().parse_args(argv)
    server = parse_address(args.server)
    client = Client(find_access(args, os.environ))
    state = args.state or find_settings(args).daemon.data_dir / "sim"
    identities = Enrolment(client, state, args.suite).enrol(args.devices)
    from twisted.internet import reactor  # installs the reactor: not before it is needed

    use_monotonic_timers(reactor)
    lines: Any = _Lines(sys.stdout)
    globalLogBeginner.beginLoggingTo([lines], redirectStandardIO=False)
    Logger().info("{count} boiler rooms dial in at {server}", count=len(identities), server=server)
    _run(_room(args, identities, reactor), reactor)
    return 0


def _parser() -> Parser:
    parser = Parser(
        prog="smok sim",
        description="Simulated boiler rooms that dial in for real. Their devices are added when they are missing.",
        epilog=EXAMPLES,
        parents=[connection(), debug()],
    )
    add = parser.add_argument
    add("--server", metavar="HOST[:PORT]", default="127.0.0.1", help="where to dial in (default 127.0.0.1:2406)")
    add("--devices", metavar="N", type=whole(1, 100_000), default=5, help="how many (default 5)")
    add("--seed", metavar="S", type=whole(0, 2**32), default=1, help="other seed, other weather and faults (default 1)")
    add("--suite", metavar="1|2", type=whole(1, 2), help="cipher suite of devices that are added")
    add("--drop-rate", metavar="N", type=_number(0, 3600), default=20.0, help=DROP_RATE)
    add("--speed", metavar="X", type=_number(0.1, 3600), default=1.0, help="how fast time passes in the boiler rooms")
    add("--state", metavar="DIR", type=Path, help="for secrets and readings (default: sim/ in the data folder)")
    return parser


def _number(least: float, most: float) -> Callable[[str], float]:
    def read(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = least - 1
        if not least <= number <= most:
            raise ArgumentTypeError(f"{text!r} is not accepted: a number from {least:g} to {most:g}")
        return number

    return read


def _room(args: Namespace, identities: Mapping[str, Identity], reactor: Any) -> Room:
    random = Random(args.seed)
    now = boiler_time(args.speed, reactor.seconds, time.time())
    devices = {}
    for name, identity in identities.items():
        line = BoilerLine(Boiler(random.getrandbits(32), now()), now)
        settings = AgentSettings(
            server=parse_address(args.server),
            device_id=identity.device_id,
            secret=identity.secret,
            modbus="",
            spool_folder=identity.folder,
            kid=identity.kid,
        )
        devices[name] = SimulatedDevice(settings, line, reactor)
    return Room(devices, reactor, random, args.drop_rate)


def boiler_time(speed: float, seconds: Callable[[], float], unix_seconds: float) -> Callable[[], float]:
    """Local time as ``Boiler`` wants it: that of ``unix_seconds`` now, and from there ``speed`` times as fast."""
    began = seconds()
    local_seconds = unix_seconds + time.localtime(unix_seconds).tm_gmtoff
    return lambda: local_seconds + speed * (seconds() - began)


def _run(room: Room, reactor: Any) -> None:
    failures: list[Failure] = []

    def failed(failure: Failure) -> None:
        failures.append(failure)
        reactor.stop()

    reactor.callWhenRunning(lambda: room.start().addErrback(failed))
    reactor.addSystemEventTrigger("before", "shutdown", room.stop)
    reactor.run()
    if failures:
        failures[0].raiseException()


@implementer(ILogObserver)
class _Lines:
    """What devices do, and whatever warns, a line each; Twisted tells of every connection that it tries."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __call__(self, event: LogEvent) -> None:
        is_ours = event.get("log_namespace", "").startswith("smok_twisted")
        if is_ours or event["log_level"] >= LogLevel.warn:
            print(eventAsText(event, includeSystem=False), file=self._stream, flush=True)
