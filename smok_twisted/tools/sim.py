"""``smok sim``: boiler rooms that are not there, dialling in for real (design note product, "Command")."""

from __future__ import annotations

import os
import sys
import time
from argparse import ArgumentTypeError, Namespace
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TextIO

from twisted.logger import ILogObserver, LogEvent, Logger, LogLevel, eventAsText, globalLogBeginner
from twisted.python.failure import Failure
from zope.interface import implementer

from ..agent.settings import Address, parse_address
from ..clock import use_monotonic_timers
from ..errors import UserError
from .access import find_access, find_settings, port_of
from .arguments import Parser, connection, debug, network, whole
from .client import Client
from .sim_enrolment import HERE, Enrolment
from .sim_faults import Faults
from .sim_fleet import Fleet, Ledger
from .sim_resources import check
from .sim_room import Room

_P24_PORT = 2405
EXAMPLES = """\
examples:
  smok sim                                   five boiler rooms, beside a daemon with its defaults
  smok sim --devices 50 --speed 60           an hour of weather and heating passes in a minute
  smok sim --devices 2000 --volatile         many, with little memory for each
  smok sim --p24 20 --exceptions 1 --slow-answers 5 --power-cut-rate 2
  smok sim --server 192.0.2.7 --url http://192.0.2.7:8080 --token TOKEN"""


def main(argv: Sequence[str]) -> int:
    """Run until SIGTERM or SIGINT; then 0. Raises UserError, StorageError, or what ``Client`` raises."""
    args = _parser().parse_args(argv)
    server, p24_server = _server(args), _p24_server(args) if args.p24 else None
    check(args.devices, args.p24, args.volatile)
    client = Client(find_access(args, os.environ))
    state = args.state or find_settings(args).daemon.data_dir / "sim"
    enrolment = Enrolment(client, state, args.suite)
    identities, p24_ids = enrolment.enrol(args.devices), enrolment.enrol_p24(args.p24, args.p24_from or HERE)
    installed: Any = _reactor()
    with ExitStack() as files:
        ledger = files.enter_context(Ledger(args.ledger)) if args.ledger else None
        fleet = Fleet(installed, args.seed, _faults(args), boiler_time(args.speed, installed.seconds, time.time()))
        fleet.add(identities, server, args.volatile, ledger.note if ledger else None)
        Logger().info("boiler rooms that dial in at {server}: {count}", count=len(identities), server=server)
        if p24_server is not None:
            fleet.add_p24(p24_ids, p24_server)
            Logger().info("those of the first generation at {server}: {count}", count=len(p24_ids), server=p24_server)
        _run(Room(fleet.devices, installed, args.seed, _faults(args), 1 / args.start_rate), installed)
    return 0


def _reactor() -> Any:
    """The reactor, with timers that do not step; our log goes to the standard output."""
    from twisted.internet import reactor  # installs it: not before it is needed

    use_monotonic_timers(reactor)
    lines: Any = _Lines(sys.stdout)
    globalLogBeginner.beginLoggingTo([lines], redirectStandardIO=False)
    return reactor


def _parser() -> Parser:
    parser = Parser(
        prog="smok sim",
        description="Simulated boiler rooms that dial in for real. Their devices are added when they are missing.",
        epilog=EXAMPLES,
        parents=[connection(), debug()],
    )
    add = parser.add_argument
    add("--server", metavar="HOST[:PORT]", help="where to dial in (default: here, as smok.toml says)")
    add("--devices", metavar="N", type=whole(1, 100_000), default=5, help="how many (default 5)")
    add("--seed", metavar="S", type=whole(0, 2**32), default=1, help="other seed, other weather and faults (default 1)")
    add("--suite", metavar="1|2", type=whole(1, 2), help="cipher suite of devices that are added")
    add("--speed", metavar="X", type=_number(0.1, 3600), default=1.0, help="how fast time passes in the boiler rooms")
    add("--start-rate", metavar="N", type=_number(0.1, 1000), default=10.0, help="how many start a second (default 10)")
    add("--state", metavar="DIR", type=Path, help="for secrets and readings (default: sim/ in the data folder)")
    add("--volatile", action="store_true", help="keep readings in memory: what is not sent at the end is lost")
    add("--ledger", metavar="FILE", type=Path, help="note there every report that a SMOK/4 device makes, a line each")
    _add_p24(parser)
    _add_faults(parser)
    return parser


def _add_p24(parser: Parser) -> None:
    add = parser.add_argument_group("devices of the first generation").add_argument
    add("--p24", metavar="N", type=whole(0, 100_000), default=0, help="so many more, over P24 (default 0)")
    add("--p24-server", metavar="HOST[:PORT]", help="where they dial in (default: what the daemon's smok.toml says)")
    add("--p24-from", metavar="NETWORK", action="append", type=network,
        help="where the daemon lets them come from, when they are added (default: this machine)")  # fmt: skip


def _add_faults(parser: Parser) -> None:
    add = parser.add_argument_group("faults: rates count events an hour in the whole fleet").add_argument
    rate, percent, usual = _number(0, 36_000), _number(0, 100), Faults()
    add("--drop-rate", metavar="N", type=rate, default=usual.drops_per_hour,
        help="one of them loses its connection for 20 to 60 s, and the server is not told (default 20)")  # fmt: skip
    add("--dead-unit-rate", metavar="N", type=rate, default=usual.dead_units_per_hour,
        help="one controller answers nothing for 1 to 10 min (default 0)")  # fmt: skip
    add("--power-cut-rate", metavar="N", type=rate, default=usual.power_cuts_per_hour,
        help="all stop at once for 5 to 30 s without a word, and all come back (default 0)")  # fmt: skip
    add("--exceptions", metavar="PERCENT", type=percent, default=100 * usual.exceptions,
        help="so many requests of a hundred are answered with a MODBUS exception (default 0)")  # fmt: skip
    add("--slow-answers", metavar="PERCENT", type=percent, default=100 * usual.slow_answers,
        help="so many are answered after 0.5 to 3 s only, some of them too late (default 0)")  # fmt: skip


def _faults(args: Namespace) -> Faults:
    return Faults(
        args.drop_rate, args.dead_unit_rate, args.power_cut_rate, args.exceptions / 100, args.slow_answers / 100
    )


def _server(args: Namespace) -> Address:
    if args.server is not None:
        return parse_address(args.server)
    endpoint = find_settings(args).listen.smok4
    if not port_of(endpoint).isdigit():
        raise UserError(f"[listen] smok4 = {endpoint!r} does not tell a port: name the place by --server HOST:PORT")
    return parse_address(f"127.0.0.1:{port_of(endpoint)}")


def _p24_server(args: Namespace) -> Address:
    if args.p24_server is not None:
        return parse_address(args.p24_server, _P24_PORT)
    endpoint = find_settings(args).listen.p24
    if not endpoint:
        raise UserError(
            'a daemon serves P24 only when its smok.toml has [listen] p24 = "tcp:2405": name that file by --config,'
            f" or the place by --p24-server HOST:{_P24_PORT}"
        )
    return parse_address(f"{_server(args).host}:{port_of(endpoint)}")


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
