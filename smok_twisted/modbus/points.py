"""One point of a register map: where it lies, what its words mean, what may be written to it.

Source: design note product, "Register maps". Numbers that take part in exact arithmetic are decimals as written;
limits are plain numbers, compared with values as users see them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from ..errors import Impossible, NotAllowed
from ..readings import Table
from . import pdu
from .codecs import OCTETS_SWAPPED, TYPES, DataType, decode_words, encode_words, shortest_float32
from .scaling import Scaling

Value = bool | int | float | str


@dataclass(frozen=True, slots=True)
class Alarm:
    """When a value is abnormal: below ``lo`` or above ``hi`` for ``delay_ms``, until back by ``hysteresis``."""

    lo: float | None
    hi: float | None
    delay_ms: int
    hysteresis: float
    priority: str


@dataclass(frozen=True)
class Point:
    """See the module. Built by ``maps.parse_map``, which checks what a user wrote; by hand, nothing is checked."""

    name: str
    table: Table
    address: int  #: 0-based
    type: str = "UINT16"  #: a key of ``codecs.TYPES``; BOOL for coils and discrete inputs
    title: str = ""
    unit_id: int = 1
    interval_ms: int = 60_000  #: sampled every
    report_ms: int = 0  #: sent at least every; 0 = with each sample
    byte_order: str = "ABCD"
    scale: Decimal = Decimal(1)
    offset: Decimal = Decimal(0)
    precision: int | None = None  #: decimals of the value; None: as many as it has
    unit: str = ""
    deadband: Decimal = Decimal(0)  #: engineering units
    access: str = "r"  #: r, rw or w
    min: float | None = None
    max: float | None = None
    verify: bool = True  #: read back after a write
    bit: int | None = None  #: of a BOOL inside a register, 0 = least significant
    length: int = 0  #: registers of a STRING
    states: tuple[tuple[int, str], ...] = ()
    alarm: Alarm | None = None
    kind: DataType = field(init=False, repr=False, compare=False)
    scaling: Scaling = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "kind", TYPES[self.type])
        object.__setattr__(self, "scaling", Scaling.of(self.scale, self.offset, self.precision))

    @property
    def words_count(self) -> int:
        """Registers, or bits of a coil or discrete input, that it takes."""
        return self.kind.words or self.length

    @property
    def is_read(self) -> bool:
        return "r" in self.access

    @property
    def bit_mask(self) -> int:
        """The bit of a BOOL in the word as it travels; 1 for a coil or discrete input."""
        bit = self.bit or 0
        return 1 << (bit ^ 8 if self.bit is not None and self.byte_order in OCTETS_SWAPPED else bit)

    def decode(self, words: Sequence[int]) -> Value | None:
        """Its value in engineering units, rounded; None if the words mean nothing (see ``codecs``).

        Raises LocalError for a wrong number of words.
        """
        if self.kind.is_bool:
            return bool(words[0] & self.bit_mask)
        raw = decode_words(self.kind, words, self.byte_order)
        if raw is None or isinstance(raw, str):
            return raw
        try:
            return self.scaling.value(shortest_float32(raw) if self.type == "FLOAT32" else raw)
        except OverflowError:  # a FLOAT64 near its end, scaled up
            return None

    def encode(self, value: Value, *, rounds: bool = False) -> tuple[int, ...]:
        """The words for ``value``; of a bit inside a register only that bit, so write it by ``write_request``.

        Raises Impossible if no raw value is exactly ``value`` (FLOAT types take the nearest; others too, when it
        ``rounds``). Whether it may be written at all is for ``check_write``.
        """
        if self.kind.is_bool:
            return (self.bit_mask if value else 0,)
        try:
            raw = value if isinstance(value, str) else self.scaling.raw(value, self.kind, rounds)
            return encode_words(self.kind, raw, self.byte_order, self.length)
        except Impossible as error:
            raise Impossible(f"point {self.name!r}: {error}") from None

    def write_request(self, value: Value) -> pdu.Request:
        """The request that writes ``value``: a bit inside a register by function 22, which leaves the others alone."""
        words = self.encode(value)
        if self.bit is None:
            return pdu.write_request(self.table, self.address, words)
        return pdu.MaskWrite(self.address, 0xFFFF & ~self.bit_mask, words[0])

    def state_name(self, value: Value | None) -> str | None:
        """What the register map calls this value, or None."""
        return next((name for number, name in self.states if number == value), None)


def check_write(point: Point, value: Value) -> Value:
    """The one place that decides whether ``value`` may be written to ``point``; answers it ready for ``encode``.

    The name of a state stands for its number. Raises NotAllowed for a point that is only read, Impossible for a
    value of the wrong type, outside ``min`` and ``max`` or among no ``states``.
    """
    if "w" not in point.access:
        raise NotAllowed(f'point {point.name!r} is read-only: its register map would have to say access = "rw"')
    if isinstance(value, str) and not point.kind.is_text:
        value = next((number for number, name in point.states if name == value), value)
    if not _is_right_type(point, value):
        raise Impossible(f"point {point.name!r} does not take {value!r}, accepted is {_accepted(point)}")
    if point.kind.is_bool:
        return bool(value)
    if not isinstance(value, str) and not _is_within(point, value):
        raise Impossible(f"point {point.name!r} must not be {value}, accepted is {_accepted(point)}")
    return value


def _is_right_type(point: Point, value: Value) -> bool:
    if point.kind.is_text or isinstance(value, str):
        return point.kind.is_text and isinstance(value, str)
    if point.kind.is_bool:
        return value in (0, 1)
    return not isinstance(value, bool) and math.isfinite(value)


def _is_within(point: Point, value: float) -> bool:
    low_enough = point.max is None or value <= point.max
    high_enough = point.min is None or value >= point.min
    return low_enough and high_enough and (not point.states or point.state_name(value) is not None)


def _accepted(point: Point) -> str:
    if point.states:
        return "one of " + ", ".join(f"{number} ({name})" for number, name in point.states)
    if point.kind.is_text:
        return f"a text of up to {2 * point.length} octets"
    if point.kind.is_bool:
        return "true or false"
    limits = [f"{word} {limit}" for word, limit in (("from", point.min), ("to", point.max)) if limit is not None]
    return " ".join(["a number", *limits])
