"""What is to be said of a capture file as a whole: what was not kept, what was not recognised. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ..errors import UserError
from ..observe.pcap import PacketReader
from ..observe.segments import ACCEPTED_LINKS, LINKS
from ..replay.findings import Findings, Json
from ..replay.player import PROTOCOLS


@dataclass
class Notes:
    """``shape`` for programs, ``lines`` for people."""

    shape: Json
    lines: list[str] = field(default_factory=list)


def notes_of(file: str, packets: PacketReader, found: Sequence[Findings]) -> Notes:
    """After the last packet. Raises UserError for a file in which no packet can be understood."""
    passed_over = {link_type: count for link_type, count in packets.packets.items() if link_type not in LINKS}
    total = packets.packets.total()
    links = ", ".join(map(str, sorted(passed_over)))
    if total and sum(passed_over.values()) == total:
        raise UserError(f"{file}: its packets are of link type {links}; accepted are {ACCEPTED_LINKS}")
    lines = []
    if packets.cut_short:
        lines.append("the file ends in the middle of a packet")
    if packets.shortened:
        kept = f"packets of which only the beginning was kept: {packets.shortened}"
        lines.append(f"{kept}; tcpdump -s 0 keeps all of each")
    if passed_over:
        lines.append(f"packets of link type {links}, which are passed over: {sum(passed_over.values())}")
    if not found:
        lines.append(f"no TCP connection says anything in its {total} packets")
    lines += _unknown(found)
    return Notes({"cut_short": packets.cut_short, "shortened": packets.shortened}, lines)


def _unknown(found: Sequence[Findings]) -> list[str]:
    ports = sorted({one.conversation.server.port for one in found})
    if not ports or any(one.protocol != "unknown" for one in found):
        return []
    shown = ", ".join(map(str, ports[:10])) + (" ..." if len(ports) > 10 else "")
    return [f"what is spoken at port {shown} was not recognised; --port {ports[0]}=PROTOCOL would say it: {PROTOCOLS}"]
