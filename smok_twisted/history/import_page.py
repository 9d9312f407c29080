"""Values of one point that another system kept, some at a time: each is stored, there already, different from what is
there (which is kept), or refused; and it is counted. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..clock import rfc3339
from ..errors import Impossible
from ..modbus.points import Point, Value
from ..readings import Report
from ..storage.records import HOUR_US, Place, place_of
from .imported import is_imported, report_of, words_of
from .slices import Span
from .traces import Trace, samples_of

#: How far a clock may be wrong, or a time zone mistaken.
FUTURE_US = 24 * HOUR_US
_NO_PLAN = 0  # yet: what stores nothing needs none
#: Refusals, and differences, that are told in words.
REASONS_AT_MOST = 5


class Notes:
    """So many, and why the first of them."""

    def __init__(self) -> None:
        self.count = 0
        self.first: list[dict[str, Any]] = []

    def add(self, index: int, reason: str) -> None:
        """Of the value with that index."""
        self.count += 1
        if len(self.first) < REASONS_AT_MOST:
            self.first.append({"index": index, "reason": reason})


class There:
    """What was imported before: the values of a point, and places that are taken."""

    def __init__(self, traces: Mapping[int, Trace]) -> None:
        self.places: set[Place] = set()
        self.values: dict[int, list[Value | None]] = {}  # by time
        self._traces = traces

    def add(self, reports: Iterable[Report]) -> None:
        """Whatever was read; only what was imported counts."""
        imported = [report for report in reports if is_imported(report)]
        self.places.update(map(place_of, imported))
        for sample in samples_of(imported, self._traces):
            self.values.setdefault(sample.time_us, []).append(sample.value)


class Page:
    """``add`` all values, learn what is ``There`` in its ``spans``, ``compare``; then store what is
    ``fresh``."""

    def __init__(self, device_id: int, point: Point, rounds: bool, now_us: int) -> None:
        self._device_id = device_id
        self._point = point
        self._rounds = rounds
        self._end_us = now_us + FUTURE_US
        self._there = self._rounded = 0
        self._refused, self._differ = Notes(), Notes()
        self._new: dict[int, tuple[int, Report]] = {}  # index and report, by time

    def add(self, index: int, time_us: int, value: Value) -> None:
        """One value."""
        if time_us > self._end_us:
            time = rfc3339(time_us)
            return self._refused.add(index, f"the time {time} is more than a day ahead of the daemon's clock")
        try:
            words, is_rounded = words_of(self._point, value, self._rounds)
        except Impossible as error:
            return self._refused.add(index, str(error))
        self._rounded += is_rounded
        report = report_of(self._device_id, _NO_PLAN, self._point, time_us, words)
        first, known = self._new.setdefault(report.time_us, (index, report))
        if first != index:
            self._compare(index, report, [self._value(known)])
        return None

    @property
    def spans(self) -> Iterator[Span]:
        """The hours of its values."""
        for hour in sorted({time_us // HOUR_US for time_us in self._new}):
            yield Span(hour * HOUR_US, (hour + 1) * HOUR_US)

    def compare(self, there: There) -> None:
        """With what is there in all these hours."""
        for time_us, (index, report) in list(self._new.items()):
            if time_us in there.values or place_of(report) in there.places:
                del self._new[time_us]
                self._compare(index, report, there.values.get(time_us, [None]))

    @property
    def has_fresh(self) -> bool:
        """Whether there is anything to be stored."""
        return bool(self._new)

    def fresh(self, plan: int) -> list[Report]:
        """What is to be stored, under a plan that reads the point alone."""
        return [report._replace(plan=plan) for _, report in self._new.values()]

    def said(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "stored": len(self._new),
            "there": self._there,
            "differ": self._differ.count,
            "refused": self._refused.count,
            "rounded": self._rounded,
            "reasons": self._refused.first,
            "differences": self._differ.first,
        }

    def _compare(self, index: int, report: Report, there: list[Value | None]) -> None:
        value = self._value(report)
        if value in there:
            self._there += 1
            return
        time = rfc3339(report.time_us)
        self._differ.add(index, f"point {self._point.name!r} at {time} has the value {there[0]!r}, not {value!r}")

    def _value(self, report: Report) -> Value | None:
        return self._point.decode(report.blocks[0].words)
