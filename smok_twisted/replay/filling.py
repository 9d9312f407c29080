"""What the history of one device lacks and captured conversations have, each report once. Pure.

A report of SMOK/4 has a name, (boot, batch, round). It is stored unless one of that name and nearly that time is there.
Only batches that the server acknowledged in the capture are taken: the device keeps all others and brings them itself.

What a MODBUS master or a P24 server reads has no name. It gets one from what was read, so that the same capture
gives the same reports again. Where the device itself reported a point at nearly that time, nothing is missing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ..readings import REPLAYED, UNAUTHENTICATED, Block, Report, reports_of
from .findings import CapturedBatch, Findings, Reading
from .layout import Layout, Run
from .stored import PART, SAME_WITHIN_US, Stored

#: Single registers of P24 that follow each other within this time are one value of several words.
JOINED_WITHIN_US = 5_000_000

UNACKNOWLEDGED = "not acknowledged in the capture: the device keeps them and brings them itself"
NO_POINT = "of registers that hold no whole point of the map"
REPORTED = "reported by the device itself at that time"
ORDERS = "answers to orders, which are not history"


@dataclass
class Filled:
    """What came of it; each number counts reports."""

    new: list[Report] = field(default_factory=list)
    there: int = 0
    left_out: Counter[str] = field(default_factory=Counter)


class Filling:
    """Of one device. ``hear`` each of its conversations; what is stored in ``span_us`` is what ``against`` needs."""

    def __init__(self, device_id: int, layout: Layout) -> None:
        self._device_id = device_id
        self._layout = layout
        self._named: list[Report] = []
        self._nameless: list[Report] = []
        self._left_out: Counter[str] = Counter()

    def hear(self, findings: Findings) -> None:
        """One conversation of the device, or of somebody who read it."""
        for batch in findings.batches:
            self._hear_batch(batch)
        self._left_out.update(findings.unread_batches)
        alone = [reading for reading in findings.readings if reading.batch is None]
        if findings.protocol == "smok4":
            self._left_out[ORDERS] += len(alone)
        else:
            self._hear_readings(joined(alone) if findings.protocol == "p24" else map(_whole, alone))

    def span_us(self) -> tuple[int, int] | None:
        """From when to when the store must be asked what it has; None: nothing was heard."""
        times = [one.time_us for one in (*self._named, *self._nameless)]
        return (min(times) - SAME_WITHIN_US, max(times) + SAME_WITHIN_US + 1) if times else None

    def against(self, stored: Iterable[Report]) -> Filled:
        """What is missing, given all that is stored in ``span_us``."""
        filled, there = Filled(left_out=self._left_out.copy()), Stored(self._layout, stored)
        for report in self._named:
            if there.has_name(report):
                filled.there += 1
            else:
                there.add(report)
                filled.new.append(report)
        for report in self._nameless:
            if there.has_place(report):
                filled.there += 1
            elif blocks := [one for one in report.blocks if not there.reported(report, one)]:
                there.add(report)
                filled.new.append(report._replace(blocks=tuple(blocks)))
            else:
                filled.left_out[REPORTED] += 1
        filled.left_out = +filled.left_out
        return filled

    # -- inside

    def _hear_batch(self, batch: CapturedBatch) -> None:
        name = self._device_id, batch.boot, batch.batch
        plan = self._layout.plan_of(batch.blocks, batch.plan)
        reports = reports_of(*name, plan or 0, batch.rounds, batch.received_us, REPLAYED)
        if not batch.is_acknowledged:
            self._left_out[UNACKNOWLEDGED] += len(reports)
        elif plan is not None:
            self._named += reports
        else:
            for report in reports:
                self._named += self._parts(report, _runs(report, batch.blocks))

    def _hear_readings(self, timed: Iterable[tuple[int, Run]]) -> None:
        for time_us, run in timed:
            name = run.table << 8 | run.unit, run.fresh_start, 0
            report = Report(self._device_id, time_us, *name, 0, (), UNAUTHENTICATED | REPLAYED)
            self._nameless += self._parts(report, [run], is_part=run.fresh is not None and self._layout.touches(run))

    def _parts(self, report: Report, runs: list[Run], is_part: bool = False) -> Iterator[Report]:
        """The points that ``runs`` hold, as reports of the same name; ``is_part``: the rest of a point may follow."""
        parts = list(self._layout.points_of(runs))
        self._left_out[NO_POINT] += not parts and not is_part
        for number, (plan, blocks) in enumerate(parts):
            yield report._replace(round=report.round + PART * number, plan=plan, blocks=blocks)


def joined(readings: Iterable[Reading]) -> Iterator[tuple[int, Run]]:
    """Single registers, each with those right in front of it that were read just before."""
    last_us, run = 0, None
    for reading in readings:
        is_next = run is not None and (reading.unit, reading.table, reading.start) == (*run[:2], run.start + run.size)
        if run is None or not is_next or run.fault or reading.fault or reading.time_us > last_us + JOINED_WITHIN_US:
            run = _whole(reading)[1]._replace(fresh=reading.size)
        else:
            run = run._replace(size=run.size + reading.size, words=run.words + reading.words, fresh=reading.size)
        last_us = reading.time_us
        yield last_us, run


def _whole(reading: Reading) -> tuple[int, Run]:
    return reading.time_us, Run(*reading[1:4], reading.size, reading.words, reading.fault)


def _runs(report: Report, blocks: tuple[Block, ...]) -> list[Run]:
    return [Run(*blocks[one.block][:4], one.words, one.fault) for one in report.blocks]
