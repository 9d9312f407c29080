"""Gorilla (Pelkonen et al., VLDB 2015, section 4.1), written down as the paper has it, with no thought of speed.

One series: times as differences of differences, values as the exclusive or of neighbouring doubles. Times are whole
seconds, which the paper's are too: milliseconds would cost it octets that it never meant to spend.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

#: Bits of a difference of differences, and what stands before them.
_RANGES = ((7, 2, 0b10), (9, 3, 0b110), (12, 4, 0b1110), (32, 4, 0b1111))


class Bits:
    """Written at the end, read from the start."""

    def __init__(self) -> None:
        self._text: list[str] = []

    def put(self, number: int, bits: int) -> None:
        """The lowest ``bits`` of a number."""
        self._text.append(format(number & (1 << bits) - 1, f"0{bits}b"))

    def text(self) -> str:
        """All of them, as 0 and 1."""
        return "".join(self._text)


def encode(times: Sequence[int], values: Sequence[float]) -> str:
    """A block of one series (at least one sample) as bits; without its head, which is a time."""
    bits = Bits()
    words = [int.from_bytes(struct.pack(">d", value)) for value in values]
    bits.put(words[0], 64)
    step = window = 0
    zeros = 64
    for before, after, word, other in zip(times, times[1:], words, words[1:], strict=False):
        _put_time(bits, after - before - step)
        step = after - before
        zeros, window = _put_value(bits, word ^ other, zeros, window)
    return bits.text()


def _put_time(bits: Bits, change: int) -> None:
    if not change:
        return bits.put(0, 1)
    size, head_bits, head = next(one for one in _RANGES if -(1 << one[0] - 1) < change <= 1 << one[0] - 1)
    bits.put(head, head_bits)
    return bits.put(change, size)


def _put_value(bits: Bits, changed: int, zeros: int, window: int) -> tuple[int, int]:
    """What the next value may be put into: leading zeros and meaningful bits."""
    if not changed:
        bits.put(0, 1)
        return zeros, window
    leading = min(31, 64 - changed.bit_length())
    trailing = (changed & -changed).bit_length() - 1
    if leading >= zeros and trailing >= 64 - zeros - window:
        bits.put(0b10, 2)
        bits.put(changed >> 64 - zeros - window, window)
        return zeros, window
    window = 64 - leading - trailing
    bits.put(0b11, 2)
    bits.put(leading, 5)
    bits.put(window, 6)  # 64 is written as 0
    bits.put(changed >> trailing, window)
    return leading, window


def decode(bits: str, first_time: int, count: int) -> tuple[list[int], list[float]]:
    """What ``encode`` was given."""
    reader = _Reader(bits)
    times, words, step, zeros, window = [first_time], [reader.take(64)], 0, 64, 0
    while len(times) < count:
        step += reader.change()
        times.append(times[-1] + step)
        changed = 0
        if reader.take(1):
            if reader.take(1):
                zeros, window = reader.take(5), reader.take(6) or 64
            changed = reader.take(window) << 64 - zeros - window
        words.append(words[-1] ^ changed)
    return times, [struct.unpack(">d", word.to_bytes(8))[0] for word in words]


class _Reader:
    def __init__(self, bits: str) -> None:
        self._bits = bits
        self._at = 0

    def take(self, count: int) -> int:
        self._at += count
        return int(self._bits[self._at - count : self._at], 2)

    def change(self) -> int:
        """Of the step."""
        ones = 0
        while ones < len(_RANGES) and self.take(1):
            ones += 1
        if not ones:
            return 0
        size = _RANGES[ones - 1][0]
        number = self.take(size)
        return number - (1 << size) if number > 1 << size - 1 else number
