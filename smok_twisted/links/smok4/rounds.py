"""DATA: rounds of block reports on the wire (design note smok4, "DATA").

A round is ``age(varint, 0.1 s) n(1)`` and n block reports; a report's first octet is ``kind << 6 | block``.
Both sides remember the words last reported for each block, so that small changes cost few octets. Their
memory starts empty after a login and with a new plan.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence

from ...errors import RemoteError
from ...modbus.pdu import pack_bits, unpack_bits
from ...readings import Block, BlockReport, Round

FULL, CHANGES, ERROR, SAME = range(4)

#: What a DATA record has for rounds: 255 octets less the type and the batch number.
ROOM_OCTETS = 252
_AGE_OCTETS = 5  # the varint of ``readings.OLDEST_AGE``


class RoundDecoder:
    """The server's half, for one plan in one session."""

    def __init__(self, blocks: Sequence[Block]) -> None:
        self._shapes = [(block.table.is_bits, block.count) for block in blocks]
        self._last: dict[int, tuple[int, ...]] = {}

    def decode(self, octets: bytes) -> list[Round]:
        """All rounds of a DATA payload (what follows the batch number). Raises RemoteError("bad-data")."""
        try:
            return list(self._rounds(octets))
        except (IndexError, struct.error):
            raise RemoteError("bad-data", "a round is cut short") from None

    def _rounds(self, octets: bytes) -> Iterator[Round]:
        at, end = 0, len(octets)
        while at < end:
            age, at = read_varint(octets, at)
            count, at = octets[at], at + 1
            reports = []
            for _ in range(count):
                report, at = self._report(octets, at)
                reports.append(report)
            yield Round(age, tuple(reports))

    def _report(self, octets: bytes, at: int) -> tuple[BlockReport, int]:
        kind, block = octets[at] >> 6, octets[at] & 0x3F
        at += 1
        if block >= len(self._shapes):
            raise RemoteError("bad-data", f"the plan has no block {block}")
        if kind == ERROR:
            return self._error(block, octets[at]), at + 1
        if kind == FULL:
            words, at = self._full(block, octets, at)
        elif block not in self._last:
            raise RemoteError("bad-data", f"block {block}: changes before any values")
        elif kind == SAME:
            words = self._last[block]
        else:
            words, at = self._changes(block, octets, at)
        self._last[block] = words
        return BlockReport(block, words), at

    @staticmethod
    def _error(block: int, code: int) -> BlockReport:
        if not (0 < code < 0x80 or 0xE0 <= code <= 0xE3):
            raise RemoteError("bad-data", f"block {block}: unknown error code {code}")
        return BlockReport(block, (), code)

    def _full(self, block: int, octets: bytes, at: int) -> tuple[tuple[int, ...], int]:
        is_bits, count = self._shapes[block]
        if is_bits:
            size = (count + 7) // 8
            return unpack_bits(_exactly(octets, at, size), count), at + size
        return struct.unpack_from(f">{count}H", octets, at), at + 2 * count

    def _changes(self, block: int, octets: bytes, at: int) -> tuple[tuple[int, ...], int]:
        is_bits, count = self._shapes[block]
        size = (count + 7) // 8
        changed = int.from_bytes(_exactly(octets, at, size), "little")
        if changed >> count:
            raise RemoteError("bad-data", f"block {block}: changes beyond its {count} values")
        at += size
        words = list(self._last[block])
        while changed:
            place = (changed & -changed).bit_length() - 1
            changed &= changed - 1
            if is_bits:
                words[place] ^= 1
            else:
                delta, at = read_varint(octets, at)
                words[place] = (words[place] + unzigzag(delta)) & 0xFFFF
        return tuple(words), at


