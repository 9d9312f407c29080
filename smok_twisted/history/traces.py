"""Where a point of today's register map lies in what was read under each plan, and what its words meant then. Pure.

A point is known by its name; one that was renamed by its place: the old name is gone from the map, and the new one
stands at the same register. So a map may rename and rescale, and the history goes on in one line. What a map leaves out
keeps its name in the history: ``Points`` finds it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from ..modbus.points import Point, Value
from ..readings import Report
from .stretch import Sample

if TYPE_CHECKING:
    from ..devices.values import PlanView


class Trace(NamedTuple):
    """A point under one plan."""

    plan: int
    block: int
    registers: range  #: of the block
    point: Point  #: as the register map of that plan has it
    interval_us: int  #: how far apart samples are expected

    def decode(self, words: tuple[int, ...]) -> Value | None:
        """The value in the words of its block."""
        mine = words[self.registers.start : self.registers.stop]
        return self.point.decode(mine) if mine else None


def traces_of(point: Point, views: Iterable[PlanView], names_now: Collection[str]) -> dict[int, Trace]:
    """By plan number; plans that do not read the point are left out. ``names_now``: of all points of today's map."""
    found = {view.plan.number: _trace(point, view, names_now) for view in views}
    return {number: trace for number, trace in found.items() if trace is not None}


def _trace(point: Point, view: PlanView, names_now: Collection[str]) -> Trace | None:
    then = view.points.get(point.name) or _renamed(point, view, names_now)
    place = view.place(then.name) if then is not None else None
    if then is None or place is None or then.kind.is_text != point.kind.is_text:
        return None
    block = view.plan.blocks[place[0]]
    interval_us = max(block.interval_seconds, block.report_seconds) * 1_000_000
    return Trace(view.plan.number, place[0], range(place[1], place[1] + then.words_count), then, interval_us)


def _renamed(point: Point, view: PlanView, names_now: Collection[str]) -> Point | None:
    return next(
        (one for one in view.points.values() if one.name not in names_now and _place(one) == _place(point)), None
    )


def _place(point: Point) -> tuple[object, ...]:
    return point.unit_id, point.table, point.address, point.bit


class Points:
    """All points that the history of a device has: those of today's map (``now``), and *old* ones of earlier maps."""

    def __init__(self, now: Iterable[Point], views: Collection[PlanView]) -> None:
        self._now = {point.name: point for point in now}
        self._views = views
        self._old = {
            point.name: point  # as the last of these maps has it
            for view in views
            for point in view.points.values()
            if point.is_read and point.name not in self._now and view.place(point.name) is not None
        }

    @property
    def old(self) -> list[Point]:
        """Those that today's map does not have."""
        return list(self._old.values())

    def get(self, name: str) -> Point | None:
        """Of today's map, else an old one."""
        return self._now.get(name) or self._old.get(name)

    def traces(self, point: Point) -> dict[int, Trace]:
        """By plan number; no new name is found for an old one."""
        names = self._now if point.name in self._now else self._now | self._old
        return traces_of(point, self._views, names)

    def all_read(self) -> list[Point]:
        """Those that have a history of their own: an old one whose history goes on under a new name is left out."""
        now = [point for point in self._now.values() if point.is_read]
        told = {(plan, trace.point.name) for point in now for plan, trace in self.traces(point).items()}
        old = [
            point
            for point in self._old.values()
            if any((plan, point.name) not in told for plan in self.traces(point))
        ]
        return now + old


def samples_of(reports: Iterable[Report], traces: Mapping[int, Trace]) -> Iterator[Sample]:
    """The samples of a point in ``reports``, each decoded with the register map under which it was read."""
    for report in reports:
        trace = traces.get(report.plan)
        if trace is None:
            continue
        for number, words, _ in report.blocks:
            if number == trace.block:
                yield Sample(report.time_us, trace.decode(words), trace.interval_us)


class Wholes(dict[int, int]):
    """What each word of a point means, in units of its last decimal; a word that means nothing raises KeyError.

    Filled as words are met: few differ.
    """

    def __init__(self, point: Point) -> None:
        super().__init__()
        self.digits = digits_of(point)
        self._point = point

    def __missing__(self, word: int) -> int:
        value = self._point.decode((word,))
        if value is None:
            raise KeyError(word)
        whole = self[word] = int(Decimal(repr(value)).scaleb(self.digits))
        return whole


def is_whole(point: Point) -> bool:
    """Whether each value is a whole number of units of its last decimal, and in one word."""
    return point.kind.is_number and not point.kind.is_float and point.words_count == 1


def digits_of(point: Point) -> int:
    """How many decimals its values have; FLOAT types without ``precision`` may have any."""
    digits, precision = point.scaling.digits, point.precision
    return digits if precision is None else min(digits, precision)
