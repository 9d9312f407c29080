"""The history of one point, small enough to draw: as it was read, or one value for each of equal stretches of time.

Pure. What was not read is a gap, shown as None and never drawn across (design notes product "Shapes", storage
"Two layers of history"). Samples are taken one by one, so that a year need not fit in memory.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import NamedTuple

from ..errors import Impossible
from ..modbus.points import Point, Value
from ..readings import Report
from .values import PlanView

#: Entries of an answer, gaps included.
ENTRIES_AT_MOST = 3000
#: Each may be followed by a gap, and the first may begin before the span does.
_BUCKETS_AT_MOST = ENTRIES_AT_MOST // 2 - 1
#: No line is drawn between samples further apart than so many times the expected interval.
_GAP_INTERVALS = 2.5

#: Holds every FLOAT64 with all decimals that a point may have; halves go away from zero, as in ``modbus.scaling``.
_EXACT = Context(prec=400, rounding=ROUND_HALF_UP)

AGGREGATES = ("mean", "min", "max", "last")


class Sample(NamedTuple):
    """One sample of a point; ``value`` is None when reading failed or the words mean nothing."""

    time_us: int
    value: Value | None
    interval_us: int  #: how far apart samples are expected


@dataclass
class Series:
    """Columns of equal length. ``lowest`` and ``highest`` are there when stretches of time were summed up."""

    step_seconds: int | None  #: the length of a stretch; None: as it was read
    time_us: list[int] = field(default_factory=list)
    value: list[Value | None] = field(default_factory=list)
    lowest: list[Value | None] | None = None
    highest: list[Value | None] | None = None


def samples_of(name: str, reports: Iterable[Report], views: Mapping[int, PlanView]) -> Iterator[Sample]:
    """The samples of a point in ``reports``, each decoded with the register map under which it was read."""
    for report in reports:
        view = views.get(report.plan)
        place = view.place(name) if view is not None else None
        if view is None or place is None:
            continue
        block = view.plan.blocks[place[0]]
        interval_us = max(block.interval_seconds, block.report_seconds) * 1_000_000
        for block_report in report.blocks:
            if block_report.block == place[0]:
                words = view.words(name, block_report)
                yield Sample(report.time_us, view.points[name].decode(words) if words else None, interval_us)


class SeriesBuilder:
    """``add`` every sample of ``[from_us, to_us)`` in order of time, then take ``series``.

    ``step_seconds`` None: as it was read, unless that is more than ``ENTRIES_AT_MOST``. A step that would give more
    is widened to a multiple of itself. ``aggregate`` None: mean for plain numbers, else last. Raises Impossible.
    """

    def __init__(
        self, point: Point, from_us: int, to_us: int, step_seconds: int | None = None, aggregate: str | None = None
    ) -> None:
        if from_us >= to_us:
            raise Impossible("the series ends before it begins: `from` must be before `to`")
        self._point = point
        self._aggregate = _checked(point, aggregate)
        least_seconds = math.ceil((to_us - from_us) / _BUCKETS_AT_MOST / 1_000_000)
        self._width_seconds = step_seconds or least_seconds
        self._width_seconds *= math.ceil(least_seconds / self._width_seconds)
        self._samples: list[Sample] = []  # as they were read, while they are few
        self._entries = 0
        self._buckets = None if step_seconds is None else self._new_buckets()

    def add(self, sample: Sample) -> None:
        """The next sample."""
        if self._buckets is not None:
            self._buckets.add(sample)
            return
        self._entries += 1 + bool(self._samples and _is_gap(self._samples[-1], sample))
        self._samples.append(sample)
        if self._entries > ENTRIES_AT_MOST:
            self._buckets = self._new_buckets()
            for one in self._samples:
                self._buckets.add(one)

    def series(self) -> Series:
        """What was added. Call it once."""
        return self._as_read() if self._buckets is None else self._buckets.series()

    def _new_buckets(self) -> _Buckets:
        return _Buckets(self._point, self._width_seconds, self._aggregate)

    def _as_read(self) -> Series:
        series = Series(None)
        before: Sample | None = None
        for sample in self._samples:
            if before is not None and _is_gap(before, sample):
                series.time_us.append(before.time_us + before.interval_us)
                series.value.append(None)
            series.time_us.append(sample.time_us)
            series.value.append(sample.value)
            before = sample
        return series


def _checked(point: Point, aggregate: str | None) -> str:
    """The aggregate to use; numbers that stand for states and texts have no mean."""
    if point.kind.is_text:
        accepted: tuple[str, ...] = ("last",)
    elif point.kind.is_bool or point.states:
        accepted = ("last", "min", "max")
    else:
        accepted = AGGREGATES
    if aggregate is not None and aggregate not in accepted:
        raise Impossible(f"agg {aggregate!r} is not accepted for point {point.name!r}: one of {', '.join(accepted)}")
    return aggregate or accepted[0]


def _is_gap(before: Sample, after: Sample) -> bool:
    """Whether something is missing between two samples; next to a None nothing is drawn anyway."""
    if before.value is None or after.value is None:
        return False
    return after.time_us - before.time_us > _GAP_INTERVALS * max(before.interval_us, after.interval_us)


class _Buckets:
    """One entry for each stretch of time that has samples; they begin at multiples of their length since 1970."""

    def __init__(self, point: Point, width_seconds: int, aggregate: str) -> None:
        self._point = point
        self._width_us = width_seconds * 1_000_000
        self._aggregate = aggregate
        self._series = Series(width_seconds)
        if not point.kind.is_text:
            self._series.lowest, self._series.highest = [], []
        self._current: _Bucket | None = None
        self._last: Sample | None = None  # the last one with a value

    def add(self, sample: Sample) -> None:
        index = sample.time_us // self._width_us
        if self._current is None or self._current.index != index:
            self._close()
            self._current = _Bucket(index, self._aggregate)
        if sample.value is not None:
            is_first = self._current.lowest is None
            self._current.after_gap |= is_first and self._last is not None and _is_gap(self._last, sample)
            self._current.add(sample.value)
            self._last = sample

    def series(self) -> Series:
        self._close()
        return self._series

    def _close(self) -> None:
        bucket, self._current = self._current, None
        if bucket is None:
            return
        if bucket.after_gap and self._series.value[-1] is not None:
            self._append(self._series.time_us[-1] + self._width_us // 2, None, None, None)
        value = bucket.value(self._point.precision)
        self._append(bucket.index * self._width_us, value, bucket.lowest, bucket.highest)

    def _append(self, time_us: int, value: Value | None, lowest: Value | None, highest: Value | None) -> None:
        self._series.time_us.append(time_us)
        self._series.value.append(value)
        if self._series.lowest is not None and self._series.highest is not None:
            self._series.lowest.append(lowest)
            self._series.highest.append(highest)


class _Bucket:
    """What is known of the samples of one stretch of time. Means are exact before they are rounded."""

    def __init__(self, index: int, aggregate: str) -> None:
        self.index = index
        self.after_gap = False  #: something is missing between the last value before and the first one here
        self.lowest: Value | None = None
        self.highest: Value | None = None
        self._aggregate = aggregate
        self._last: Value | None = None
        self._total = Decimal(0)
        self._count = 0

    def add(self, value: Value) -> None:
        self._last = value
        self.lowest = value if self.lowest is None else min(self.lowest, value)
        self.highest = value if self.highest is None else max(self.highest, value)
        if self._aggregate == "mean":
            self._total = _EXACT.add(self._total, Decimal(repr(value)))
            self._count += 1

    def value(self, precision: int | None) -> Value | None:
        if self._last is None or self._aggregate == "last":
            return self._last
        if self._aggregate == "mean":
            return _rounded(_EXACT.divide(self._total, self._count), precision)
        return self.lowest if self._aggregate == "min" else self.highest


def _rounded(mean: Decimal, precision: int | None) -> float:
    """A mean with the decimals of its point; with nine digits when the point does not say how many."""
    if precision is None:
        return float(f"{mean:.9g}")
    rounded = _EXACT.quantize(mean, Decimal(1).scaleb(-precision))
    return float(rounded) if precision else int(rounded)