class RoundEncoder:
    """The device's half, for one plan in one session."""

    def __init__(self, blocks: Sequence[Block]) -> None:
        self._is_bits = [block.table.is_bits for block in blocks]
        self._last: dict[int, tuple[int, ...]] = {}

    def encode(self, rounds: Iterable[Round]) -> bytes:
        """The rounds as they follow the batch number; each report in its shortest kind."""
        return b"".join(
            varint(age) + bytes((len(reports),)) + b"".join(map(self.encode_report, reports)) for age, reports in rounds
        )

    def encode_report(self, report: BlockReport) -> bytes:
        """One block report; what it says is remembered as told."""
        block, words, fault = report
        if fault:
            return bytes((ERROR << 6 | block, fault))
        last = self._last.get(block)
        self._last[block] = words
        if words == last:
            return bytes((SAME << 6 | block,))
        full = self._full(words, self._is_bits[block])
        if last is not None:
            changes = self._changes(last, words, self._is_bits[block])
            if len(changes) < len(full):
                return bytes((CHANGES << 6 | block,)) + changes
        return bytes((FULL << 6 | block,)) + full

    @staticmethod
    def _full(words: Sequence[int], is_bits: bool) -> bytes:
        return pack_bits(words) if is_bits else struct.pack(f">{len(words)}H", *words)

    @staticmethod
    def _changes(last: Sequence[int], words: Sequence[int], is_bits: bool) -> bytes:
        differs = [old != new for old, new in zip(last, words, strict=True)]
        bitmap = pack_bits(differs)
        if is_bits:
            return bitmap
        return bitmap + b"".join(
            varint(zigzag(new - old)) for old, new, differ in zip(last, words, differs, strict=True) if differ
        )


def split(rounds: Iterable[Round], blocks: Sequence[Block], room_octets: int = ROOM_OCTETS) -> list[list[Round]]:
    """Deal rounds out to batches that fit one record each, in order; a round too long goes on in the next batch.

    Sizes are those of a record that starts with an empty memory, and the oldest possible age: a batch that was
    never acknowledged therefore still fits when it is encoded anew after a reconnect.
    """
    batches: list[list[Round]] = []
    filler = _Filler(blocks, room_octets)
    for age, reports in rounds:
        rest = reports
        while rest:
            taken = filler.take(rest)
            if taken:
                filler.batch.append(Round(age, tuple(rest[:taken])))
                rest = rest[taken:]
            if rest:
                batches.append(filler.batch)
                filler = _Filler(blocks, room_octets)
    return [batch for batch in [*batches, filler.batch] if batch]


class _Filler:
    """One batch while it grows."""

    def __init__(self, blocks: Sequence[Block], room_octets: int) -> None:
        self.batch: list[Round] = []
        self._encoder = RoundEncoder(blocks)
        self._room_octets = room_octets

    def take(self, reports: Sequence[BlockReport]) -> int:
        """How many of the reports fit as one more round."""
        room_octets = self._room_octets - _AGE_OCTETS - 1
        for taken, report in enumerate(reports):
            room_octets -= len(self._encoder.encode_report(report))
            if room_octets < 0:
                return taken
        self._room_octets = room_octets
        return len(reports)


def varint(number: int) -> bytes:
    """LEB128 of a number >= 0."""
    octets = bytearray()
    while number > 0x7F:
        octets.append(number & 0x7F | 0x80)
        number >>= 7
    octets.append(number)
    return bytes(octets)


def read_varint(octets: bytes, at: int) -> tuple[int, int]:
    """The number at ``at`` and where it ends. IndexError when cut short; RemoteError past five octets."""
    number = shift = 0
    while True:
        octet = octets[at]
        at += 1
        number |= (octet & 0x7F) << shift
        if octet < 0x80:
            return number, at
        shift += 7
        if shift > 28:
            raise RemoteError("bad-data", "a varint of more than five octets")


def zigzag(delta: int) -> int:
    """0, -1, 1, -2 ... as 0, 1, 2, 3 ..."""
    return delta << 1 if delta >= 0 else (-delta << 1) - 1


def unzigzag(number: int) -> int:
    """The inverse."""
    return number >> 1 if not number & 1 else -((number + 1) >> 1)


def _exactly(octets: bytes, at: int, size: int) -> bytes:
    part = octets[at : at + size]
    if len(part) != size:
        raise IndexError
    return part
