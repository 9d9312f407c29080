"""``smok demo``: the daemon with a simulated boiler room, for a first look; ``make run`` starts it.

Two processes of ours, each in a process group of its own: a Ctrl-C reaches this one only, which stops them in order.
When one ends by itself, the other is stopped too.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Sequence
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from threading import Event

from ..errors import LocalError, UserError
from .access import Access
from .arguments import Parser, debug, whole
from .client import Client
from .demo_child import Child

#: How long the daemon may take to answer.
START_SECONDS = 30.0
LOOK_SECONDS = 0.2

CONFIGURATION = """\
# Written by `smok demo` at each start.
[daemon]
data_dir = "."

[listen]
smok4 = "tcp:{smok4}"
web = "tcp:{web}:interface=127.0.0.1"

[smok4]
keepalive = "10s"          # a device that is lost is missed soon
"""

WELCOME = """
SMOK is running, with {devices} simulated boiler rooms that dial in.

  The page, signed in (this link works once):
    {page}
  Devices dial in at port {smok4} of this machine (SMOK/4). Data, secrets and logs are in {folder}.

  Try:
    on the page, boiler-room-1, "Hot water setpoint": set 58, and see it confirmed and the charging pump start
    {smok} values boiler-room-1{options}
    {smok} write boiler-room-1 boiler_setpoint 75{options}

  boiler-room-2 has a heat meter that never answers; now and then a device loses its connection for a while.

Ctrl-C stops everything.
"""


def main(argv: Sequence[str]) -> int:
    """Run until Ctrl-C, SIGTERM or SIGHUP; then 0. Raises UserError for arguments, LocalError for all else."""
    args = _parser().parse_args(argv)
    _check_free("", args.smok4, "--smok4", "SMOK4_PORT")
    _check_free("127.0.0.1", args.web, "--web", "PORT")
    folder = args.data_dir.resolve()
    configuration = _configure(folder, args)
    asked_to_stop = Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: asked_to_stop.set())
    children: list[Child] = []
    try:
        _run(args, folder, configuration, children, asked_to_stop)
    finally:
        for child in reversed(children):
            child.stop()
    print(f"Everything is stopped. The data are in {folder}.", flush=True)
    return 0


def _parser() -> Parser:
    parser = Parser(prog="smok demo", description="The daemon with a simulated boiler room.", parents=[debug()])
    add, port = parser.add_argument, whole(1, 65535)
    add("--data-dir", metavar="DIR", type=Path, default=Path("smok-data"), help="data, secrets, logs (./smok-data)")
    add("--devices", metavar="N", type=whole(1, 1000), default=5, help="how many boiler rooms (default 5)")
    add("--web", metavar="PORT", type=port, default=os.environ.get("PORT", "8080"),
        help="of the page, on this machine only (default: the variable PORT, or 8080)")  # fmt: skip
    add("--smok4", metavar="PORT", type=port, default=os.environ.get("SMOK4_PORT", "2406"),
        help="where devices dial in (default: the variable SMOK4_PORT, or 2406)")  # fmt: skip
    return parser


def _check_free(host: str, port: int, option: str, variable: str) -> None:
    """Raises LocalError naming the port, and how to take another."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            listener.listen()
        except OSError as error:
            other = port % 65535 + 1
            raise LocalError(
                f"port {port} cannot be opened: {error.strerror}; take another one: `smok demo {option} {other}`,"
                f" or `make run {variable}={other}`"
            ) from None


def _configure(folder: Path, args: Namespace) -> Path:
    """The daemon's configuration, written into its data folder."""
    configuration = folder / "demo.toml"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / "log").mkdir(mode=0o700, exist_ok=True)
        configuration.write_text(CONFIGURATION.format(smok4=args.smok4, web=args.web), "utf-8")
    except OSError as error:
        raise UserError(f"{error.filename}: cannot be written: {error.strerror}; --data-dir names a folder") from None
    return configuration


def _run(
    args: Namespace, folder: Path, configuration: Path, children: list[Child], asked_to_stop: Event
) -> None:
    """Start the children, welcome the user, and watch until it is asked to stop."""
    daemon = _twistd("-n", "--pidfile=", "smok", "--config", str(configuration))
    children.append(Child("daemon", daemon, folder / "log" / "daemon.log"))
    _watch(children, asked_to_stop, lambda: _answers(args.web), START_SECONDS)
    if asked_to_stop.is_set():
        return
    sim = _smok("sim", "--config", str(configuration), "--server", f"127.0.0.1:{args.smok4}")
    sim += ["--devices", str(args.devices)]
    children.append(Child("sim", sim, folder / "log" / "sim.log"))
    _welcome(args, folder, configuration)
    _watch(children, asked_to_stop)


def _twistd(*arguments: str) -> list[str]:
    return [sys.executable, "-c", "from twisted.scripts.twistd import run; run()", *arguments]


def _smok(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "smok_twisted.tools.main", *arguments]


def _watch(
    children: Sequence[Child],
    asked_to_stop: Event,
    is_enough: Callable[[], bool] = lambda: False,
    longest_seconds: float = float("inf"),
) -> None:
    """Until it is enough, or asked to stop. Raises LocalError when a child has ended, or it takes too long."""
    until = time.monotonic() + longest_seconds
    while not asked_to_stop.wait(LOOK_SECONDS):
        for child in children:
            child.check()
            child.tell_news()
        if is_enough():
            return
        if time.monotonic() > until:
            raise LocalError(f"the daemon does not answer after {longest_seconds:g} s; its log is {children[0].log}")


def _answers(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def _welcome(args: Namespace, folder: Path, configuration: Path) -> None:
    token = (folder / "admin.token").read_text("ascii").strip()
    link = Client(Access(f"http://127.0.0.1:{args.web}", token)).post("signin", body={})
    is_default = (args.web, args.data_dir) == (8080, Path("smok-data"))
    text = WELCOME.format(
        devices=args.devices,
        page=link["url"],
        smok4=args.smok4,
        folder=folder,
        smok=_shown_command(),
        options="" if is_default else f" --config {_shown(configuration)}",
    )
    print(text, flush=True)


def _shown_command() -> str:
    """How a user calls ``smok`` from where they are."""
    script = Path(sys.executable).with_name("smok")
    return _shown(script) if script.exists() else f"{_shown(Path(sys.executable))} -m smok_twisted.tools.main"


def _shown(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
