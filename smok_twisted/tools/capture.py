"""``smok capture``: what a device and the daemon say, as a pcap file."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UserError
from .arguments import Commands, connection, name, whole
from .new_file import is_standard_output
from .problems import Refused

if TYPE_CHECKING:
    from .tool import Tool

EXAMPLES = """\
  smok capture cellar -o cellar.pcap --seconds 60
  smok capture cellar -o cellar.pcap; smok replay cellar.pcap --secret-file cellar.secret
  wireshark -X lua_script:$(smok capture --wireshark) -o smok4.secret_file:cellar.secret -r cellar.pcap"""

#: What lets Wireshark read P24 and SMOK/4.
DISSECTOR = Path(__file__).resolve().parent.parent / "observe" / "wireshark" / "smok.lua"

#: A file without packets.
_HEADER_OCTETS = 24


def add_to(commands: Commands) -> None:
    """``smok capture``"""
    parser = commands.add("capture", _capture, "keep what a device and the daemon say, as pcap", EXAMPLES, connection())
    add = parser.add_argument
    add("device", metavar="DEVICE", type=name, help="name or id")
    add("-o", "--output", type=Path, metavar="FILE", help='default DEVICE.pcap; "-" is the standard output')
    add("--seconds", type=whole(0, 3600), default=10, metavar="N", help="how long to listen (default 10)")
    text = "print where the script is that lets Wireshark and tshark read P24 and SMOK/4, and do nothing else"
    add("--wireshark", action="version", version=str(DISSECTOR), help=text)


def _capture(tool: Tool) -> None:
    """The first look begins the capture, the second one takes what came meanwhile."""
    device = tool.args.device
    tool.api.get_octets("devices", device, "capture.pcap")
    time.sleep(tool.args.seconds)
    octets = tool.api.get_octets("devices", device, "capture.pcap")
    if len(octets) <= _HEADER_OCTETS:
        raise Refused(f"device {device!r} has not been connected since; it is captured when it comes, ask again then")
    file = tool.args.output or Path(f"{device}.pcap")
    if str(file) == "-" or is_standard_output(file):
        sys.stdout.buffer.write(octets)
        return
    try:
        file.write_bytes(octets)
    except OSError as error:
        raise UserError(f"{file}: cannot be written: {error.strerror}") from None
    tool.output.line(f"{len(octets)} octets in {file}; `smok replay {file}` reads them")
