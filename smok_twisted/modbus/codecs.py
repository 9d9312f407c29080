"""What register words mean: the raw number, truth or text in them, and back.

Types and byte orders are those of design note product, in Telegraf's words. For every raw value that ``encode``
accepts, ``decode(encode(raw)) == raw``. Words that mean nothing decode to None: BCD digits above 9, NaN and
infinity. Words that mean the same come in SM16 (negative zero, 0x8000, reads as 0) and STRING (padding).
"""

from __future__ import annotations

import math
import struct
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from ..errors import Impossible, LocalError
from .pdu import pack_words, unpack_words

Raw = int | float | str

#: ABCD as it stands, CDAB last word first, BADC the octets of each word swapped, DCBA both.
BYTE_ORDERS = ("ABCD", "CDAB", "BADC", "DCBA")
LAST_WORD_FIRST = ("CDAB", "DCBA")
OCTETS_SWAPPED = ("BADC", "DCBA")


@dataclass(frozen=True, slots=True)
class DataType:
    """One type. ``decode`` and ``encode`` see the octets in the order ABCD; ``encode`` gets checked values only."""

    name: str
    words: int  #: registers it takes; 0: as many as the point says
    lowest: float  #: the range of its raw numbers; integers except for the FLOAT types
    highest: float
    decode: Callable[[bytes], Raw | None]
    encode: Callable[[Raw, int], bytes]  #: raw value, octets wanted

    @property
    def is_text(self) -> bool:
        return self.name == "STRING"

    @property
    def is_float(self) -> bool:
        return self.name.startswith("FLOAT")

    @property
    def is_bool(self) -> bool:
        return self.name == "BOOL"

    @property
    def is_number(self) -> bool:
        return not (self.is_text or self.is_bool)


def _integer(name: str, words: int, signed: bool) -> DataType:
    bits = 16 * words - signed
    return DataType(
        name,
        words,
        -(1 << bits) if signed else 0,
        (1 << bits) - 1,
        lambda octets: int.from_bytes(octets, "big", signed=signed),
        lambda raw, size: int(raw).to_bytes(size, "big", signed=signed),
    )


def _bcd(name: str, words: int) -> DataType:
    digits = 4 * words

    def decode(octets: bytes) -> Raw | None:
        text = octets.hex()
        return int(text) if text.isdecimal() else None

    return DataType(name, words, 0, 10**digits - 1, decode, lambda raw, _: bytes.fromhex(f"{raw:0{digits}d}"))


def _sign_magnitude() -> DataType:
    def decode(octets: bytes) -> Raw | None:
        word = int.from_bytes(octets, "big")
        return -(word & 0x7FFF) if word & 0x8000 else word

    def encode(raw: Raw, size: int) -> bytes:
        number = int(raw)
        return (number if number >= 0 else 0x8000 - number).to_bytes(size, "big")

    return DataType("SM16", 1, -0x7FFF, 0x7FFF, decode, encode)


def _floating(name: str, words: int, layout: str, highest: float) -> DataType:
    def decode(octets: bytes) -> Raw | None:
        number: float = struct.unpack(layout, octets)[0]
        return number if math.isfinite(number) else None

    return DataType(name, words, -highest, highest, decode, lambda raw, _: struct.pack(layout, raw))


def shortest_float32(number: float) -> float:
    """The shortest decimal that FLOAT32 stores as ``number``: 21.37 for 21.3700008392334."""
    octets = struct.pack(">f", number)
    candidates = (float(f"{number:.{digits}g}") for digits in range(6, 10))
    return next(short for short in candidates if struct.pack(">f", short) == octets)


def _decode_text(octets: bytes) -> Raw | None:
    """UTF-8 up to the first NUL, without the spaces that many devices pad with; a wrong octet reads as U+FFFD."""
    return octets.partition(b"\0")[0].decode("utf-8", "replace").rstrip(" ")


def _encode_text(raw: Raw, size: int) -> bytes:
    octets = str(raw).encode("utf-8", "surrogatepass").ljust(size, b"\0")
    if len(octets) > size or _decode_text(octets) != raw:
        raise Impossible(
            f"the text {raw!r} cannot be stored, accepted are up to {size} octets of UTF-8 without NUL "
            "and without spaces at the end"
        )
    return octets


_ALL = (
    _integer("INT16", 1, True),
    _integer("UINT16", 1, False),
    _integer("INT32", 2, True),
    _integer("UINT32", 2, False),
    _integer("INT64", 4, True),
    _integer("UINT64", 4, False),
    _floating("FLOAT32", 2, ">f", 3.4028235e38),
    _floating("FLOAT64", 4, ">d", sys.float_info.max),
    DataType("BOOL", 1, 0, 1, lambda octets: int(any(octets)), lambda raw, size: int(raw).to_bytes(size, "big")),
    DataType("STRING", 0, 0, 0, _decode_text, _encode_text),
    _bcd("BCD16", 1),
    _bcd("BCD32", 2),
    _sign_magnitude(),
)
TYPES: Mapping[str, DataType] = MappingProxyType({kind.name: kind for kind in _ALL})


def decode_words(kind: DataType, words: Sequence[int], byte_order: str = "ABCD") -> Raw | None:
    """The raw value in ``words`` (0..65535 each), None if they mean nothing. BOOL gives 0 or 1.

    Raises LocalError for a wrong number of words.
    """
    if kind.words not in (0, len(words)):
        raise LocalError(f"{kind.name} is {kind.words} registers, not {len(words)}")
    return kind.decode(pack_words(_reorder(kind, words, byte_order)))


def encode_words(kind: DataType, raw: Raw, byte_order: str = "ABCD", count: int = 0) -> tuple[int, ...]:
    """The inverse. ``count`` is the number of registers of a STRING. Raises Impossible for what does not fit."""
    if not kind.is_text:
        _check_range(kind, raw)
    octets = kind.encode(raw, 2 * (kind.words or count))
    return tuple(_reorder(kind, unpack_words(octets), byte_order))


def _check_range(kind: DataType, raw: Raw) -> None:
    fits = isinstance(raw, int | float) and kind.lowest <= raw <= kind.highest
    if not fits or (isinstance(raw, float) and not kind.is_float):
        numbers = "numbers" if kind.is_float else "integers"
        raise Impossible(f"{raw} does not fit {kind.name}, accepted are {numbers} {kind.lowest} to {kind.highest}")


def _reorder(kind: DataType, words: Sequence[int], byte_order: str) -> Sequence[int]:
    """To and from the order ABCD. A text runs from its first register on, so only its octets can be swapped."""
    if byte_order in LAST_WORD_FIRST and not kind.is_text:
        words = words[::-1]
    if byte_order in OCTETS_SWAPPED:
        words = [(word & 0xFF) << 8 | word >> 8 for word in words]
    return words
