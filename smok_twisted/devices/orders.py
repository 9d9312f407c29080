"""Orders to a device: as many at a time as its link takes, by priority, each answered exactly once, also on disconnect.

The line below is anything that offers ``execute(unit, pdu, timeout_seconds) -> Deferred[bytes]``: a session of a
link, or a MODBUS line of ``modbus.protocol``.
"""

from __future__ import annotations

import enum
import heapq
import itertools
from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.defer import Deferred, fail
from twisted.python.failure import Failure

from ..errors import Conflict, LocalError

#: More waiting orders than this are refused.
WAITING_AT_MOST = 256


class Priority(enum.IntEnum):
    """Who goes first (design note product, "Rules of conduct towards equipment")."""

    OPERATOR_WRITE = 0
    OPERATOR_READ = 1
    GATEWAY = 2
    POLLER = 3


class NotSent(Conflict):
    """The device is not connected, or the link was lost before the order was sent: nothing has happened."""


class OutcomeUnknown(LocalError):
    """The order was sent and no answer came: it may or may not have been executed."""


class Line(Protocol):
    """Where orders go."""

    def execute(self, unit: int, pdu: bytes, timeout_seconds: float) -> Deferred[bytes]:
        """Send one request; the answer is the response PDU, or a failure."""


class _Order:
    """One request and who waits for its answer. Sorts by priority, then by age."""

    def __init__(
        self, rank: tuple[int, int], request: tuple[int, bytes, float], on_abandoned: Callable[[_Order], None]
    ) -> None:
        """``request``: what ``Line.execute`` takes. ``on_abandoned``: nobody waits for the answer any more."""
        self.rank = rank
        self.request = request
        self.abandoned = False
        self.answer: Deferred[bytes] = Deferred(self._abandon)
        self._on_abandoned = on_abandoned

    def __lt__(self, other: _Order) -> bool:
        return self.rank < other.rank

    def _abandon(self, answer: Deferred[bytes]) -> None:
        self.abandoned = True
        self._on_abandoned(self)


class Orders:
    """The queue of one device. ``connected`` and ``disconnected`` follow its link."""

    def __init__(self) -> None:
        self._line: Line | None = None
        self._at_once = 1
        self._waiting: list[_Order] = []
        self._running: list[_Order] = []
        self._age = itertools.count()
        self._pumping = False

    def ask(self, unit: int, pdu: bytes, priority: Priority, timeout_seconds: float = 30.0) -> Deferred[bytes]:
        """Queue one request PDU; fires with the response PDU (a MODBUS exception is a response too).

        Fails with NotSent (nothing has happened), OutcomeUnknown (it was sent), or what the line failed with.
        Cancelling an order that is not sent yet takes it out of the queue.
        """
        if self._line is None:
            return fail(NotSent("the device is not connected; connect it, or give the order an expiry"))
        if len(self._waiting) >= WAITING_AT_MOST:
            return fail(NotSent(f"{WAITING_AT_MOST} orders wait for this device already; try again later"))
        order = _Order((priority, next(self._age)), (unit, pdu, timeout_seconds), self._take_out)
        heapq.heappush(self._waiting, order)
        self._pump()
        return order.answer

    def connected(self, line: Line, at_once: int = 1) -> None:
        """Orders go to ``line`` from now on; so many may be on their way, sent in order."""
        self._line, self._at_once = line, at_once
        self._pump()

    def disconnected(self) -> None:
        """The link is gone: settle everybody. Nothing is kept for the next connection."""
        self._line = None
        running, self._running = self._running, []
        waiting, self._waiting = sorted(self._waiting), []
        for order in running:
            _settle(order, Failure(OutcomeUnknown("the link was lost after the order was sent")))
        for order in waiting:
            _settle(order, Failure(NotSent("the link was lost before the order was sent")))

    def _pump(self) -> None:
        """Send while there is somebody to send to; a loop, because a line may answer at once."""
        if self._pumping:
            return
        self._pumping = True
        try:
            while self._line is not None and len(self._running) < self._at_once and self._waiting:
                order = heapq.heappop(self._waiting)
                self._running.append(order)
                self._line.execute(*order.request).addBoth(self._answered, order)
        finally:
            self._pumping = False

    def _take_out(self, order: _Order) -> None:
        """It is not sent, and makes room; one that was sent already goes on."""
        if order in self._waiting:
            self._waiting.remove(order)
            heapq.heapify(self._waiting)

    def _answered(self, result: Any, order: _Order) -> None:
        if order in self._running:
            self._running.remove(order)
            _settle(order, result)
            self._pump()


def _settle(order: _Order, result: bytes | Failure) -> None:
    if not order.abandoned:
        order.answer.callback(result)  # a Failure starts the errback chain
