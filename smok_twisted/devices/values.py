"""Latest values of one device: kept as raw block reports, turned into points when somebody asks.

Pure. A point is looked for in every plan under which something was read, with the register map of that plan, and the
newest sample wins; so values stay meaningful over a change of the map.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..modbus.maps import RegisterMap
from ..modbus.plan import locate
from ..modbus.points import Point
from ..readings import FIRST_UNTOLD_PLAN, UNAUTHENTICATED, Block, BlockReport, Plan, Report, quality_of
from ..storage.records import Latest, LatestByBlock

#: A value is stale when its block should have been reported this many times meanwhile.
_MISSED_REPORTS = 2.5
_GRACE_SECONDS = 5.0


@dataclass(frozen=True)
class PointValue:
    """One point as a user sees it. ``value`` is None unless there were words that make sense."""

    point: Point
    value: Any = None
    time_us: int | None = None
    quality: str = "stale"
    raw: tuple[int, ...] = ()


class PlanView:
    """Where the points of a register map lie in the blocks of a plan made from it.

    What reached us by another way than the device's own reading has an interval of its own, whatever the map says.
    """

    def __init__(self, plan: Plan, register_map: RegisterMap) -> None:
        self.plan = plan
        self.points = {point.name: point for point in register_map.points}
        is_untold = plan.number >= FIRST_UNTOLD_PLAN
        self._places = {
            point.name: locate(point, plan.blocks, at_any_interval=is_untold) for point in register_map.points
        }

    def place(self, name: str) -> tuple[int, int] | None:
        """Block number and offset in it, or None when this plan does not read the point."""
        return self._places.get(name)

    def words(self, name: str, report: BlockReport) -> tuple[int, ...]:
        """The words of a point out of its block's report; empty when the report is a fault."""
        place = self.place(name)
        if place is None or report.fault:
            return ()
        return report.words[place[1] : place[1] + self.points[name].words_count]


class Values:
    """The newest sample of each block of each plan."""

    def __init__(self) -> None:
        self._samples: LatestByBlock = {}  # (plan, block)
        self._read_alone: dict[str, tuple[int, tuple[int, ...]]] = {}  # point -> time, words

    def load(self, samples: LatestByBlock) -> None:
        """What the store kept from before the start."""
        self._samples.update(samples)

    def update(self, report: Report, now_us: int) -> None:
        """A report has come; late ones do not displace newer samples, unless the wall clock was set back since."""
        for block_report in report.blocks:
            key = (report.plan, block_report.block)
            known = self._samples.get(key)
            if known is None or report.time_us >= known.time_us or known.time_us > now_us:
                self._samples[key] = Latest(report.time_us, block_report, report.flags)

    def read_alone(self, point: str, time_us: int, words: tuple[int, ...]) -> None:
        """One point was read outside of its block, such as before and after a write to it."""
        self._read_alone[point] = (time_us, words)

    def newest_us(self) -> int | None:
        """When anything was last read, or None. What was imported tells nothing of that."""
        times = (sample.time_us for (plan, _), sample in self._samples.items() if plan < FIRST_UNTOLD_PLAN)
        return max(times, default=None)

    def of(self, point: Point, views: Iterable[PlanView], now_us: int) -> PointValue:
        """The point's newest sample, decoded."""
        found = [
            (sample, view)
            for view in views
            if (place := view.place(point.name)) and (sample := self._samples.get((view.plan.number, place[0])))
        ]
        if not found:
            return PointValue(point)
        sample, view = max(found, key=lambda pair: _rank(pair[0].time_us, now_us))
        words = view.words(point.name, sample.report)
        time_us, words_alone = self._read_alone.get(point.name, (sample.time_us, words))
        if _rank(time_us, now_us) > _rank(sample.time_us, now_us):
            sample, words = Latest(time_us, BlockReport(sample.report.block, ()), sample.flags), words_alone
        value = view.points[point.name].decode(words) if words else None
        quality = _quality(sample, view.plan.blocks[sample.report.block], now_us)
        return PointValue(point, value, sample.time_us, quality, words)


def _rank(time_us: int, now_us: int) -> tuple[bool, int]:
    """Newest first; what was read in the future was read before the wall clock was set back."""
    return time_us <= now_us, time_us


def _quality(sample: Latest, block: Block, now_us: int) -> str:
    quality = quality_of(sample.report.fault)
    if quality != "good":
        return quality
    expected_seconds = max(block.interval_seconds, block.report_seconds)
    good_us = (_MISSED_REPORTS * expected_seconds + _GRACE_SECONDS) * 1_000_000
    if not -_GRACE_SECONDS * 1_000_000 <= now_us - sample.time_us <= good_us:
        return "stale"
    return "unauthenticated" if sample.flags & UNAUTHENTICATED else "good"
