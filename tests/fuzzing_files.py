"""Parsers of what strangers send to the web, and of files that came from strangers; see ``tests.fuzzing``."""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import cache

from smok_twisted.errors import RemoteError
from smok_twisted.observe.pcap import PacketReader
from smok_twisted.observe.segments import Endpoint, Segment, parse
from smok_twisted.observe.streams import Conversation, Piece, pieces
from smok_twisted.replay.findings import Findings
from smok_twisted.replay.player import PORTS, replay

from .web_rig import Rig

#: Ethernet, raw IP, Linux cooked captures, BSD's loopback, and one that nobody knows.
LINK_TYPES = (1, 101, 113, 276, 0, 147)
CLIENT = Endpoint("192.0.2.2", 40000)


def capture(octets: bytes) -> list[Findings]:
    """A file of tcpdump or Wireshark, from the packets up to what they say. Raises UserError."""
    return replay(pieces(PacketReader(io.BytesIO(octets), "a file"), PORTS))


def segment(octets: bytes) -> Segment:
    """One packet; the first octet chooses its link. Raises RemoteError for what carries no TCP."""
    found = parse(LINK_TYPES[octets[0] % len(LINK_TYPES)], octets[1:]) if octets else None
    if found is None:
        raise RemoteError("no-tcp")
    return found


def conversation(octets: bytes) -> list[Findings]:
    """What two sides said, as ``smok replay`` reads it: the first octet chooses the server's port, then come pieces
    (see ``_pieces``). Raises RemoteError for what is no protocol."""
    server = Endpoint("192.0.2.1", PORTS[octets[0] % len(PORTS)] if octets else 1)
    heard = Conversation(CLIENT, server, 0, True)
    found = replay((heard, piece) for piece in _pieces(octets[1:]))
    if all(one.protocol == "unknown" for one in found):
        raise RemoteError("no-protocol")
    return found


def _pieces(octets: bytes) -> Iterator[Piece]:
    """Each has its length in front, and an octet of flags: 1, the client's; 2, its octets were not captured."""
    at = 0
    while at + 1 < len(octets):
        size, flags = octets[at : at + 2]
        is_missing = bool(flags & 2)
        said = b"" if is_missing else octets[at + 2 : at + 2 + size]
        yield Piece(1_000_000 * at, bool(flags & 1), said, size if is_missing else 0)
        at += 2 + size


@cache
def _rig() -> Rig:
    return Rig()


def http(octets: bytes) -> bytes:
    """Requests to the web site, as they come off a socket. Raises RemoteError for what it refuses; a fault of ours
    would be a 500."""
    answer = _rig().raw(octets)
    said: bytes = answer.transport.value()  # type: ignore[attr-defined]
    answer.gone()  # type: ignore[attr-defined]
    lines = [line for line in said.split(b"\r\n") if line.startswith(b"HTTP/1.")]
    assert not any(b" 500 " in line for line in lines), lines
    if not any(b" 200 " in line for line in lines):
        raise RemoteError("refused")
    return said
