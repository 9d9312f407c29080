"""Which requests are sent next, how many are out, and how many wait. Pure.

What is in the background gets a quarter of the window at most, and only what the living leave. Rows that may travel
together do: a request costs the driver ten times what a row in it costs.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from ...errors import StorageError

if TYPE_CHECKING:
    from ..writer import Marks

#: Priorities.
LIVE, BACKGROUND = 0, 1
#: Beyond either Cassandra warns: unlogged_batch_across_partitions_warn_threshold, batch_size_warn_threshold.
_ROWS_TOGETHER, _OCTETS_TOGETHER = 10, 4000


class Request:
    """``answer`` is whoever is told."""

    __slots__ = ("answer", "begun", "octets", "priority", "statement", "values")

    def __init__(
        self, statement: Any, values: tuple[Any, ...], answer: Any, begun: float, priority: int = LIVE
    ) -> None:
        self.statement = statement
        self.values = values
        self.answer = answer
        self.begun = begun
        self.priority = priority
        self.octets = sum(len(value) for value in values if isinstance(value, bytes))


class Window:
    """Requests that wait, each class in its order, and those that are out."""

    def __init__(self, size: int, marks: Marks) -> None:
        self.is_high = False
        self._size = size
        self._share = max(1, size // 4)
        self._marks = marks
        self._live: deque[Request] = deque()
        self._background: deque[Request] = deque()
        self._out: set[Request] = set()
        self._background_out = 0

    @property
    def in_flight(self) -> int:
        """Requests that are out."""
        return len(self._out)

    @property
    def waiting(self) -> int:
        """Requests that are not sent yet."""
        return len(self._live) + len(self._background)

    def add(self, request: Request) -> None:
        """It waits. Raises StorageError when too many do already."""
        if self.waiting >= self._marks.limit:
            raise StorageError(f"{self.waiting} requests to Cassandra wait already")
        (self._live if request.priority == LIVE else self._background).append(request)

    def take(self) -> list[Request]:
        """The next that may go out, with those behind it that may travel in the same one; [] when none may."""
        together: list[Request] = []
        while (queue := self._next_queue()) and _may_travel(together, queue[0]):
            together.append(self.out(queue.popleft()))
        return together

    def _next_queue(self) -> deque[Request] | None:
        """Where the next one is; None when it may not go out, or there is none."""
        if len(self._out) >= self._size:
            return None
        if self._live:
            return self._live
        return self._background if self._background_out < self._share else None

    def out(self, request: Request) -> Request:
        """It goes out, whatever the window says."""
        self._out.add(request)
        self._background_out += request.priority
        return request

    def back(self, request: Request) -> bool:
        """It is not out any more; False when it was not."""
        if request not in self._out:
            return False
        self._out.remove(request)
        self._background_out -= request.priority
        return True

    def give_up_waiting(self) -> list[Request]:
        """All that wait, oldest first; none does then."""
        given_up = [*self._live, *self._background]
        self._live.clear()
        self._background.clear()
        return given_up

    def give_up_out(self) -> list[Request]:
        """All that are out; none is then."""
        given_up = list(self._out)
        self._out.clear()
        self._background_out = 0
        return given_up

    def has_crossed(self) -> bool:
        """The high-water mark from below, or the low-water mark from above: ``is_high`` is another now."""
        limit = self.waiting > self._marks.low if self.is_high else self.waiting >= self._marks.high
        was_high, self.is_high = self.is_high, limit
        return was_high != limit


def _may_travel(together: list[Request], another: Request) -> bool:
    """Whether it may go in the same request as these."""
    if not together:
        return True
    octets = another.octets + sum(request.octets for request in together)
    return (
        another.statement == together[0].statement
        and another.statement.travels_together
        and len(together) < _ROWS_TOGETHER
        and octets <= _OCTETS_TOGETHER
    )
