"""Conversations as a capture that tshark reads and follows: SYN, data with true sequence numbers, FIN or RST."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from heapq import merge

from .pcap import pcap_parts
from .segments import ACK, FIN, PSH, RST, SYN, Endpoint, Segment, build
from .streams import Conversation, Piece

#: As on an Ethernet of 1500 octets, for IPv6 too.
SEGMENT_OCTETS = 1440

Frame = tuple[int, bytes]


def export(conversations: Iterable[Conversation]) -> bytes:
    """A classic pcap file, its packets in order of time."""
    return b"".join(export_parts(conversations))


def export_parts(conversations: Iterable[Conversation]) -> Iterator[bytes]:
    """The same piece by piece, each made when it is asked for."""
    writers = [_Writer(one.client, one.server, one.begun_us).whole(one) for one in conversations]
    return pcap_parts(merge(*writers, key=lambda frame: frame[0]))


class _Writer:
    """Plays both ends of one connection; every segment acknowledges all that was sent before it."""

    def __init__(self, client: Endpoint, server: Endpoint, begun_us: int) -> None:
        self._ends = server, client
        self._now_us = begun_us
        self._number = 0
        # As numbers drawn by chance would be, and yet the same in every export.
        self._next = [zlib.crc32(f"{side} {client} {server} {begun_us}".encode()) for side in (0, 1)]

    def whole(self, conversation: Conversation) -> Iterator[Frame]:
        """From the first packet to the last."""
        yield self._frame(True, SYN)
        yield self._frame(False, SYN | ACK)
        yield self._frame(True, ACK)
        for piece in conversation.pieces:
            self._now_us = max(self._now_us, piece.time_us)
            yield from self._piece(piece)
        yield from self._end(conversation.end)

    def _piece(self, piece: Piece) -> Iterator[Frame]:
        self._advance(piece.from_client, piece.missing)
        for at in range(0, len(piece.octets), SEGMENT_OCTETS):
            yield self._frame(piece.from_client, PSH | ACK, piece.octets[at : at + SEGMENT_OCTETS])
            yield self._frame(not piece.from_client, ACK)

    def _end(self, end: str) -> Iterator[Frame]:
        how, _, side = end.partition(" by ")
        if how == "reset":
            yield self._frame(side == "client", RST | ACK)
        elif how == "closed":
            yield self._frame(side == "client", FIN | ACK)
            yield self._frame(side != "client", FIN | ACK)
            yield self._frame(side == "client", ACK)

    def _frame(self, from_client: bool, flags: int, octets: bytes = b"") -> Frame:
        source, target = self._ends[from_client], self._ends[not from_client]
        acknowledged = self._next[not from_client] if flags & ACK else 0
        segment = Segment(source, target, self._next[from_client], acknowledged, flags, octets, 0)
        self._advance(from_client, len(octets) + bool(flags & (SYN | FIN)))
        self._number += 1
        return self._now_us, build(segment, from_client, self._number)

    def _advance(self, from_client: bool, octets: int) -> None:
        self._next[from_client] = (self._next[from_client] + octets) & 0xFFFF_FFFF
