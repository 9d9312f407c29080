"""Fast polling while somebody watches: 15 s after the last look it stops (design note product, "Rules of conduct")."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from ..modbus.reading import report_of, request_of
from ..readings import Block, BlockReport, Fault, Plan
from .backoff import UnitBackoff
from .orders import NotSent, Orders, OutcomeUnknown, Priority

#: How long one look lasts, and the least time from one fast round to the next.
LOOK_SECONDS = 15.0
ROUND_SECONDS = 2.0


class Watch:
    """Reads every block of the wanted plan again and again, behind everybody else's orders, while it is watched.

    ``heard(plan, block_report)`` gets what was read; it is live only and does not go into the history, which
    keeps the rhythm of the plan.
    """

    def __init__(self, orders: Orders, clock: Any, heard: Callable[[Plan, BlockReport], None]) -> None:
        self._orders = orders
        self._clock = clock
        self._heard = heard
        self._backoff = UnitBackoff()
        self._until_seconds = 0.0
        self._next: Any = None
        self._busy = False

    def look(self, plan: Plan) -> None:
        """Somebody looks: poll fast from now on for a while."""
        self._until_seconds = self._clock.seconds() + LOOK_SECONDS
        if not self._busy and self._next is None:
            self._round(plan, 0)

    def stop(self) -> None:
        """The device is gone or is being removed."""
        self._until_seconds = 0.0
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def _round(self, plan: Plan, number: int) -> None:
        """Ask for block ``number`` and then for the next ones; after the last one rest, then begin again."""
        self._next = None
        now = self._clock.seconds()
        if now >= self._until_seconds or not plan.blocks:
            return
        while number < len(plan.blocks) and not self._backoff.may_ask(plan.blocks[number].unit, now):
            number += 1
        if number == len(plan.blocks):
            self._next = self._clock.callLater(ROUND_SECONDS, self._round, plan, 0)
            return
        self._busy = True
        self._ask(plan.blocks[number]).addBoth(self._answered, plan, number)

    def _ask(self, block: Block) -> Deferred[bytes]:
        return self._orders.ask(block.unit, request_of(block).encode(), Priority.POLLER)

    def _answered(self, result: bytes | Failure, plan: Plan, number: int) -> None:
        self._busy = False
        if isinstance(result, Failure) and result.check(NotSent, OutcomeUnknown):
            return self.stop()
        block = plan.blocks[number]
        report = report_of(number, block, result)
        if report.fault >= Fault.TIMEOUT:
            self._backoff.failed(block.unit, self._clock.seconds())
        else:
            self._backoff.answered(block.unit)
        self._heard(plan, report)
        # Through the clock, so that lines that answer at once do not nest.
        self._next = self._clock.callLater(0, self._round, plan, number + 1)
