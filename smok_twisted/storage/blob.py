"""The blocks of one report as octets and back: what a store keeps in one column.

``format(1) | blocks(1)``, then for each block ``kind << 6 | number (1) | size(1)`` and its payload:

====  ======  =====================================  ===============
kind  name    payload                                ``size``
====  ======  =====================================  ===============
0     words   ``size`` words of 16 bits, big-endian  how many words
1     bits    packed, least significant bit first    how many bits
2     fault   nothing                                the fault code
====  ======  =====================================  ===============

Decoding needs no plan. A block whose words are all 0 or 1 is packed as bits, whatever its table: the words
come back the same. Raw words, no scaling: design note storage, "Data".
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from ..errors import Damaged, StorageError
from ..readings import BlockReport

_FORMAT = 1
_WORDS, _BITS, _FAULT = 0 << 6, 1 << 6, 2 << 6
_KIND, _NUMBER = 0b1100_0000, 0b0011_1111
_WORD_STRUCTS = tuple(struct.Struct(f">{count}H") for count in range(256))
_TO_DIGITS = bytes.maketrans(b"\x00\x01", b"01")
_FROM_DIGITS = bytes.maketrans(b"01", b"\x00\x01")


def encode(blocks: Sequence[BlockReport]) -> bytes:
    """``blocks`` (at most 255; block numbers 0..63; at most 255 words of 16 bits each) as octets.

    Raises StorageError for blocks that are not of this shape.
    """
    try:
        return bytes((_FORMAT, len(blocks))) + b"".join([_encode_block(*block) for block in blocks])
    except (ValueError, TypeError, IndexError, struct.error) as error:
        raise StorageError(f"a report that cannot be stored: {error}") from None


def _encode_block(number: int, words: tuple[int, ...], fault: int) -> bytes:
    if not 0 <= number <= _NUMBER:
        raise ValueError(f"block number {number} is not in 0..{_NUMBER}")
    if fault:
        if words:
            raise ValueError(f"block {number} has both words and fault {fault}")
        return bytes((_FAULT | number, fault))
    size = len(words)
    if size and max(words) <= 1:
        return bytes((_BITS | number, size)) + _pack_bits(words)
    return bytes((_WORDS | number, size)) + _WORD_STRUCTS[size].pack(*words)


def _pack_bits(bits: tuple[int, ...]) -> bytes:
    digits = bytes(bits)[::-1].translate(_TO_DIGITS)
    return int(digits, 2).to_bytes((len(bits) + 7) // 8, "little")


def _unpack_bits(octets: bytes, size: int) -> tuple[int, ...]:
    value = int.from_bytes(octets, "little")
    if value >> size or len(octets) != (size + 7) // 8:
        raise ValueError("bits beyond the last one, or too few")
    digits = f"{value:0{size}b}".encode() if size else b""
    return tuple(digits[::-1].translate(_FROM_DIGITS))


def decode(octets: bytes) -> tuple[BlockReport, ...]:
    """The inverse of ``encode``. Raises Damaged for octets that no ``encode`` made."""
    try:
        return _decode(octets)
    except (ValueError, IndexError, struct.error) as error:
        raise Damaged(f"a stored report is damaged: {error}") from None


def _decode(octets: bytes) -> tuple[BlockReport, ...]:
    if octets[0] != _FORMAT:
        raise ValueError(f"unknown format {octets[0]}")
    blocks = []
    position = 2
    for _ in range(octets[1]):
        head, size = octets[position], octets[position + 1]
        position += 2
        kind, number = head & _KIND, head & _NUMBER
        if kind == _WORDS:
            blocks.append(BlockReport(number, _WORD_STRUCTS[size].unpack_from(octets, position)))
            position += 2 * size
        elif kind == _BITS:
            end = position + (size + 7) // 8
            blocks.append(BlockReport(number, _unpack_bits(octets[position:end], size)))
            position = end
        elif kind == _FAULT and size:
            blocks.append(BlockReport(number, (), size))
        else:
            raise ValueError(f"block {number} is of no known kind")
    if position != len(octets):
        raise ValueError(f"{len(octets) - position} octets too many")
    return tuple(blocks)
