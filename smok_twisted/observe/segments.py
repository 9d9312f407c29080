"""From a captured packet to its TCP segment, and back: Ethernet, IPv4, IPv6, TCP.

Sources: RFC 791, RFC 8200, RFC 9293; link types of draft-ietf-opsawg-pcaplinktype. Checksums are made, not checked:
in captures of one's own machine they are often left to the network card. Fragments are passed over.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import NamedTuple

from .pcap import ETHERNET

FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10
IPV4, IPV6 = 0x0800, 0x86DD

_VLAN_TAGS = (0x8100, 0x88A8)
_TCP = 6
#: IPv6 headers that may stand in front of TCP: hop-by-hop, routing, destination.
_IPV6_OPTIONS = (0, 43, 60)
_TCP_HEAD = struct.Struct(">HHIIBBHHH")
#: Locally administered addresses: the real ones are not known.
_CLIENT_MAC, _SERVER_MAC = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")
_WINDOW = 65535


class Endpoint(NamedTuple):
    """One end of a connection."""

    host: str  #: an IPv4 or IPv6 address
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Segment(NamedTuple):
    """One TCP segment."""

    source: Endpoint
    target: Endpoint
    sequence: int  #: u32, of the first octet (SYN counts as one)
    acknowledged: int  #: u32; means nothing without the flag ACK
    flags: int
    octets: bytes
    ip_octets: int  #: of the whole packet, from the IP header on


def parse(link_type: int, packet: bytes) -> Segment | None:
    """The segment in a captured packet; None if there is none, or not enough of it was kept."""
    unwrap = LINKS.get(link_type)
    try:
        return None if unwrap is None else _ip(unwrap(packet))
    except (struct.error, IndexError, ipaddress.AddressValueError):
        return None


# -- what is around IP


def _ethernet(packet: bytes, at: int = 12, behind: int = 0) -> bytes:
    """``at`` is where the type stands, with ``behind`` octets between it and what it is the type of."""
    (kind,) = struct.unpack_from(">H", packet, at)
    at += 2 + behind
    while kind in _VLAN_TAGS:
        (kind,) = struct.unpack_from(">H", packet, at + 2)
        at += 4
    return packet[at:] if kind in (IPV4, IPV6) else b""


#: What users call the link types of ``LINKS``.
ACCEPTED_LINKS = "Ethernet, tcpdump -i any, raw IP and loopback"
#: Link types by number: NULL and LOOP have a family of 4 octets, which IP's own version number repeats.
LINKS: Mapping[int, Callable[[bytes], bytes]] = {
    ETHERNET: _ethernet,
    **dict.fromkeys((0, 108), lambda packet: packet[4:]),
    **dict.fromkeys((12, 14, 101, 228, 229), lambda packet: packet),
    113: lambda packet: _ethernet(packet, 14),
    276: lambda packet: _ethernet(packet, 0, 18),
}


# -- IP and TCP


def _ip(packet: bytes) -> Segment | None:
    version = packet[0] >> 4 if packet else 0
    if version == 4:
        return _ipv4(packet)
    return _ipv6(packet) if version == 6 else None


def _ipv4(packet: bytes) -> Segment | None:
    total, _, fragment = struct.unpack_from(">HHH", packet, 2)
    if packet[9] != _TCP or fragment & 0x3FFF:
        return None
    total = total or len(packet)  # 0: the network card was to cut it into segments
    return _tcp(packet[4 * (packet[0] & 0x0F) : total], packet[12:16], packet[16:20], total)


def _ipv6(packet: bytes) -> Segment | None:
    length, kind = struct.unpack_from(">HB", packet, 4)
    total, at = 40 + length if length else len(packet), 40
    while kind in _IPV6_OPTIONS:
        kind, at = packet[at], at + 8 * (1 + packet[at + 1])
    if kind != _TCP:
        return None
    return _tcp(packet[at:total], packet[8:24], packet[24:40], total)


def _tcp(tcp: bytes, source: bytes, target: bytes, ip_octets: int) -> Segment:
    source_port, target_port, sequence, acknowledged, offset, flags, *_ = _TCP_HEAD.unpack_from(tcp)
    data = tcp[max(_TCP_HEAD.size, 4 * (offset >> 4)) :]
    ends = _endpoint(source, source_port), _endpoint(target, target_port)
    return Segment(*ends, sequence, acknowledged, flags, data, ip_octets)


@lru_cache(maxsize=4096)
def _endpoint(address: bytes, port: int) -> Endpoint:
    """Remembered: the packets of a capture come from few ends."""
    is_v4 = len(address) == 4
    return Endpoint(str(ipaddress.IPv4Address(address) if is_v4 else ipaddress.IPv6Address(address)), port)


# -- the way back


def build(segment: Segment, from_client: bool, number: int) -> bytes:
    """The Ethernet frame; ``number`` identifies the packet (IPv4). Its ``ip_octets`` are not looked at."""
    source, target = (ipaddress.ip_address(end.host) for end in segment[:2])
    macs = (_SERVER_MAC, _CLIENT_MAC) if from_client else (_CLIENT_MAC, _SERVER_MAC)
    kind = IPV4 if source.version == 4 else IPV6
    tcp = _tcp_octets(segment, source.packed + target.packed)
    if source.version == 4:
        ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(tcp), number & 0xFFFF, 0x4000, 64, _TCP, 0)
        ip += source.packed + target.packed
        ip = ip[:10] + struct.pack(">H", checksum(ip)) + ip[12:]
    else:
        ip = struct.pack(">IHBB", 6 << 28, len(tcp), _TCP, 64) + source.packed + target.packed
    return b"".join((*macs, struct.pack(">H", kind), ip, tcp))


def _tcp_octets(segment: Segment, hosts: bytes) -> bytes:
    head = (segment.source.port, segment.target.port, segment.sequence, segment.acknowledged, 5 << 4, segment.flags)
    tcp = _TCP_HEAD.pack(*head, _WINDOW, 0, 0) + segment.octets
    total = checksum(hosts + struct.pack(">II", len(tcp), _TCP) + tcp)
    return tcp[:16] + struct.pack(">H", total) + tcp[18:]


def checksum(octets: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    padded = octets + b"\0" * (len(octets) & 1)
    total: int = sum(struct.unpack(f">{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF
