"""``smok replay``: what a capture says, read by the decoders of the daemon; needs no daemon."""

from __future__ import annotations

import sys
from argparse import ArgumentTypeError
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ..errors import UserError
from .arguments import Commands, name, one_of, output, whole

if TYPE_CHECKING:
    from ..modbus.maps import RegisterMap
    from ..replay.findings import Findings
    from ..replay.smok4_messages import Known
    from .replay_notes import Notes
    from .tool import Tool

EXAMPLES = """\
  smok replay site.pcap --secret-file cellar.secret --map boiler.toml
  smok replay site.pcap --into smok-data --device cellar           # into the history, while no daemon runs
  smok replay site.pcap --into lab --device cellar --add --map boiler.toml
  smok replay server.pcap --secret-file cellar.secret --secret-file pump.secret
  tcpdump -i eth0 -w site.pcap port 502; smok replay site.pcap"""

#: The file, its conversations, the members of one, the rows of a member: those have a line each.
JSON_DEPTH = 4


def add_to(commands: Commands) -> None:
    """``smok replay``"""
    parser = commands.add("replay", _replay, "read a capture: readings, orders, faults, octets", EXAMPLES, output())
    add = parser.add_argument
    add("file", metavar="FILE", help='pcap or pcapng; "-" is the standard input')
    repeated = "may be repeated"
    add("--secret", metavar="HEX", action="append", default=[], help=f"a device's, to open its records; {repeated}")
    from_file = f"secrets in hex, one a line, # begins a remark; mode 0600; {repeated}"
    add("--secret-file", metavar="FILE", type=Path, action="append", default=[], dest="secret_files", help=from_file)
    spoken = "what is spoken at a server's port, where it is not recognised: smok4, p24, modbus-tcp or rtu"
    add("--port", metavar="N=PROTOCOL", type=_port, action="append", default=[], dest="ports", help=spoken)
    add("--map", metavar="FILE", help="the register map of its model, to tell values of points")
    group = parser.add_argument_group("into the history", "each reading once, however often it is repeated")
    add = group.add_argument
    add("--into", metavar="PLACE", help="a data folder, its smok.db or a smok.toml; no daemon may run on it")
    add("--device", metavar="NAME", type=name, help="whose readings they are; MODBUS itself does not say")
    add("--add", action="store_true", help="add that device, with --map, where it is missing")


def _replay(tool: Tool) -> None:
    register_map = _map(tool.args.map)
    known = _known(tool, register_map)
    if tool.args.into is not None:
        return _keep(tool, register_map, known)
    if tool.args.device is not None or tool.args.add:
        raise UserError("--device and --add say where readings go: they need --into")
    _show(tool, register_map, known)


def _keep(tool: Tool, register_map: RegisterMap | None, known: Known) -> None:
    from ..replay.owners import Wish
    from .replay_into import keep

    wish = Wish(tool.args.device, register_map, tool.args.add)
    keep(tool, wish, known, lambda known: _found(tool.args.file, known))


def _show(tool: Tool, register_map: RegisterMap | None, known: Known) -> None:
    from .replay_tables import print_tables

    found, notes = _found(tool.args.file, known)
    if tool.output.form == "json":
        shapes = (findings.as_json(register_map, rows=iter) for findings in found)
        return tool.output.long_json({"conversations": shapes, **notes.shape}, JSON_DEPTH)
    print_tables(tool.output, found, register_map)
    for number, line in enumerate(notes.lines):
        tool.output.line(f"({line})" if number else f"\n({line})")


def _known(tool: Tool, register_map: RegisterMap | None) -> Known:
    from ..modbus.plan import plan_blocks
    from ..replay.smok4_messages import Known
    from .replay_secrets import secrets_of

    secrets = secrets_of(tool.args.secret, tool.args.secret_files)
    return Known(secrets, dict(tool.args.ports), blocks=None if register_map is None else plan_blocks(register_map))


def _map(file: str | None) -> RegisterMap | None:
    from ..modbus.maps import parse_map

    if file is None:
        return None
    try:
        return parse_map(Path(file).read_bytes().decode(), file)
    except OSError as error:
        raise UserError(f"{file}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{file}: is not UTF-8 at octet {error.start}; accepted is TOML in UTF-8") from None


def _port(text: str) -> tuple[int, str]:
    """A type: a port and the protocol that is spoken there."""
    port, _, protocol = text.partition("=")
    try:
        return whole(1, 65535)(port), one_of("smok4", "p24", "modbus-tcp", "rtu")(protocol)
    except ArgumentTypeError as error:
        raise ArgumentTypeError(f"{text!r}: {error}; such as 5020=modbus-tcp") from None


def _found(file: str, known: Known) -> tuple[list[Findings], Notes]:
    """What every conversation said, and what is to be said of the file itself."""
    from ..observe.pcap import PacketReader
    from ..observe.streams import pieces
    from ..replay.player import PORTS, replay
    from .progress import Watched, progress
    from .replay_notes import notes_of

    try:
        with _opened(file) as stream, progress("replay", "B") as step:
            packets = PacketReader(Watched(stream, step), file)
            found = replay(pieces(packets, {*PORTS, *known.ports}), known)
            return found, notes_of(file, packets, found)
    except OSError as error:
        raise UserError(f"{file}: cannot be read: {error.strerror}") from None


def _opened(file: str) -> AbstractContextManager[BinaryIO]:
    return nullcontext(sys.stdin.buffer) if file == "-" else open(file, "rb")  # its user closes it
