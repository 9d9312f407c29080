"""A day of one device, summed up hour by hour: what plots of months and years are drawn from. Pure.

For each plan and point what ``stretch.Stretch`` knows of each hour, as columns over the hours (``columns``). Numbers
are whole, in units of the last decimal that any of them has, so nothing is rounded. Texts are left out.

``format(1) | zlib of`` for each point ``plan (2) | point (2) | hours (4: a bit each) | digits (1) | octets (4)``, then
ten widths, ten first numbers (8 each) and the differences; a day with numbers too large for that is JSON instead.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from ..errors import StorageError
from ..modbus.points import Value
from ..storage.records import HOUR_US, HOURS_A_DAY
from . import columns
from .stretch import EXACT, Moment, Stretch, exact

_FORMAT = 1
_HEAD = struct.Struct(">HHIBI")
#: In place of the number of decimals: truths; numbers as JSON (then the digits come first in it).
_TRUTH, _JSON = 254, 255
_COLUMNS = 10
_FIRSTS = struct.Struct(f">{_COLUMNS}q")


class Key(NamedTuple):
    """A point: its plan, and which of the points of that plan's register map it is, counted from 0."""

    plan: int
    point: int


@dataclass
class PointDay:
    """What is known of a point, by hour of the day.

    A row is: samples, values, microseconds of the first value after the hour began, its interval, the same of the last;
    then last, lowest and highest value and total as whole numbers of units of the last of ``digits`` decimals.
    """

    digits: int = 0
    is_truth: bool = False
    rows: dict[int, tuple[int, ...]] = field(default_factory=dict)

    def put(self, hour: int, hour_us: int, stretch: Stretch) -> None:
        """Replace what is known of an hour; ``hour_us`` is when it begins."""
        self.is_truth = self.is_truth or isinstance(stretch.value, bool)
        numbers = _numbers(stretch)
        self._widen(max(isinstance(stretch.value, float), *map(_digits_of, numbers)))
        wholes = [int(number.scaleb(self.digits, EXACT)) for number in numbers]
        first, last = stretch.first or Moment(hour_us, 0), stretch.last or Moment(hour_us, 0)
        moments = (first.time_us - hour_us, first.interval_us, last.time_us - hour_us, last.interval_us)
        self.rows[hour] = (stretch.samples, stretch.known, *moments, *wholes)

    def get(self, hour: int, hour_us: int) -> Stretch | None:
        """What ``put`` was given, or None."""
        row = self.rows.get(hour)
        if row is None:
            return None
        samples, known, first, first_interval, last, last_interval, *ends, total = row
        if not known:
            return Stretch(hour_us, samples)
        value, lowest, highest = map(self._value, ends)
        return Stretch(
            hour_us,
            samples,
            known,
            Moment(hour_us + first, first_interval),
            Moment(hour_us + last, last_interval),
            value,
            lowest,
            highest,
            Decimal(total).scaleb(-self.digits, EXACT),
        )

    def _value(self, whole: int) -> Value:
        if self.digits:
            return whole / int(10**self.digits)
        return bool(whole) if self.is_truth else whole

    def _widen(self, digits: int) -> None:
        if digits > self.digits:
            factor = 10 ** (digits - self.digits)
            self.rows = {hour: (*row[:6], *(n * factor for n in row[6:])) for hour, row in self.rows.items()}
            self.digits = digits


Day = dict[Key, PointDay]


def _numbers(stretch: Stretch) -> list[Decimal]:
    ends = (stretch.value, stretch.lowest, stretch.highest)
    return [exact(end) if end is not None else Decimal(0) for end in ends] + [stretch.total]


def _digits_of(number: Decimal) -> int:
    exponent = number.as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def hour_start_us(day: int, hour: int) -> int:
    """When an hour of a day (counted since 1970 UTC) begins."""
    return (day * HOURS_A_DAY + hour) * HOUR_US


def put_hour(known: Day, day: int, hour: int, stretches: Mapping[Key, Stretch]) -> None:
    """Replace what a day knows of one hour."""
    for point in known.values():
        point.rows.pop(hour, None)
    for key, stretch in stretches.items():
        known.setdefault(key, PointDay()).put(hour, hour_start_us(day, hour), stretch)


def encode(day: Day) -> bytes:
    """The day as octets; points of which nothing is known are left out."""
    body = b"".join(_encode_point(key, point) for key, point in sorted(day.items()) if point.rows)
    return bytes((_FORMAT,)) + zlib.compress(body, 9)


def _encode_point(key: Key, point: PointDay) -> bytes:
    hours = sorted(point.rows)
    bits = sum(1 << hour for hour in hours)
    numbers = list(zip(*(point.rows[hour] for hour in hours), strict=True))
    digits = _TRUTH if point.is_truth else point.digits
    try:
        if digits > _TRUTH or (digits == _TRUTH and not point.is_truth):
            raise OverflowError
        differences = [columns.differences_of(column) for column in numbers]
        widths = bytes(map(columns.width_of, differences))
        payload = widths + _FIRSTS.pack(*(column[0] for column in numbers))
        payload += b"".join(map(columns.pack, differences, widths))
    except (OverflowError, struct.error):
        digits, payload = _JSON, json.dumps([point.digits, numbers]).encode()
    return _HEAD.pack(*key, bits, digits, len(payload)) + payload


def decode(octets: bytes, wanted: Iterable[Key] | None = None) -> Day:
    """The inverse of ``encode``, of the points wanted or of all. Raises StorageError for octets that it never made."""
    try:
        return _decode(octets, None if wanted is None else set(wanted))
    except (ValueError, IndexError, TypeError, struct.error, zlib.error) as error:
        raise StorageError(f"a summed-up day is damaged: {error}") from None


def _decode(octets: bytes, wanted: set[Key] | None) -> Day:
    if octets[0] != _FORMAT:
        raise ValueError(f"unknown format {octets[0]}")
    body, position = zlib.decompress(octets[1:]), 0
    found: Day = {}
    while position < len(body):
        plan, point, bits, digits, size = _HEAD.unpack_from(body, position)
        position += _HEAD.size
        if wanted is None or (plan, point) in wanted:
            found[Key(plan, point)] = _decode_point(body[position : position + size], bits, digits)
        position += size
    if position != len(body):
        raise ValueError("it ends too early")
    return found


def _decode_point(payload: bytes, bits: int, digits: int) -> PointDay:
    hours = [hour for hour in range(HOURS_A_DAY) if bits >> hour & 1]
    if digits == _JSON:
        digits, numbers = json.loads(payload)
        return PointDay(digits, False, dict(zip(hours, map(tuple, zip(*numbers, strict=True)), strict=True)))
    widths, firsts = payload[:_COLUMNS], _FIRSTS.unpack_from(payload, _COLUMNS)
    position, numbers = _COLUMNS + _FIRSTS.size, []
    for width, first in zip(widths, firsts, strict=True):
        numbers.append(columns.read(payload, position, len(hours), width, first))
        position += (len(hours) - 1) * width
    rows = dict(zip(hours, zip(*numbers, strict=True), strict=True))
    return PointDay(0 if digits == _TRUTH else digits, digits == _TRUTH, rows)
