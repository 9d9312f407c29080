"""Reads equipment by a plan: one request at a time, each block on its grid (design note smok4, "PLAN").

Operator requests share the line through the same ``Orders`` and go first. A unit that does not answer rests, longer
each time, and is reported with its fault meanwhile, so that it does not starve its neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from twisted.python.failure import Failure

from ..clock import WallClock
from ..devices.backoff import UnitBackoff
from ..devices.orders import NotSent, Orders, Priority
from ..modbus.reading import report_of, request_of
from ..readings import Block, BlockReport, Fault
from .reporting import Reporting
from .schedule import Schedule

#: What is read within so many seconds shares one round, and its time.
ROUND_SECONDS = 0.5

#: Takes a finished round: wall clock (microseconds), block reports, and whether it must go out now.
Deliver = Callable[[int, tuple[BlockReport, ...], bool], None]


class Executor:
    """Runs one plan at a time. ``clock`` gives timers and monotonic seconds."""

    def __init__(
        self, orders: Orders, clock: Any, wall_clock: WallClock, deliver: Deliver, timeout_seconds: float
    ) -> None:
        self._orders = orders
        self._clock = clock
        self._wall_clock = wall_clock
        self._deliver = deliver
        self._timeout_seconds = timeout_seconds
        self._backoff = UnitBackoff()
        self._resting_faults: dict[int, int] = {}  # unit -> why it rests
        self._run: _Run | None = None
        self._timer: Any = None

    def run(self, blocks: Sequence[Block]) -> None:
        """Read by this plan from now on; what the old one has read is handed over."""
        self.stop()
        self._run = _Run(blocks, self._clock.seconds())
        self._go_on(self._run)

    def stop(self) -> None:
        """Read nothing more. An answer that still comes is not looked at."""
        if self._run is not None:
            self._hand_over(self._run)
            self._run = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _go_on(self, run: _Run) -> None:
        """Ask for what is due, or sleep until something is."""
        self._timer = None
        now = self._clock.seconds()
        while (turn := run.schedule.take(now)) is not None:
            number, turn_seconds = turn
            unit = run.blocks[number].unit
            if self._backoff.may_ask(unit, now):
                return self._ask(run, number, turn_seconds)
            self._note(run, BlockReport(number, (), self._resting_faults[unit]), turn_seconds)
        self._hand_over(run)
        self._sleep(run, run.schedule.wait_seconds(now))

    def _sleep(self, run: _Run, seconds: float | None) -> None:
        if seconds is not None:
            self._timer = self._clock.callLater(seconds, self._go_on, run)

    def _ask(self, run: _Run, number: int, turn_seconds: float) -> None:
        block = run.blocks[number]
        pdu = request_of(block).encode()
        answer = self._orders.ask(block.unit, pdu, Priority.POLLER, self._timeout_seconds)
        answer.addBoth(self._answered, run, number, turn_seconds)

    def _answered(self, result: bytes | Failure, run: _Run, number: int, turn_seconds: float) -> None:
        if run is not self._run:
            return
        if not (isinstance(result, Failure) and isinstance(result.value, NotSent)):
            report = report_of(number, run.blocks[number], result)
            self._remember(run.blocks[number].unit, report.fault)
            self._note(run, report, turn_seconds)
        self._sleep(run, 0)  # through the clock: a line that answers at once must not nest

    def _remember(self, unit: int, fault: int) -> None:
        """A MODBUS exception is an answer too."""
        if fault < Fault.TIMEOUT:
            self._backoff.answered(unit)
        else:
            self._backoff.failed(unit, self._clock.seconds())
            self._resting_faults[unit] = fault

    def _note(self, run: _Run, report: BlockReport, turn_seconds: float) -> None:
        if report.block in run.round:
            self._hand_over(run)
        if not run.round:
            run.round_us = self._wall_clock()
            run.round_end = self._clock.callLater(ROUND_SECONDS, self._hand_over, run)
        run.round[report.block] = report
        run.is_urgent |= run.reporting.note(report, turn_seconds)

    def _hand_over(self, run: _Run) -> None:
        """The round is finished."""
        if not run.round:
            return
        if run.round_end.active():
            run.round_end.cancel()
        reports, run.round = tuple(run.round.values()), {}
        is_urgent, run.is_urgent = run.is_urgent, False
        if is_urgent:
            run.reporting.told()
        self._deliver(run.round_us, reports, is_urgent)


class _Run:
    """One plan while it is executed."""

    def __init__(self, blocks: Sequence[Block], now_seconds: float) -> None:
        self.blocks = blocks
        self.schedule = Schedule([block.interval_seconds for block in blocks], now_seconds)
        self.reporting = Reporting(blocks)
        self.round: dict[int, BlockReport] = {}
        self.round_us = 0  # when its first block was read
        self.round_end: Any = None
        self.is_urgent = False
