"""Whole numbers as columns of differences: what hardly changes becomes octets that zlib makes next to nothing of. Pure.

A column is its first number and then differences, all of one width: 0 (each is the first), 1, 2, 4 or 8 octets, signed.
Octets of equal rank stand together, so that the mostly empty high ones are long runs. One width for a column instead of
varints is what the C parts of Python can read: ``array`` and ``accumulate`` do the work, sixty numbers in two
microseconds, and zlib makes as little of it.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Sequence
from itertools import accumulate, pairwise
from operator import sub

#: Octets of a difference -> type code of ``array``; tried in this order.
_TYPE_CODES = {1: "b", 2: "h", 4: "i", 8: "q"}


def width_of(differences: Sequence[int]) -> int:
    """The fewest octets that hold each of them: 0 (all are 0), 1, 2, 4 or 8. Raises OverflowError beyond that."""
    least, most = min(differences, default=0), max(differences, default=0)
    if least == most == 0:
        return 0
    bits = max(least.bit_length() if least >= 0 else (~least).bit_length(), most.bit_length()) + 1
    for width in _TYPE_CODES:
        if bits <= 8 * width:
            return width
    raise OverflowError(f"a difference of {bits} bits is more than a column holds")


def differences_of(numbers: Sequence[int]) -> list[int]:
    """What to add to each number to get the next."""
    return [after - before for before, after in pairwise(numbers)]


def pack(numbers: Sequence[int], width: int) -> bytes:
    """``numbers`` with ``width`` octets each, those of the lowest rank first; nothing for width 0."""
    if not width:
        return b""
    octets = array(_TYPE_CODES[width], numbers)
    if sys.byteorder == "big":
        octets.byteswap()
    plain = octets.tobytes()
    return plain if width == 1 else b"".join(plain[rank::width] for rank in range(width))


def unpack(octets: bytes, position: int, count: int, width: int) -> array[int]:
    """``count`` numbers of ``width`` octets (1, 2, 4 or 8) from ``position`` on. ValueError if there are fewer."""
    plain = octets[position : position + count * width]
    if len(plain) != count * width:
        raise ValueError("a column ends too early")
    if width > 1:
        ranks = bytearray(len(plain))
        for rank in range(width):
            ranks[rank::width] = plain[rank * count : (rank + 1) * count]
        plain = bytes(ranks)
    numbers = array(_TYPE_CODES[width], plain)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def read(octets: bytes, position: int, count: int, width: int, first: int) -> list[int]:
    """The ``count`` (at least 1) numbers of a column whose ``count - 1`` differences stand at ``position``."""
    if not width:
        return [first] * count
    return list(accumulate(unpack(octets, position, count - 1, width), initial=first))


def off_line(numbers: Sequence[int], step: int) -> list[int]:
    """How far each is from a straight line that begins with the first and rises by ``step``."""
    return list(map(sub, numbers, line(numbers[0], step, len(numbers))))


def line(first: int, step: int, count: int) -> Sequence[int]:
    """``count`` numbers, each by ``step`` more than the one before."""
    return range(first, first + step * count, step) if step else [first] * count
