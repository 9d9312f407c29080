"""TCP put together again: what each side of each connection said, in the order in which it was heard.

Retransmissions, overlaps, reordering, several connections, sequence numbers that wrap, captures that begin or end in
the middle (RFC 9293, section 3.4). A segment waits for the octets in front of it, and for those that it acknowledges,
so that no answer comes before its question. What never comes is told as missing, also of a side of which nothing was
captured: what the other one acknowledges was said.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from .pcap import Packet
from .segments import ACK, FIN, RST, SYN, Endpoint, Segment, parse

#: Segments of one connection, and octets of all, that wait for what is in front of them.
SEGMENTS_AT_MOST = 512
OCTETS_AT_MOST = 64 << 20
#: So many while nothing at all of one side was captured: it is not likely to come.
SILENT_SEGMENTS_AT_MOST = 16
#: Connections that are followed at the same time; the one that was silent longest gives way.
CONNECTIONS_AT_MOST = 10_000


class Piece(NamedTuple):
    """Octets of one side, or (with no octets) how many of them are missing here."""

    time_us: int
    from_client: bool
    octets: bytes
    missing: int = 0


@dataclass(eq=False)
class Conversation:
    """One connection. ``packets`` and ``ip_octets`` count the server's, then the client's, with all repetitions."""

    client: Endpoint
    server: Endpoint
    begun_us: int
    is_whole: bool  #: False: the capture begins in its middle
    end: str = "open"  #: or closed or reset, and by whom
    packets: list[int] = field(default_factory=lambda: [0, 0])
    ip_octets: list[int] = field(default_factory=lambda: [0, 0])
    pieces: list[Piece] = field(default_factory=list)  #: filled by ``conversations``

    def said(self, from_client: bool) -> bytes:
        """All octets of one side that were heard."""
        return b"".join(piece.octets for piece in self.pieces if piece.from_client is from_client)

    def count(self, segment: Segment) -> bool:
        """Note a packet; whether the client sent it."""
        from_client = segment.source == self.client
        self.packets[from_client] += 1
        self.ip_octets[from_client] += segment.ip_octets
        return from_client


def conversations(packets: Iterable[Packet], server_ports: Collection[int] = ()) -> list[Conversation]:
    """All of them that said anything, with their pieces: as large as what was said."""
    found: dict[Conversation, None] = {}
    for conversation, piece in pieces(packets, server_ports):
        found[conversation] = None
        conversation.pieces.append(piece)
    return list(found)


def pieces(packets: Iterable[Packet], server_ports: Collection[int] = ()) -> Iterator[tuple[Conversation, Piece]]:
    """Each piece as soon as it can be told, in bounded memory. Where the capture does not show who dialled, it was not
    who has one of ``server_ports``."""
    reassembler = Reassembler(server_ports)
    for packet in packets:
        segment = parse(packet.link_type, packet.octets)
        if segment is not None:
            yield from reassembler.feed(packet.time_us, segment)
    yield from reassembler.finish()


class Reassembler:
    """``feed`` segments as they were captured, then ``finish``."""

    def __init__(self, server_ports: Collection[int] = ()) -> None:
        self._server_ports = server_ports
        self._connections: dict[frozenset[Endpoint], _Connection] = {}  # silent longest first
        self._waiting_octets = 0

    def feed(self, time_us: int, segment: Segment) -> list[tuple[Conversation, Piece]]:
        """What can be told now."""
        key = frozenset((segment.source, segment.target))
        connection, found = self._connections.pop(key, None), []
        if connection is not None and connection.is_over_for(segment):
            found, connection = self._gone(connection), None
        if connection is None:
            connection = _Connection(time_us, segment, self._server_ports)
        self._connections[key] = connection
        self._waiting_octets += len(segment.octets)
        found += self._told(connection, connection.feed(time_us, segment))
        while len(connection.waiting) > connection.patience or (connection.waiting and self._is_full):
            found += self._told(connection, connection.give_up())
        if len(self._connections) > CONNECTIONS_AT_MOST:
            found += self._gone(self._connections.pop(next(iter(self._connections))))
        return found

    def finish(self) -> list[tuple[Conversation, Piece]]:
        """What still waits, now that nothing more comes."""
        return [told for connection in self._connections.values() for told in self._gone(connection)]

    @property
    def _is_full(self) -> bool:
        return self._waiting_octets > OCTETS_AT_MOST

    def _gone(self, connection: _Connection) -> list[tuple[Conversation, Piece]]:
        found = []
        while connection.waiting:
            found += self._told(connection, connection.give_up())
        return found

    def _told(self, connection: _Connection, pieces: list[Piece]) -> list[tuple[Conversation, Piece]]:
        self._waiting_octets -= connection.taken_octets
        connection.taken_octets = 0
        return [(connection.conversation, piece) for piece in pieces]


class _Connection:
    """``due`` is the next octet of the server's side, then of the client's: sequence numbers that do not wrap."""

    def __init__(self, time_us: int, segment: Segment, server_ports: Collection[int]) -> None:
        self.conversation = _begin(time_us, segment, server_ports)
        self.waiting: list[tuple[int, bool, Segment]] = []
        self.taken_octets = 0  #: of segments that wait no more
        self._due: list[int | None] = [None, None]
        self._first_due: list[int | None] = [None, None]  # as the other side has acknowledged it
        self._is_heard = [False, False]
        self._syn = segment.sequence
        self._ended = [False, False]
        self._is_reset = False

    def is_over_for(self, segment: Segment) -> bool:
        """Whether ``segment`` begins another connection between the same ends."""
        return segment.flags & (SYN | ACK) == SYN and segment.sequence != self._syn

    def feed(self, time_us: int, segment: Segment) -> list[Piece]:
        """What can be told now."""
        from_client = self.conversation.count(segment)
        self._begin(from_client, segment)
        self.waiting.append((time_us, from_client, segment))
        return self._ready()

    @property
    def patience(self) -> int:
        """How many segments may wait."""
        return SEGMENTS_AT_MOST if all(self.conversation.packets) else SILENT_SEGMENTS_AT_MOST

    def _begin(self, from_client: bool, segment: Segment) -> None:
        """Where each side begins: with its first octet, or with the first that the other one says it waits for."""
        if not self._is_heard[from_client] and (segment.octets or segment.flags & (SYN | FIN)):
            self._is_heard[from_client] = True
            due = self._due[from_client]
            if due is None or _near(due, segment.sequence) < due == self._first_due[from_client]:
                self._due[from_client] = segment.sequence
        if segment.flags & ACK and self._due[not from_client] is None:
            self._due[not from_client] = self._first_due[not from_client] = segment.acknowledged

    def give_up(self) -> list[Piece]:
        """Something that waits must go on: what it waits for is missing."""
        time_us, from_client, segment = self.waiting[0]
        places = [self._place(from_client, segment).start]
        if places[0] <= self._heard(from_client):  # it acknowledges what never came
            from_client, places = not from_client, [self._acknowledged(from_client, segment)]
        heard = self._heard(from_client)
        places += [self._place(side, one).start for _, side, one in self.waiting if side == from_client]
        first = min(place for place in places if place > heard)
        self._due[from_client] = first
        is_silent = not self.conversation.packets[from_client] and not self._ended[from_client]
        if is_silent and first == heard + 1 and (segment.flags & FIN or any(self._ended)):
            self._note_end(from_client, FIN)  # it takes a number too
            return self._ready()
        return [Piece(time_us, from_client, b"", first - heard), *self._ready()]

    def _ready(self) -> list[Piece]:
        found: list[Piece] = []
        while ready := next((one for one in self.waiting if self._may_go(*one[1:])), None):
            self.waiting.remove(ready)
            found += self._take(*ready)
        return found

    def _may_go(self, from_client: bool, segment: Segment) -> bool:
        if self._place(from_client, segment).start > self._heard(from_client):
            return False
        return self._acknowledged(from_client, segment) <= self._heard(not from_client)

    def _take(self, time_us: int, from_client: bool, segment: Segment) -> list[Piece]:
        """Only what was not heard before."""
        self.taken_octets += len(segment.octets)
        place, heard = self._place(from_client, segment), self._heard(from_client)
        if self._due[from_client] is not None:
            self._due[from_client] = max(heard, place.stop)
        if place.stop > heard or segment.flags & RST:
            self._note_end(from_client, segment.flags)
        octets = segment.octets[max(0, heard - place.start - bool(segment.flags & SYN)) :]
        return [Piece(time_us, from_client, octets)] if octets else []

    def _note_end(self, from_client: bool, flags: int) -> None:
        side = "client" if from_client else "server"
        if flags & RST and not self._is_reset and not all(self._ended):
            self._is_reset = True
            self.conversation.end = f"reset by {side}"
        elif flags & FIN:
            if not any(self._ended) and not self._is_reset:
                self.conversation.end = f"closed by {side}"
            self._ended[from_client] = True

    def _place(self, from_client: bool, segment: Segment) -> range:
        """What it takes of the sequence numbers."""
        start = _near(self._heard(from_client), segment.sequence) if self._due[from_client] is not None else 0
        return range(start, start + len(segment.octets) + bool(segment.flags & SYN) + bool(segment.flags & FIN))

    def _acknowledged(self, from_client: bool, segment: Segment) -> int:
        heard = self._heard(not from_client)
        is_known = segment.flags & ACK and self._due[not from_client] is not None
        return _near(heard, segment.acknowledged) if is_known else heard

    def _heard(self, from_client: bool) -> int:
        """Everything in front of this was told; 0 while nothing was."""
        return self._due[from_client] or 0


def _begin(time_us: int, segment: Segment, server_ports: Collection[int]) -> Conversation:
    """Who dialled: the one with SYN alone; when that was not seen, the one without a server's port, or with the higher
    one."""
    is_whole = bool(segment.flags & SYN)
    is_known, is_answered = (end.port in server_ports for end in (segment.source, segment.target))
    dialled = is_answered if is_known != is_answered else segment.source.port > segment.target.port
    if is_whole:
        dialled = not segment.flags & ACK
    ends = segment[:2] if dialled else (segment.target, segment.source)
    return Conversation(*ends, time_us, is_whole)


def _near(number: int, sequence: int) -> int:
    """``sequence`` (u32) as the number that does not wrap and is nearest to ``number``."""
    return number + (sequence - number + 0x8000_0000) % 0x1_0000_0000 - 0x8000_0000
