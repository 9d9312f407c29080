"""What is known of a point over a stretch of time, without its samples; two that follow each other make one. Pure.

Sums are exact decimals, so it makes no difference in which pieces a mean was taken: from the samples themselves, from
hours, or from days.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import NamedTuple

from ..modbus.points import Value

#: Holds every FLOAT64 with all decimals that a point may have; halves go away from zero, as in ``modbus.scaling``.
EXACT = Context(prec=700, rounding=ROUND_HALF_UP)

#: No line is drawn between samples further apart than so many times the expected interval.
_GAP_INTERVALS = 2.5


class Sample(NamedTuple):
    """One sample of a point; ``value`` is None when reading failed or the words mean nothing."""

    time_us: int
    value: Value | None
    interval_us: int  #: how far apart samples are expected


class Moment(NamedTuple):
    """When there was a value, and how far apart samples were expected then."""

    time_us: int
    interval_us: int


def is_gap(before: Moment | Sample, after: Moment | Sample) -> bool:
    """Whether something is missing between two values."""
    return after.time_us - before.time_us > _GAP_INTERVALS * max(before.interval_us, after.interval_us)


class Stretch(NamedTuple):
    """At least one sample. What follows ``samples`` is of those with a value; None and 0 when there is none."""

    time_us: int  #: somewhere in the stretch
    samples: int
    known: int = 0  #: samples with a value
    first: Moment | None = None
    last: Moment | None = None
    value: Value | None = None  #: the last one
    lowest: Value | None = None
    highest: Value | None = None
    total: Decimal = Decimal(0)  #: of numbers


def of_sample(sample: Sample) -> Stretch:
    """The shortest stretch."""
    time_us, value, interval_us = sample
    if value is None:
        return Stretch(time_us, 1)
    moment = Moment(time_us, interval_us)
    return Stretch(time_us, 1, 1, moment, moment, value, value, value, exact(value))


def of_values(times_us: Sequence[int], values: Sequence[Value | None], interval_us: int) -> Stretch:
    """Of samples in order of time, at least one."""
    there = [(time_us, value) for time_us, value in zip(times_us, values, strict=True) if value is not None]
    if not there:
        return Stretch(times_us[0], len(times_us))
    known = [value for _, value in there]
    first, last = (Moment(there[end][0], interval_us) for end in (0, -1))
    lowest, highest = min(known), max(known)
    return Stretch(times_us[0], len(times_us), len(known), first, last, known[-1], lowest, highest, _total(known))


def of_wholes(times_us: Sequence[int], wholes: Sequence[int], digits: int, interval_us: int) -> Stretch:
    """The same for values that are whole numbers of units of the last of ``digits`` decimals, none missing."""
    unit = 10**digits
    ends = (wholes[-1], min(wholes), max(wholes))
    value, lowest, highest = (whole / unit for whole in ends) if digits else ends
    first, last = Moment(times_us[0], interval_us), Moment(times_us[-1], interval_us)
    total = Decimal(sum(wholes)).scaleb(-digits, EXACT)
    return Stretch(times_us[0], len(wholes), len(wholes), first, last, value, lowest, highest, total)


def exact(value: Value) -> Decimal:
    """What a value adds to a total; 0 for a text."""
    return Decimal(0) if isinstance(value, str) else Decimal(repr(value + 0))


def _total(values: Iterable[Value]) -> Decimal:
    total = Decimal(0)
    for value in values:
        total = EXACT.add(total, exact(value))
    return total


def joined(one: Stretch, other: Stretch) -> Stretch:
    """Both together, whichever was first."""
    if not other.known:
        return one._replace(samples=one.samples + other.samples)
    if not one.known:
        return other._replace(samples=one.samples + other.samples)
    later = other if _last(other) >= _last(one) else one
    return Stretch(
        one.time_us,
        one.samples + other.samples,
        one.known + other.known,
        min(one.first, other.first, key=_time),
        later.last,
        later.value,
        min(one.lowest, other.lowest),  # type: ignore[type-var]  # there are values, all of one type
        max(one.highest, other.highest),  # type: ignore[type-var]
        EXACT.add(one.total, other.total),
    )


def _time(moment: Moment | None) -> int:
    return moment.time_us if moment else 0


def _last(stretch: Stretch) -> int:
    return _time(stretch.last)
