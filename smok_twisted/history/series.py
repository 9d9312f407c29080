"""The history of one point, small enough to draw: as it was read, or one value for each of equal stretches of time.

Pure. What was not read is a gap, shown as None and never drawn across (design notes product "Shapes", storage
"Two layers of history"). Samples and stretches are taken one by one, so that a year need not fit in memory.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass, field
from decimal import Decimal

from ..errors import Impossible
from ..modbus.points import Point, Value
from .stretch import EXACT, Moment, Sample, Stretch, is_gap, joined, of_sample

#: Entries of an answer, gaps included.
ENTRIES_AT_MOST = 3000
#: Each may be followed by a gap, and the first may begin before the span does.
_BUCKETS_AT_MOST = ENTRIES_AT_MOST // 2 - 1

AGGREGATES = ("mean", "min", "max", "last")

_DAY_SECONDS = 86_400
_SIXTIETHS = (1, 2, 3, 5, 10, 15, 20, 30)
#: Steps that people know, in seconds; above, whole days. None of half an hour: from an hour on summaries answer, and a
#: month in half-hours would unpack all of its chunks.
_STEPS = (
    *_SIXTIETHS,
    *(60 * number for number in _SIXTIETHS[:-1]),
    *(3600 * number for number in (1, 2, 3, 4, 6, 8, 12, 24)),
)


@dataclass
class Series:
    """Columns of equal length. ``lowest`` and ``highest`` are there when stretches of time were summed up."""

    step_seconds: int | None  #: the length of a stretch; None: as it was read
    time_us: list[int] = field(default_factory=list)
    value: list[Value | None] = field(default_factory=list)
    lowest: list[Value | None] | None = None
    highest: list[Value | None] | None = None


class Question:
    """What somebody wants to see of a point in ``[from_us, to_us)``.

    ``step_seconds`` None: as it was read, unless that is more than ``ENTRIES_AT_MOST``. A step that would give more
    is widened to a multiple of itself. ``aggregate`` None: mean for plain numbers, else last. Raises Impossible.
    """

    def __init__(
        self, point: Point, from_us: int, to_us: int, step_seconds: int | None = None, aggregate: str | None = None
    ) -> None:
        if from_us >= to_us:
            raise Impossible("the series ends before it begins: `from` must be before `to`")
        self.point = point
        self.from_us = from_us
        self.to_us = to_us
        self.aggregate = _checked(point, aggregate)
        self.may_be_as_read = step_seconds is None
        self.width_seconds = _width(step_seconds, math.ceil((to_us - from_us) / _BUCKETS_AT_MOST / 1_000_000))


def _width(step_seconds: int | None, least_seconds: int) -> int:
    """The step wanted, or a multiple of it, or one that people know: at least ``least_seconds``."""
    if step_seconds is None:
        place = bisect_left(_STEPS, least_seconds)
        if place < len(_STEPS):
            return _STEPS[place]
        step_seconds = _DAY_SECONDS
    return step_seconds * max(1, math.ceil(least_seconds / step_seconds))


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


class AsRead:
    """``add`` every sample in order of time, while ``fits``; then take ``series``."""

    def __init__(self) -> None:
        self.samples: list[Sample] = []
        self._torn: list[int] = []  # places of samples before which something is missing

    @property
    def fits(self) -> bool:
        """False as soon as there are more entries than an answer may have."""
        return len(self.samples) + len(self._torn) <= ENTRIES_AT_MOST

    def add(self, sample: Sample) -> None:
        """The next sample."""
        if self.samples and _is_gap(self.samples[-1], sample):
            self._torn.append(len(self.samples))
        self.samples.append(sample)

    def series(self) -> Series:
        """What was added, and a None where the next sample was due and did not come."""
        series = Series(None, [one.time_us for one in self.samples], [one.value for one in self.samples])
        for place in reversed(self._torn):
            before = self.samples[place - 1]
            series.time_us.insert(place, before.time_us + before.interval_us)
            series.value.insert(place, None)
        return series


def _is_gap(before: Sample, after: Sample) -> bool:
    """Next to a None nothing is drawn anyway."""
    if before.value is None or after.value is None:
        return False
    return is_gap(before, after)


class Buckets:
    """One entry for each stretch of time that has samples; they begin at multiples of their length since 1970.

    ``add`` what is known in order of time, each within one bucket; then take ``series``, once.
    """

    def __init__(self, question: Question) -> None:
        self.samples = 0  #: in all that was added
        self._point = question.point
        self._aggregate = question.aggregate
        self._width_us = question.width_seconds * 1_000_000
        self._series = Series(question.width_seconds)
        if not self._point.kind.is_text:
            self._series.lowest, self._series.highest = [], []
        self._current: Stretch | None = None
        self._index = 0
        self._before: Moment | None = None  # the last value of the buckets before

    def add_sample(self, sample: Sample) -> None:
        """The next sample."""
        self.add(of_sample(sample))

    def add(self, stretch: Stretch) -> None:
        """The next stretch."""
        self.samples += stretch.samples
        index = stretch.time_us // self._width_us
        if self._current is not None and index == self._index:
            self._current = joined(self._current, stretch)
            return
        self._close()
        self._current, self._index = stretch, index

    def series(self) -> Series:
        """What was added, with a None between two buckets that do not hang together."""
        self._close()
        return self._series

    def _close(self) -> None:
        bucket, self._current = self._current, None
        if bucket is None:
            return
        if bucket.first is not None:
            is_torn = self._before is not None and is_gap(self._before, bucket.first)
            if is_torn and self._series.value[-1] is not None:
                self._append(self._series.time_us[-1] + self._width_us // 2, None, None, None)
            self._before = bucket.last
        self._append(self._index * self._width_us, self._value(bucket), bucket.lowest, bucket.highest)

    def _append(self, time_us: int, value: Value | None, lowest: Value | None, highest: Value | None) -> None:
        self._series.time_us.append(time_us)
        self._series.value.append(value)
        if self._series.lowest is not None and self._series.highest is not None:
            self._series.lowest.append(lowest)
            self._series.highest.append(highest)

    def _value(self, bucket: Stretch) -> Value | None:
        if not bucket.known or self._aggregate == "last":
            return bucket.value
        if self._aggregate == "mean":
            return _rounded(EXACT.divide(bucket.total, bucket.known), self._point.precision)
        return bucket.lowest if self._aggregate == "min" else bucket.highest


def _rounded(mean: Decimal, precision: int | None) -> float:
    """A mean with the decimals of its point; with nine digits when the point does not say how many."""
    if precision is None:
        return float(f"{mean:.9g}")
    rounded = EXACT.quantize(mean, Decimal(1).scaleb(-precision))
    return float(rounded) if precision else int(rounded)
