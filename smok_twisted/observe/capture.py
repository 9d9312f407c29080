"""The last octets of one device's conversations, kept while somebody wants them, exported as pcap.

Framing feeds a ``Tap`` with every octet of its connection; it keeps no more than how the conversation began, without
which nobody can open its records. A ``Capture`` listens to the taps of one device. Pure.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from struct import Struct
from typing import NamedTuple

from ..clock import WallClock
from .export import export
from .segments import Endpoint
from .streams import Conversation, Piece

#: Of each side of a connection, kept always: the opening and the login (20 and 28 octets in suite 2 of SMOK/4). Once
#: one side has said more, nothing is kept of the other one either: no answer without its question.
HEAD_OCTETS = 48
#: A capture is wanted for so long after it was last asked for.
WANTED_SECONDS = 3600
#: Connections of the device that one capture remembers.
CONNECTIONS_AT_MOST = 16
_HEAD = Struct(">q?B")  # time, from the client, octets that follow
#: What a piece costs beside its octets.
_PIECE_OCTETS = 256


class Tap:
    """One connection of a device that dialled in. ``end`` is as in ``streams.Conversation``."""

    __slots__ = ("_head", "_is_begun", "_wall_clock", "capture", "end", "octets")

    def __init__(self, wall_clock: WallClock) -> None:
        self.capture: Capture | None = None
        self.end = "open"
        self.octets = [0, 0]  #: so far, of the server, then of the client
        self._wall_clock = wall_clock
        self._head = bytearray()  # packed, because every connection has one
        self._is_begun = False  # one side has said more than is kept

    @property
    def head(self) -> Iterator[Piece]:
        """How it began: the first octets of each side."""
        at = 0
        while at < len(self._head):
            time_us, from_client, size = _HEAD.unpack_from(self._head, at)
            at += _HEAD.size + size
            yield Piece(time_us, from_client, bytes(self._head[at - size : at]))

    def sent(self, octets: bytes) -> None:
        """The daemon said something."""
        self._heard(False, octets)

    def received(self, octets: bytes) -> None:
        """The device said something."""
        self._heard(True, octets)

    def _heard(self, from_client: bool, octets: bytes) -> None:
        before = self.octets[0], self.octets[1]
        self.octets[from_client] += len(octets)
        if not self._is_begun:
            part = octets[: HEAD_OCTETS - before[from_client]]
            self._is_begun = len(part) < len(octets)
            if part:
                self._head += _HEAD.pack(self._wall_clock(), from_client, len(part)) + part
        if self.capture is not None:
            self.capture.add(self, before, from_client, octets)


class _Kept(NamedTuple):
    tap: Tap
    before: tuple[int, int]  #: how many octets the server, and the client, had said until then
    piece: Piece
    heard_seconds: float = 0.0  #: by the monotonic clock


class Capture:
    """A ring of what one device and the daemon said, in at most ``octets_at_most`` octets of memory and not older than
    ``seconds``, by ``monotonic``. Whoever wants no more of it calls ``stop``.
    """

    def __init__(
        self,
        wall_clock: WallClock,
        monotonic: Callable[[], float],
        octets_at_most: int = 1 << 20,
        seconds: float = 3600.0,
    ) -> None:
        self._wall_clock = wall_clock
        self._monotonic = monotonic
        self._octets_at_most = octets_at_most
        self._seconds = seconds
        self._octets = 0
        self._added = self._forgotten = 0  # pieces, ever
        self._begun = 0  # so many were added when it last began to listen
        self._ring: deque[_Kept] = deque()
        self._ends: dict[Tap, tuple[Endpoint, Endpoint]] = {}  # oldest first

    def listen(self, tap: Tap, client: tuple[str, int], server: tuple[str, int]) -> None:
        """A connection of the device: hear it from now on. Again: what is said from now on is its beginning."""
        tap.capture = self
        self._begun = self._added
        self._ends[tap] = Endpoint(*client), Endpoint(*server)
        if len(self._ends) > CONNECTIONS_AT_MOST:
            oldest = next(iter(self._ends))
            del self._ends[oldest]
            oldest.capture = None

    def add(self, tap: Tap, before: tuple[int, int], from_client: bool, octets: bytes) -> None:
        """Octets that came when the server, and the client, had said so many."""
        piece = Piece(self._wall_clock(), from_client, octets)
        self._ring.append(_Kept(tap, before, piece, self._monotonic()))
        self._added += 1
        self._octets += _PIECE_OCTETS + len(octets)
        self._forget()

    def is_cut(self) -> bool:
        """Whether what was said first, when it last began to listen, is forgotten."""
        self._forget()
        return self._forgotten > self._begun

    def stop(self) -> None:
        """Hear nothing more, and forget everything."""
        for tap in self._ends:
            tap.capture = None
        self._ends.clear()
        self._ring.clear()
        self._octets = 0

    def conversations(self) -> list[Conversation]:
        """What is kept; what was not kept is missing in it. Nothing that comes later changes it."""
        self._forget()
        rings: dict[Tap, list[_Kept]] = {tap: [] for tap in self._ends}
        for one in self._ring:
            if one.tap in rings:
                rings[one.tap].append(one)
        return [self._conversation(*each) for each in rings.items()]

    def pcap(self) -> bytes:
        """The same as a file."""
        return export(self.conversations())

    def _forget(self) -> None:
        ring, oldest_seconds = self._ring, self._monotonic() - self._seconds
        while ring and (self._octets > self._octets_at_most or ring[0].heard_seconds < oldest_seconds):
            self._octets -= _PIECE_OCTETS + len(ring.popleft().piece.octets)
            self._forgotten += 1

    def _conversation(self, tap: Tap, ring: list[_Kept]) -> Conversation:
        kept = [*_head(tap, ring), *ring]
        begun_us = kept[0].piece.time_us if kept else self._wall_clock()
        conversation = Conversation(*self._ends[tap], begun_us, is_whole=True, end=tap.end)
        conversation.pieces += _joined(kept)
        return conversation


def _head(tap: Tap, ring: list[_Kept]) -> Iterator[_Kept]:
    """How the conversation began, as far as ``ring`` does not tell: that is older than all of it."""
    told = ring[0].before if ring else (HEAD_OCTETS, HEAD_OCTETS)
    said = [0, 0]
    for piece in tap.head:
        side = piece.from_client
        if said[side] < told[side]:
            yield _Kept(tap, (said[0], said[1]), piece)
        said[side] += len(piece.octets)


def _joined(kept: Iterable[_Kept]) -> Iterator[Piece]:
    """With a piece without octets where some are missing, of either side: an answer comes behind all that was asked."""
    said = [0, 0]
    for _, before, piece, _ in kept:
        for side in (False, True):
            if before[side] > said[side]:
                yield Piece(piece.time_us, side, b"", before[side] - said[side])
                said[side] = before[side]
        yield piece
        said[piece.from_client] += len(piece.octets)
