"""One thread that writes to a SQLite file, many writes to a commit (design note storage, "Embedded default").

A group starts at once when the thread is idle, but no sooner than ``window_seconds`` after the one before it, or two
of them while a fleet reports steadily: a lone write waits for one sync only, ten thousand devices cost ten to twenty
syncs a second, and nobody waits longer than two windows and two commits. What happens when the disk fails or fills up
is told in ``commit``.
"""

from __future__ import annotations

import contextlib
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IReactorFromThreads

from ..clock import WallClock, wall_clock_us
from ..errors import StorageError
from .commit import Committer, Outcome, Write
from .database import Database, explained
from .records import Health

T = TypeVar("T")

#: So many writes at once are a fleet that reports, no single user; yet so few that their sync costs more than they do.
_FEW_OF_A_FLEET = range(4, 32)


def pause_seconds(window_seconds: float, writes: int) -> float:
    """From the start of a group of so many writes until the next one may start."""
    return 2 * window_seconds if writes in _FEW_OF_A_FLEET else window_seconds


def _ignore(*_: Any) -> None:
    """For owners who do not listen."""


class Signals(NamedTuple):
    """What a writer tells its owner, in the reactor's thread."""

    health: Callable[[Health], None] = _ignore
    high_water: Callable[[], None] = _ignore  #: stop handing over
    low_water: Callable[[], None] = _ignore  #: go on


class Marks(NamedTuple):
    """How many writes may wait: where the signals are given, and where the next write is refused."""

    low: int = 1000
    high: int = 4000
    limit: int = 16000


class _Job(NamedTuple):
    write: Write
    deferred: Deferred[Any]


class Writer:
    """Owns the thread. ``submit``, ``close`` and ``health`` belong to the reactor's thread."""

    def __init__(
        self,
        database: Database,
        reactor: IReactorFromThreads,
        signals: Signals | None = None,
        marks: Marks | None = None,
        window_seconds: float = 0.05,
        now_us: WallClock = wall_clock_us,
    ) -> None:
        self.health = Health("ok", now_us())
        self._database = database
        self._reactor = reactor
        self._signals = signals or Signals()
        self._marks = marks or Marks()
        self._window_seconds = window_seconds
        self._now_us = now_us
        self._refusal: StorageError | None = None
        self._waiting = 0
        self._is_high = False
        self._not_before = 0.0
        self._ended: Deferred[None] = Deferred()
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._group: list[_Job] = []  # what the thread has taken from the queue and not answered
        threading.Thread(target=self._run, name=f"write {database.path.name}", daemon=True).start()

    # -- the reactor's side

    def submit(self, write: Callable[[sqlite3.Cursor], T]) -> Deferred[T]:
        """Have ``write`` done in the thread, inside a transaction; it is done again when the transaction is.

        The Deferred has its result once that is durable, or else what it raised. StorageError: nothing can be
        written any more, or ``marks.limit`` writes wait already.
        """
        if self._refusal is not None:
            return fail(self._refusal)
        if self._waiting >= self._marks.limit:
            return fail(StorageError(f"{self._waiting} writes wait already (store is {self.health.state})"))
        job = _Job(write, Deferred())
        self._waiting += 1
        self._queue.put(job)
        if self._waiting >= self._marks.high and not self._is_high:
            self._is_high = True
            self._signals.high_water()
        return job.deferred

    def close(self) -> Deferred[None]:
        """Write what waits, without waiting for room, and end the thread."""
        if self._refusal is not None:
            return succeed(None)
        self._refusal = StorageError(f"{self._database.path} is closed")
        self._closing.set()
        self._queue.put(None)
        return self._ended

    def _answer(self, jobs: list[_Job], outcomes: list[Outcome]) -> None:
        self._waiting -= len(jobs)
        if self._is_high and self._waiting <= self._marks.low:
            self._is_high = False
            self._signals.low_water()
        for job, outcome in zip(jobs, outcomes, strict=True):
            if outcome.error is None:
                job.deferred.callback(outcome.value)
            else:
                job.deferred.errback(outcome.error)

    def _note(self, state: str, detail: str = "") -> None:
        self.health = Health(state, self._now_us(), detail)
        self._signals.health(self.health)

    def _end(self, error: StorageError | None) -> None:
        """The thread is gone: nothing that it left behind will ever be durable."""
        self._refusal = error or self._refusal
        self._note("failed" if error else "closed", str(error or ""))
        with contextlib.suppress(queue.Empty):
            while True:
                job = self._queue.get_nowait()
                self._group += [job] if job else []
        self._answer(self._group, [Outcome(error=error)] * len(self._group))
        self._ended.callback(None)

    # -- the thread's side

    def _run(self) -> None:
        error = None
        try:
            with contextlib.closing(self._database.connect()) as connection:
                self._serve(Committer(connection, self._closing.wait, self._tell))
        except Exception as problem:
            error = explained(self._database.path, problem)
        self._reactor.callFromThread(self._end, error)

    def _serve(self, committer: Committer) -> None:
        goes_on = True
        while goes_on:
            taken = self._next_group()
            goes_on = None not in taken
            self._group = [job for job in taken if job]
            outcomes = committer.commit([job.write for job in self._group])
            self._reactor.callFromThread(self._answer, self._group, outcomes)
            self._group = []
            committer.checkpoint_if_due()

    def _next_group(self) -> list[_Job | None]:
        """All that waits when the window is over; None is the last of all."""
        group = [self._queue.get()]
        self._closing.wait(max(0.0, self._not_before - time.monotonic()))
        started = time.monotonic()
        while not self._queue.empty():
            group.append(self._queue.get())
        self._not_before = started + pause_seconds(self._window_seconds, len(group))
        return group

    def _tell(self, state: str, detail: str) -> None:
        self._reactor.callFromThread(self._note, state, detail)
