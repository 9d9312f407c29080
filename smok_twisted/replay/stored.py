"""What is stored of a device already, as far as it says whether a captured report is there too. Pure."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable

from ..readings import UNAUTHENTICATED, Block, BlockReport, Report, is_nameless
from ..storage.records import Place, place_of
from .layout import Layout

#: Reports of one name are the same report when they are no further apart: the clocks of two machines differ, and a
#: device that sends a batch a second uses its number again after 18 hours.
SAME_WITHIN_US = 3600 * 1_000_000
#: Parts of one round under several plans count on from each other by this; no batch has as many rounds.
PART = 128

Told = tuple[bool, int, int, int, int]  #: whether it was a fault; unit, table, start, count


class Stored:
    """``add`` what is there, then ask."""

    def __init__(self, layout: Layout, reports: Iterable[Report]) -> None:
        self._layout = layout
        self._places: set[Place] = set()
        self._names: dict[tuple[int, int, int], list[int]] = {}
        self._reported: dict[Told, list[int]] = {}  # times at which the device itself reported it
        self._around: dict[tuple[bool, Block], list[list[int]]] = {}  # those of all registers that hold a block
        for report in reports:
            self.add(report)

    def add(self, report: Report) -> None:
        """It is stored, or will be."""
        self._places.add(place_of(report))
        if not report.flags & UNAUTHENTICATED:
            self._names.setdefault(_name(report), []).append(report.time_us)
        if not is_nameless(report):
            self._note(report, self._layout.blocks(report.plan))

    def has_place(self, report: Report) -> bool:
        """Whether it is there itself."""
        return place_of(report) in self._places

    def has_name(self, report: Report) -> bool:
        """Whether it is there, stamped by another clock perhaps; what has its time is another part of it."""
        times = self._names.get(_name(report), ())
        return self.has_place(report) or any(0 < abs(one - report.time_us) <= SAME_WITHIN_US for one in times)

    def reported(self, report: Report, one: BlockReport) -> bool:
        """Whether the device itself reported what this block of ``report`` holds, within half of its interval: a value
        where it holds one, a fault where it was one; neither stands for the other."""
        block = self._layout.blocks(report.plan)[one.block]
        window_us = max(block.interval_seconds, block.report_seconds) * 500_000
        return any(_is_near(times, report.time_us, window_us) for times in self._times_around(bool(one.fault), block))

    def _note(self, report: Report, blocks: tuple[Block, ...]) -> None:
        for one in report.blocks:
            if one.block < len(blocks):
                told = bool(one.fault), *blocks[one.block][:4]
                if told not in self._reported:
                    self._reported[told] = []
                    self._around = {}
                insort(self._reported[told], report.time_us)

    def _times_around(self, is_fault: bool, block: Block) -> list[list[int]]:
        key, block_end = (is_fault, block), block.start + block.count
        if key not in self._around:
            self._around[key] = [
                times
                for (*kind, start, count), times in self._reported.items()
                if kind == [is_fault, *block[:2]] and start <= block.start and block_end <= start + count
            ]
        return self._around[key]


def _name(report: Report) -> tuple[int, int, int]:
    return report.boot, report.batch, report.round % PART


def _is_near(times: list[int], time_us: int, window_us: int) -> bool:
    at = bisect_left(times, time_us - window_us)
    return at < len(times) and times[at] <= time_us + window_us
