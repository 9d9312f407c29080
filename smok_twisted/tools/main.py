"""``smok``: finds the command, runs it, and turns whatever goes wrong into one line and an exit code.

Exit codes (design note product, "Command"): 0 ok, 1 refused or a MODBUS exception, 2 usage, 3 time-out or
unreachable; 130 after Ctrl-C. Nothing heavy is imported before a command needs it.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from argparse import Namespace
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from ..errors import LocalError, NotFound, StorageError, UserError
from . import (
    backup,
    capture,
    database,
    device,
    export,
    history,
    imports,
    journal,
    login,
    maps,
    read,
    replay,
    values,
    write,
)
from .arguments import Commands, Parser, connection, debug
from .output import one_line
from .problems import Refused, Unreachable
from .tool import Tool

OK, REFUSED, USAGE, UNREACHABLE = 0, 1, 2, 3
INTERRUPTED = 128 + signal.SIGINT
READER_GONE = 128 + signal.SIGPIPE

#: Commands that read their own arguments: name, module with ``main(argv) -> int``, help.
ELSEWHERE = (
    ("agent", "smok_twisted.agent.command", "the device side: read equipment beside it and dial in"),
    ("sim", "smok_twisted.tools.sim", "simulated boiler rooms that dial in"),
    ("demo", "smok_twisted.tools.demo", "the daemon with a simulated boiler room"),
)

#: The first one that fits counts.
_CODE_OF = ((Unreachable, UNREACHABLE), ((Refused, NotFound, StorageError), REFUSED), (UserError, USAGE))

EXAMPLES = """\
examples:
  smok map import boiler.toml
  smok device add cellar --model boiler
  smok device list
  smok values cellar --watch
  smok write cellar flow_setpoint 60

In the daemon's folder nothing needs to be set up; elsewhere give --url and --token, or SMOK_URL and SMOK_TOKEN.
`smok COMMAND --help` tells more."""


def run() -> NoReturn:
    """The console script."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name) or open(os.devnull, "w")  # noqa: SIM115  # None: somebody closed it
        stream.reconfigure(errors="replace")  # a terminal that cannot show "°"
        setattr(sys, name, stream)
    code = main(sys.argv[1:])
    try:
        sys.stdout.flush()
    except OSError:  # told already; Python would flush once more at its end, so give it something that takes it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


def main(argv: Sequence[str]) -> int:
    """Run one command line; the exit code. What goes wrong has been told on stderr."""
    try:
        code = _code(argv)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        return READER_GONE
    except Exception as error:
        return _failed(error, "--debug" in argv)


def _code(argv: Sequence[str]) -> int:
    try:
        return _run(argv)
    except SystemExit as ended:  # it was --help
        return int(ended.code or OK)


def _run(argv: Sequence[str]) -> int:
    for name, module, _ in ELSEWHERE:
        if argv and argv[0] == name:
            code: int = import_module(module).main(argv[1:])
            return code
    args = _parsed(write.protected(argv))
    return args.run(Tool(args)) or OK


def _parsed(argv: Sequence[str]) -> Namespace:
    args, rest = parser().parse_known_args(argv, Namespace(form="table"))
    if getattr(args, "points", None) == [] and not any(word.startswith("-") for word in rest):
        # At the first option argparse takes what may be empty as empty (https://github.com/python/cpython/issues/59317).
        args.points = rest
    elif rest:
        args.parser.error(f"{' '.join(rest)} is not accepted here")
    return args


def parser() -> Parser:
    """All commands."""
    description = "Reach, watch and safely command MODBUS equipment that sits behind NAT."
    top = Parser(prog="smok", description=description, epilog=EXAMPLES, parents=[connection(), debug()])
    commands = Commands(top)
    for module in (device, maps, values, read, write, history, login, capture, replay):
        module.add_to(commands)
    for module in (backup, export, imports, database, journal):
        module.add_to(commands)
    for name, _, text in ELSEWHERE:
        commands.mention(name, text)
    return top


def _failed(error: Exception, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    code = next((code for kinds, code in _CODE_OF if isinstance(error, kinds)), REFUSED)
    print(f"smok: {one_line(_text(error))}", file=sys.stderr)
    return code


def _text(error: Exception) -> str:
    if isinstance(error, LocalError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    name = f"{type(error).__name__}: {error}"
    return f"a fault of this program ({name}): please report it with what `smok --debug ...` prints"


if __name__ == "__main__":
    run()
