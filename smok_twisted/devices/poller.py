"""Reads a device by its plan, for links whose devices hold no plan themselves.

Each block has its turns on a grid that begins with the plan. Whatever delays a read, there is one of it at most; turns
that were missed are not made up for. Reads go through the device's orders behind everybody else's, in parts as small
as the link wants them. A unit that does not answer rests, longer each time; then it is asked for one thing only, until
it has answered (design note product, "Rules of conduct towards equipment").
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from ..clock import WallClock
from ..modbus.pdu import MAX_READ_WORDS
from ..modbus.reading import report_of, request_of
from ..readings import Block, BlockReport, Fault, Plan
from .backoff import UnitBackoff
from .orders import NotSent, Orders, OutcomeUnknown, Priority

#: What is due and cannot be read now, because its unit rests or the orders take nothing, is looked at again then.
LOOK_AGAIN_SECONDS = 5.0

#: Takes what was read at one moment: plan number, wall clock (microseconds), block reports.
Keep = Callable[[int, int, tuple[BlockReport, ...]], None]


class Poller:
    """One device's; it stays over connections. ``words_at_most`` registers or bits are read with one order, and
    ``orders_at_once`` orders are asked for before the first is answered."""

    def __init__(
        self,
        orders: Orders,
        clock: Any,
        wall_clock: WallClock,
        keep: Keep,
        *,
        words_at_most: int = MAX_READ_WORDS,
        orders_at_once: int = 1,
    ) -> None:
        self._orders = orders
        self._clock = clock
        self._wall_clock = wall_clock
        self._keep = keep
        self._words_at_most = words_at_most
        self._orders_at_once = orders_at_once
        self._backoff = UnitBackoff()
        self._silent: set[int] = set()  # units that did not answer when they were asked last
        self._plan = Plan(0, (), "", "")
        self._due_seconds: list[float] = []  # of each block: its next turn
        self._is_on = False
        self._not_before_seconds = 0.0
        self._filling = False
        self._timer: Any = None
        self._readings: dict[int, _Reading] = {}  # by block
        self._moment: list[BlockReport] | None = None  # what was read at this moment

    def run(self, plan: Plan) -> None:
        """Read by this plan from now on. If it is the one that was stopped, its turns go on as they were."""
        self.stop()
        if plan != self._plan:
            self._plan = plan
            self._moment = None
            self._due_seconds = [self._clock.seconds()] * len(plan.blocks)
        self._is_on = True
        self._not_before_seconds = 0.0
        self._fill()

    def stop(self) -> None:
        """Read nothing more. What was asked and not answered is due again at once."""
        self._is_on = False
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._put_back_all()

    # -- what to read next

    def _fill(self) -> None:
        """Ask for what is due; a loop, because a line may answer at once."""
        if self._filling:
            return
        self._filling = True
        try:
            while self._asked < self._orders_at_once and (reading := self._next()) is not None:
                self._ask(reading)
        finally:
            self._filling = False
        self._sleep()

    @property
    def _asked(self) -> int:
        return sum(len(reading.answers) for reading in self._readings.values())

    def _next(self) -> _Reading | None:
        """The reading of which a part can be asked for now."""
        if not self._is_on or self._clock.seconds() < self._not_before_seconds:
            return None
        for reading in self._readings.values():
            if reading.parts and not (reading.answers and reading.block.unit in self._silent):
                return reading
        return self._begin()

    def _begin(self) -> _Reading | None:
        """A reading of the block that has waited longest."""
        now = self._clock.seconds()
        one_at_a_time = self._silent & {reading.block.unit for reading in self._readings.values()}
        ready = [
            (due, number)
            for number, (due, block) in enumerate(zip(self._due_seconds, self._plan.blocks, strict=True))
            if due <= now
            and number not in self._readings
            and block.unit not in one_at_a_time
            and self._backoff.may_ask(block.unit, now)
        ]
        if not ready:
            return None
        _, number = min(ready)
        self._readings[number] = _Reading(number, self._plan.blocks[number], self._words_at_most)
        return self._readings[number]

    def _sleep(self) -> None:
        """Until something is due; an answer wakes us as well."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        if self._is_on and self._due_seconds and not self._readings:
            now = self._clock.seconds()
            waits = [due - now if due > now else LOOK_AGAIN_SECONDS for due in self._due_seconds]
            self._timer = self._clock.callLater(min(waits), self._fill)

    # -- asking and being answered

    def _ask(self, reading: _Reading) -> None:
        part = reading.parts.popleft()
        pdu = request_of(part).encode()
        answer = self._orders.ask(part.unit, pdu, Priority.POLLER)
        reading.answers.add(answer)
        answer.addBoth(self._answered, answer, reading, part)

    def _answered(self, result: bytes | Failure, answer: Deferred[bytes], reading: _Reading, part: Block) -> None:
        reading.answers.discard(answer)
        if self._readings.get(reading.number) is not reading:
            return
        if isinstance(result, Failure) and result.check(NotSent, OutcomeUnknown):
            self._not_before_seconds = self._clock.seconds() + LOOK_AGAIN_SECONDS
            self._put_back_all()
            self._fill()
            return
        report = report_of(reading.number, part, result)
        reading.words[part.start] = report.words
        self._heard(part.unit, report.fault)
        if report.fault or not (reading.parts or reading.answers):
            self._finish(reading, report.fault)
        self._fill()

    def _heard(self, unit: int, fault: int) -> None:
        """How a unit fares. A MODBUS exception is an answer too."""
        now = self._clock.seconds()
        if fault < Fault.TIMEOUT:
            self._backoff.answered(unit)
            self._silent.discard(unit)
        elif self._backoff.may_ask(unit, now):  # else it rests already: this was asked before it did
            self._backoff.failed(unit, now)
            self._silent.add(unit)

    def _finish(self, reading: _Reading, fault: int) -> None:
        now = self._clock.seconds()
        due, interval_seconds = self._due_seconds[reading.number], reading.block.interval_seconds
        self._put_back(reading)
        self._due_seconds[reading.number] = due + ((now - due) // interval_seconds + 1) * interval_seconds
        words = () if fault else tuple(word for _, part in sorted(reading.words.items()) for word in part)
        self._note(BlockReport(reading.number, words, fault))

    def _put_back_all(self) -> None:
        for reading in list(self._readings.values()):
            self._put_back(reading)

    def _put_back(self, reading: _Reading) -> None:
        """Forget a reading; its block is due as it was."""
        del self._readings[reading.number]
        for answer in list(reading.answers):
            answer.cancel()

    # -- what was read

    def _note(self, report: BlockReport) -> None:
        """Blocks that came in one segment have one time, and are kept together."""
        if self._moment is None:
            self._moment = []
            self._clock.callLater(0, self._hand_over, self._plan.number, self._wall_clock(), self._moment)
        self._moment.append(report)

    def _hand_over(self, plan_number: int, time_us: int, moment: list[BlockReport]) -> None:
        self._moment = None
        self._keep(plan_number, time_us, tuple(moment))


class _Reading:
    """One block while it is read."""

    def __init__(self, number: int, block: Block, words_at_most: int) -> None:
        self.number = number
        self.block = block
        self.parts = deque(_parts(block, words_at_most))  # not asked for yet
        self.answers: set[Deferred[bytes]] = set()  # asked for
        self.words: dict[int, tuple[int, ...]] = {}  # what came, by the address where it begins


def _parts(block: Block, words_at_most: int) -> Iterator[Block]:
    end = block.start + block.count
    for start in range(block.start, end, words_at_most):
        yield block._replace(start=start, count=min(words_at_most, end - start))
