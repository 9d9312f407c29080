"""``smok replay``: what a capture says, read by the decoders of the daemon; needs no daemon."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UserError
from .arguments import Commands, output

if TYPE_CHECKING:
    from ..modbus.maps import RegisterMap
    from ..replay.findings import Findings
    from ..replay.smok4_messages import Known
    from .tool import Tool

EXAMPLES = """\
  smok replay site.pcap --secret-file cellar.secret --map boiler.toml
  tcpdump -i eth0 -w site.pcap port 502; smok replay site.pcap"""


def add_to(commands: Commands) -> None:
    """``smok replay``"""
    parser = commands.add("replay", _replay, "read a capture: readings, orders, faults, octets", EXAMPLES, output())
    add = parser.add_argument
    add("file", metavar="FILE", help='pcap or pcapng; "-" is the standard input')
    secret = parser.add_mutually_exclusive_group().add_argument
    secret("--secret", metavar="HEX", help="the device's secret, to open its records")
    secret("--secret-file", metavar="FILE", type=Path, help="holds it in hex, as for `smok agent`; mode 0600")
    add("--map", metavar="FILE", help="the register map of its model, to tell values of points")


def _replay(tool: Tool) -> None:
    from .replay_tables import print_tables

    register_map = _map(tool.args.map)
    found, cut_short = _found(tool.args.file, _known(tool, register_map))
    if tool.output.form == "json":
        shapes = [findings.as_json(register_map) for findings in found]
        return tool.output.json({"conversations": shapes, "cut_short": cut_short})
    print_tables(tool.output, found, register_map)
    if cut_short:
        tool.output.line("\n(the file ends in the middle of a packet)")


def _known(tool: Tool, register_map: RegisterMap | None) -> Known:
    from ..agent.settings import read_secret, suite_of
    from ..modbus.plan import plan_blocks
    from ..replay.smok4_messages import Known

    known = Known(blocks=None if register_map is None else plan_blocks(register_map))
    if tool.args.secret_file is not None:
        known.secrets.append(read_secret(tool.args.secret_file))
    elif tool.args.secret is not None:
        try:
            secret = bytes.fromhex(tool.args.secret)
        except ValueError:
            raise UserError("--secret is not accepted: hex digits, 40 for suite 1, 64 for suite 2") from None
        suite_of(secret)
        known.secrets.append(secret)
    return known


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


def _found(file: str, known: Known) -> tuple[list[Findings], bool]:
    """What every conversation said; and whether the file ends in the middle of a packet."""
    from ..observe.pcap import PacketReader
    from ..observe.streams import pieces
    from ..replay.player import replay

    try:
        with nullcontext(sys.stdin.buffer) if file == "-" else open(file, "rb") as stream:
            packets = PacketReader(stream, file)
            return replay(pieces(packets), known), packets.cut_short
    except OSError as error:
        raise UserError(f"{file}: cannot be read: {error.strerror}") from None
