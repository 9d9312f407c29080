"""The bridge's way across: what may go out is given to the driver, what it answers comes back to the reactor.

Completed requests are collected by the driver's thread and brought over by one ``callFromThread`` for all that wait.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure

from ...errors import StorageError
from .answers import Failed, Refused

if TYPE_CHECKING:
    from .bridge import Statement
    from .window import Request, Window

#: So many requests on their way make it worth while to wait for further answers, so long.
_BUSY = 16
_GATHERING_SECONDS = 0.002

Rows = list[tuple[Any, ...]]
#: Requests that went together, their answer, and what went wrong or None.
Ended = Callable[[list["Request"], Rows, StorageError | None], None]


class Courier:
    """``ended`` hears of every request once, ``pumped`` whenever more may have gone out."""

    def __init__(self, reactor: Any, window: Window, ended: Ended, pumped: Callable[[], None]) -> None:
        self.session: Any = None  #: of the driver, None while there is none
        self._reactor = reactor
        self._window = window
        self._ended = ended
        self._pumped = pumped
        self._prepared: dict[Statement, Any] = {}
        self._preparing: dict[Statement, list[list[Request]]] = {}
        self._done: deque[tuple[list[Request], Rows, StorageError | None]] = deque()
        self._is_coming = False
        self._gathering: Any = None
        self._pumping: Any = None

    def in_thread(self, call: Callable[..., Any], *arguments: Any) -> Deferred[Any]:
        """What blocks."""
        return deferToThreadPool(self._reactor, self._reactor.getThreadPool(), call, *arguments)

    def stop(self) -> None:
        """Nothing is left to be called."""
        for call in (self._gathering, self._pumping):
            if call is not None and call.active():
                call.cancel()

    def pump_soon(self) -> None:
        """When all that is wanted in this turn of the loop has been said: what the journal wrote at once, mostly."""
        if self._pumping is None or not self._pumping.active():
            self._pumping = self._reactor.callLater(0, self.pump)

    def pump(self) -> None:
        """Send what the window lets go."""
        while together := self._window.take():
            self.send(together)
        self._pumped()

    def send(self, together: list[Request]) -> None:
        """As one request."""
        statement = together[0].statement
        prepared = self._prepared.get(statement)
        if prepared is not None:
            self._ask(prepared, together)
        elif statement in self._preparing:
            self._preparing[statement].append(together)
        else:
            self._preparing[statement] = [together]
            preparing = self.in_thread(self.session.prepare, statement.cql, statement.is_idempotent)
            preparing.addBoth(self._is_prepared, statement)

    def _is_prepared(self, result: Any, statement: Statement) -> None:
        waiting = self._preparing.pop(statement)
        if isinstance(result, Failure):
            error: Any = result.value
            for together in waiting:
                self._ended(together, [], error)
        else:
            self._prepared[statement] = result
            for together in waiting:
                self._ask(result, together)
        self.pump()

    def _ask(self, prepared: Any, together: list[Request]) -> None:
        if self.session is None:
            return  # closed; it is told there
        try:
            self.session.ask(prepared, [request.values for request in together], self._came, together)
        except Exception as error:  # values that do not fit
            self._answered(together, [], Refused(f"not sent to Cassandra: {error}"))

    def _came(self, together: list[Request], rows: Rows, error: StorageError | None) -> None:
        """In a thread of the driver, mostly."""
        self._done.append((together, rows, error))
        if not self._is_coming:
            self._is_coming = True
            self._reactor.callFromThread(self._wait_for_more)

    def _wait_for_more(self) -> None:
        """While much is on its way, more answers come at once: waking up for each by itself costs more than they do."""
        if self._window.in_flight < _BUSY:
            self._bring()
        else:
            self._gathering = self._reactor.callLater(_GATHERING_SECONDS, self._bring)

    def _bring(self) -> None:
        """All that have come by now; for later ones there is another call."""
        self._is_coming = False
        for _ in range(len(self._done)):
            self._answered(*self._done.popleft())
        self.pump()

    def _answered(self, together: list[Request], rows: Rows, error: StorageError | None) -> None:
        if isinstance(error, (Refused, Failed)) and len(together) > 1:  # one of them is to blame, not the others
            for request in together:
                self.send([request])
        else:
            self._ended(together, rows, error)
