"""The records of one side of a SMOK/4 conversation, in order; and found again where octets are missing.

Behind a gap nobody knows where a record begins, or which one it is. But a record often begins where a piece does, its
number lies between two bounds, and its tag proves both.
"""

from __future__ import annotations

from ..cipher.record import MAX_BODY_OCTETS, DirectionKeys
from ..errors import RemoteError
from ..framing.codec import FrameDecoder
from ..interfaces import Opener

#: Records that are tried behind one gap.
TRIES_AT_MOST = 1_000_000


class Side:
    """``feed`` what it said, then call ``next`` until it answers None; ``open`` each frame that is a record."""

    def __init__(self, opening_octets: int) -> None:
        self.records = 0
        self.is_lost = False  #: nothing can be understood any more
        self._decoder = FrameDecoder(opening_octets)
        self._keys: DirectionKeys | None = None
        self._opener: Opener | None = None
        self._search: _Search | None = None

    def expect_trailer(self, octets: int) -> None:
        """Frames from the next one on end in a tag of so many octets."""
        self._decoder.trailer_octets = octets

    def use(self, keys: DirectionKeys) -> None:
        """Open records from now on."""
        self._keys, self._opener = keys, keys.opener()

    def feed(self, octets: bytes) -> None:
        """The next octets. Raises RemoteError."""
        if self._search is None:
            self._decoder.feed(octets)
        elif self._search.feed(octets):
            self.records, octets = self._search.number, self._search.octets
            self._opener = self._search.keys.opener(self.records)
            self._search = None
            self._decoder.feed(octets)

    def next(self) -> bytes | None:
        """The next frame. Raises RemoteError."""
        return self._decoder.next()

    def open(self, frame: bytes) -> bytes | None:
        """The body of a record; None without keys. Raises RemoteError("bad-tag")."""
        self.records += 1
        return None if self._opener is None else self._opener.open(frame)

    def missed(self, octets: int) -> None:
        """So many octets are missing. Without keys, nothing behind them can be told from anything else."""
        if self._keys is None:
            self.is_lost = True
            return
        before = self._search
        octets += before.unread_octets if before is not None else self._decoder.pending_octets
        tries = before.tries if before is not None else TRIES_AT_MOST
        self._search = _Search(self._keys, self.records, octets, tries)
        self._decoder = FrameDecoder(0)
        self.expect_trailer(self._keys.suite.tag_octets)


class _Search:
    """For the first record behind ``unread_octets``, which came after ``records`` others. Once ``feed`` is true,
    ``number`` is its number and ``octets`` begin with it."""

    def __init__(self, keys: DirectionKeys, records: int, unread_octets: int, tries: int) -> None:
        self.keys = keys
        self.number = 0
        self.octets = b""
        self.unread_octets = unread_octets
        self.tries = tries
        self._records = records
        self._starts: list[tuple[int, bytearray]] = []  # octets before, octets from there on

    def feed(self, octets: bytes) -> bool:
        """One more piece: a record may begin here, or where an earlier one did."""
        self._starts.append((self.unread_octets, bytearray()))
        self.unread_octets += len(octets)
        for start in self._starts[:]:
            start[1].extend(octets)
            size = 1 + start[1][0] + self.keys.suite.tag_octets
            if len(start[1]) >= size:
                self._starts.remove(start)
                if self._is_record(start[0], bytes(start[1][:size])):
                    self.octets = bytes(start[1])
                    return True
        return False

    def _is_record(self, unread_octets: int, frame: bytes) -> bool:
        """Whether it is one of those that may come behind so many octets."""
        tag_octets = self.keys.suite.tag_octets
        fewest = -(-unread_octets // (1 + MAX_BODY_OCTETS + tag_octets))
        most = unread_octets // (2 + tag_octets)
        numbers = range(self._records + fewest, self._records + most + 1)[: self.tries]
        for self.number in numbers:
            if opens(self.keys, self.number, frame):
                return True
        self.tries -= len(numbers)
        return False


def opens(keys: DirectionKeys, number: int, record: bytes) -> bool:
    """Whether ``record`` is the one of that number."""
    try:
        keys.opener(number).open(record)
    except RemoteError:
        return False
    return True
