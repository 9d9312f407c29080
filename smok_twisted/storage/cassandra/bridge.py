"""Between the driver's threads and the reactor: Deferreds, a bounded window, and an end to asking nobody.

Of use alone: a Twisted application that only wants Cassandra needs this module and its ``Options``. A Deferred that is
dropped or cancelled cancels nothing: what was sent is done or not.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Generator, Iterable
from typing import Any, NamedTuple, Protocol

from twisted.internet.defer import Deferred, DeferredList, fail, inlineCallbacks, succeed
from twisted.logger import Logger

from ...clock import WallClock, wall_clock_us
from ...errors import LocalError, StorageAway, StorageError
from ..records import Health
from ..writer import Marks
from .answers import Failed, Refused, Unknown
from .circuit import Circuit
from .courier import Courier, Rows
from .driver import DriverSession
from .options import Options
from .policies import Tally
from .seeker import Seeker
from .window import BACKGROUND, LIVE, Request, Window

__all__ = ["BACKGROUND", "LIVE", "Bridge", "Failed", "Observer", "Options", "Refused", "Statement", "Unknown", "all_of"]


class Statement(NamedTuple):
    """CQL with question marks for its values; prepared once a session."""

    cql: str
    is_idempotent: bool = True
    travels_together: bool = False  #: several rows may be one request; each is done or not by itself


#: Something that only a database with enough nodes can answer. Refused counts as answered: there is no schema yet.
PROBE = Statement("SELECT version FROM schema_version WHERE id = 0")


class Observer(Protocol):
    """Hears of every request: for metrics."""

    def answered(self, outcome: str, seconds: float) -> None:
        """``outcome``: ok, unknown, refused or away; from ``execute`` until then."""


class _Silent:
    def answered(self, outcome: str, seconds: float) -> None:
        pass


@inlineCallbacks
def all_of(requests: Iterable[Deferred[Any]]) -> Generator[Deferred[Any], Any, list[Any]]:
    """The results of all, when all have ended. Raises what the first of those raised that failed."""
    ended = yield DeferredList(list(requests), consumeErrors=True)
    for is_done, result in ended:
        if not is_done:
            result.raiseException()
    return [result for _, result in ended]


class Bridge:
    """``on_up``, ``on_down``, ``high_water`` and ``low_water`` are called in the reactor's thread."""

    log = Logger()

    def __init__(
        self,
        options: Options,
        reactor: Any,
        observer: Observer | None = None,
        window: int = 256,
        marks: Marks | None = None,
        session: Callable[[Options], Any] = DriverSession,
        chance: Callable[[], float] = random.random,
        now_us: WallClock = wall_clock_us,
        probe: Statement = PROBE,
    ) -> None:
        """``window``: requests on their way at once; ``marks``: of those that wait; ``session``: for tests;
        ``probe``: what is asked until somebody answers, at the consistency of all else."""
        self.on_up: list[Callable[[], Any]] = []
        self.on_down: list[Callable[[], Any]] = []
        self.high_water: Callable[[], None] = lambda: None
        self.low_water: Callable[[], None] = lambda: None
        self.health = Health("away", now_us(), "not connected yet")
        self._options = options
        self._reactor = reactor
        self._observer: Observer = _Silent() if observer is None else observer
        self._window = Window(window, marks or Marks(1000, 4000, 100_000))
        self._make_session = session
        self._now_us = now_us
        self._question = probe
        #: Looks at the answer to ``probe``, none if that was refused. It raises Refused when the database is there and
        #: not fit to be used: it counts as away then, for that reason, and is asked again.
        self.expect: Callable[[Rows], None] = lambda rows: None
        self._circuit = Circuit(chance)
        self._courier = Courier(reactor, self._window, self._end, self._pumped)
        self._seeker = Seeker(reactor, self._circuit.next_probe_seconds, self._try, self._found, self._note)
        self._is_closed = False

    # -- its life

    @property
    def is_up(self) -> bool:
        """Whether requests are sent; if not, they fail at once with StorageAway."""
        return self._circuit.is_closed

    @property
    def in_flight(self) -> int:
        """Requests that are sent and not answered."""
        return self._window.in_flight

    @property
    def waiting(self) -> int:
        """Requests that are not sent yet."""
        return self._window.waiting

    @property
    def tally(self) -> Tally:
        """How often one node was not enough, since it is connected."""
        session = self._courier.session
        return Tally() if session is None else session.tally

    def connect(self) -> Deferred[None]:
        """Fires when the database is there for the first time; goes on trying until then.

        Raises ``Refused`` when it will not have us (and still goes on trying), UserError without a driver,
        StorageAway when the bridge is closed meanwhile.
        """
        if self._is_closed:
            return fail(_closed())
        if self.is_up:
            return succeed(None)
        first = self._seeker.wait()
        self._seeker.start(at_once=True)
        return first

    @inlineCallbacks
    def close(self) -> Generator[Deferred[Any], Any, None]:
        """What waits fails; what was sent and is not answered ends as ``Unknown``."""
        self._is_closed = True
        self._circuit.away()
        self.health = Health("closed", self._now_us())
        self._end_all(self._window.give_up_waiting(), _closed())
        stopped = self._seeker.stop(_closed())
        yield self._let_go()
        self._end_all(self._window.give_up_out(), Unknown("closed before Cassandra has said whether it was done"))
        yield stopped
        yield self._let_go()  # of one that was being made
        self._courier.stop()

    def _let_go(self) -> Deferred[None]:
        session, self._courier.session = self._courier.session, None
        return succeed(None) if session is None else self._courier.in_thread(session.close)

    @inlineCallbacks
    def _try(self) -> Generator[Deferred[Any], Any, None]:
        if self._courier.session is None:
            self._courier.session = yield self._courier.in_thread(self._make_session, self._options)
        if self._is_closed:
            return
        request = self._window.out(Request(self._question, (), Deferred(), self._reactor.seconds()))
        self._courier.send([request])
        try:
            rows = yield request.answer
        except Refused as refusal:
            self.log.debug("Cassandra is there; {reason}", reason=str(refusal))
            rows = []
        self.expect(rows)

    def _found(self) -> None:
        self._circuit.found()
        self.health = Health("ok", self._now_us())
        self.log.info("Cassandra is there")
        self._tell(*self.on_up)

    def _note(self, error: LocalError) -> None:
        if self._is_closed or (self.health.state, self.health.detail) == ("away", str(error)):
            return
        since_us = self._now_us() if self.health.state == "ok" else self.health.since_us
        self.health = Health("away", since_us, str(error))
        self.log.info("Cassandra: {reason}", reason=str(error))

    def _went(self, error: StorageError) -> None:
        self._note(error)
        self._end_all(self._window.give_up_waiting(), StorageAway(str(error)))
        self._seeker.start(at_once=False)
        self._tell(*self.on_down)

    def _tell(self, *hearers: Callable[[], Any]) -> None:
        """What a hearer does wrong must not stop the others, nor the answers that are yet to be given."""
        for hear in hearers:
            try:
                hear()
            except Exception:
                self.log.failure("told of Cassandra, {hear} failed", hear=hear)

    # -- requests

    def execute(self, statement: Statement, *values: Any, priority: int = LIVE) -> Deferred[Rows]:
        """All rows of the answer.

        Raises StorageAway (nothing was done, or nobody knows), ``Unknown``, ``Refused``; StorageError when too many
        wait already.
        """
        if not self.is_up:
            return fail(StorageAway(self.health.detail or "Cassandra is away"))
        answer: Deferred[Rows] = Deferred()
        try:
            self._window.add(Request(statement, values, answer, self._reactor.seconds(), priority))
        except StorageError as error:
            return fail(error)
        if statement.travels_together:
            self._courier.pump_soon()
        else:
            self._courier.pump()
        return answer

    def _pumped(self) -> None:
        if self._window.has_crossed():
            self._tell(self.high_water if self._window.is_high else self.low_water)

    def _end(self, together: list[Request], rows: Rows, error: Any) -> None:
        out = [request for request in together if self._window.back(request)]
        if out and self._is_over(error):
            self._went(error)
        for request in out:
            self._answer(request, rows, error)

    def _is_over(self, error: StorageError | None) -> bool:
        """Whether this answer shows that nobody is there any more."""
        if isinstance(error, StorageAway):
            return self._circuit.away()
        if isinstance(error, Unknown) and not isinstance(error, Failed):
            return self._circuit.silent()
        if self.is_up:
            self._circuit.answered()
        return False

    def _end_all(self, requests: Iterable[Request], error: StorageError) -> None:
        for request in requests:
            self._answer(request, [], error)
        if self._window.has_crossed():
            self._tell(self.low_water)

    def _answer(self, request: Request, rows: Rows, error: StorageError | None) -> None:
        self._observer.answered(_outcome(error), self._reactor.seconds() - request.begun)
        if request.answer.called:  # cancelled
            return
        if error is None:
            request.answer.callback(rows)
        else:
            request.answer.errback(error)


def _outcome(error: StorageError | None) -> str:
    """For ``Observer``."""
    if error is None:
        return "ok"
    return "unknown" if isinstance(error, Unknown) else type(error).__name__.removeprefix("Storage").lower()


def _closed() -> StorageAway:
    return StorageAway("the bridge to Cassandra is closed")
