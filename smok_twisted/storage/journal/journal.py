"""The journal's Twisted half (design note storage, "Nothing lost").

A full disk is waited for, nothing is answered meanwhile. Whatever else the disk says is the end: a sync that failed
once must not be believed when it succeeds later.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, NamedTuple

from twisted.internet.defer import Deferred, fail, inlineCallbacks, succeed
from twisted.logger import Logger

from ...clock import WallClock, wall_clock_us
from ...errors import StorageError
from ..records import Health
from ..writer import Marks, Signals
from .files import Files
from .reader import Found
from .segment import LONGEST, Entry
from .settled import Settled
from .system import System
from .worker import Append, Work, Worker

__all__ = ["Entry", "Journal", "State"]

SEGMENT_OCTETS = 16 << 20
#: Parts of ``max_octets`` from which on an operator should know, the highest first.
_WARN_AT = (0.95, 0.8)


class State(NamedTuple):
    """What was found at the start."""

    first_lsn: int
    next_lsn: int
    octets: int
    oldest_us: int | None  #: when the oldest entry was written, None if there is none
    cut: str  #: what was not whole at the end, "" if nothing


class _Facts(NamedTuple):
    """About the files, out of the thread."""

    first_lsn: int
    next_lsn: int
    octets: int
    max_octets: int


class Journal:
    """A journal in ``folder``, which is made if it is not there."""

    log = Logger()

    def __init__(
        self,
        folder: Path,
        reactor: Any,
        *,
        window_seconds: float = 0.03,
        retention_seconds: float = 600.0,
        segment_octets: int = SEGMENT_OCTETS,
        max_octets: int | None = None,
        signals: Signals | None = None,
        marks: Marks | None = None,
        alarm: Callable[[str, str], None] | None = None,
        now_us: WallClock = wall_clock_us,
        system: System | None = None,
    ) -> None:
        """``retention_seconds``: entries stay so long after they were settled. ``max_octets``: on the disk, None:
        half of what is free. ``alarm(kind, text)`` hears of what an operator must know; the rest as
        in ``writer.Writer``."""
        self.health = Health("closed", now_us())
        self.first_lsn = self.next_lsn = 1
        self.octets = self.max_octets = 0
        #: Hears of entries (from the first lsn up to, not including, the second) whenever they turn out damaged.
        self.on_lost: Callable[[int, int], None] = lambda first, end: None
        self.oldest_us: int | None = None  #: when the oldest unsettled entry was written, as of the last ``tidy``
        self._folder = folder
        self._reactor = reactor
        self._retention_seconds = retention_seconds
        self._signals = signals or Signals()
        self._marks = marks or Marks()
        self._alarm = alarm or (lambda kind, text: None)
        self._now_us = now_us
        self._files = Files(folder, segment_octets, max_octets, system)
        self._worker = Worker(self._files, window_seconds, now_us, self._done, self._state_changed)
        self._settled = Settled(1, retention_seconds)
        self._waiting = 0
        self._is_high = False
        self._warned_at = 0.0
        self._is_short = False  # the disk has less room than the journal may take
        self._told: set[str] = set()
        self._refusal: StorageError | None = StorageError("the journal is not open")
        self._is_running = False
        self._closed: list[Deferred[None]] = []

    # -- the reactor's side

    @property
    def unsettled(self) -> int:
        """Entries that the database is not known to have."""
        return self.next_lsn - self._settled.all_below - self._settled.above

    @property
    def unsettled_seconds(self) -> float:
        """Age of the oldest of them, as of the last ``tidy``; 0 if there is none."""
        if self.oldest_us is None or not self.unsettled:
            return 0.0
        return max(0.0, (self._now_us() - self.oldest_us) / 1_000_000)

    @property
    def settled_below(self) -> int:
        """The database has every entry below this one."""
        return self._settled.all_below

    def open(self) -> Deferred[State]:
        """Recover. Raises StorageError with one clear line; nothing is changed then."""
        opened: Deferred[State] = Deferred()
        self._is_running = True
        threading.Thread(target=self._run, args=(opened,), name="journal", daemon=True).start()
        return opened

    def append(self, payload: bytes) -> Deferred[int]:
        """The entry's lsn, once it is on disk. StorageError: it is longer than ``LONGEST`` octets, nothing can be
        written any more, or too much waits."""
        if self._refusal is not None:
            return fail(self._refusal)
        if len(payload) > LONGEST:
            return fail(StorageError(f"{len(payload)} octets are no entry of the journal: at most {LONGEST}"))
        if self._waiting >= self._marks.limit:
            return fail(StorageError(f"{self._waiting} entries wait already (the journal is {self.health.state})"))
        self._waiting += 1
        if self._waiting >= self._marks.high and not self._is_high:
            self._is_high = True
            self._signals.high_water()
        job = Append(payload, Deferred())
        self._worker.put(job)
        return job.answer

    def read(self, from_lsn: int, limit: int) -> Deferred[list[Entry]]:
        """Entries from there on, in order; fewer than ``limit`` when they are long, none only if there is none.

        What is damaged is passed over: ``alarm`` hears of it, and it counts as settled. Raises StorageError for
        what the disk does.
        """
        return self._work(lambda: self._read(from_lsn, limit)).addCallback(self._without_damage)

    def settle(self, lsn: int) -> None:
        """The database has this entry."""
        self._settled.add(lsn, self._reactor.seconds())

    @inlineCallbacks
    def tidy(self) -> Generator[Deferred[Any], Any, None]:
        """Remove what was settled for long enough; to be called every 10 s or so. It never fails."""
        ripe = self._settled.ripe(self._reactor.seconds())
        with contextlib.suppress(StorageError):  # there is no room, or it is over: told elsewhere
            while (yield self._work(lambda: self._files.tidy(ripe))):
                pass
            self._note_oldest((yield self.read(self._settled.all_below, 1)))
            self._note_free((yield self._work(self._free)))

    def quarantine(self, lsn: int, payload: bytes, reason: str) -> Deferred[None]:
        """Put an entry that the database will never take aside, as a file; it counts as settled then."""
        entry = Entry(lsn, self._now_us(), payload)
        return self._work(lambda: self._files.put_aside(entry, reason)).addCallback(lambda _: self.settle(lsn))

    def close(self) -> Deferred[None]:
        """What waits becomes durable, if there is room for it."""
        if not self._is_running:
            return succeed(None)
        closed: Deferred[None] = Deferred()
        self._closed.append(closed)
        self._refusal = self._refusal or StorageError("the journal is not open")
        self._worker.close()
        return closed

    def _work(self, do: Callable[[], Any]) -> Deferred[Any]:
        if self._refusal is not None:
            return fail(self._refusal)
        job = Work(do, Deferred())
        self._worker.put(job)
        return job.answer

    def _opened(self, opened: Deferred[State], facts: _Facts, oldest: Found) -> None:
        self._settled = Settled(facts.first_lsn, self._retention_seconds)
        if self._files.cut:
            self.log.warn("{what}", what=self._files.cut)
        if not self._closed:
            self._refusal = None
        self.health = Health("ok", self._now_us())
        self._learn(facts)
        self._note_oldest(oldest.entries)
        opened.callback(State(*facts[:3], self.oldest_us, self._files.cut))

    def _answer(self, answers: list[tuple[Append | Work, Any]], facts: _Facts) -> None:
        self._learn(facts)
        self._waiting -= sum(isinstance(job, Append) for job, _ in answers)
        if self._is_high and self._waiting <= self._marks.low:
            self._is_high = False
            self._signals.low_water()
        for job, result in answers:
            job.answer.errback(result) if isinstance(result, Exception) else job.answer.callback(result)

    def _learn(self, facts: _Facts) -> None:
        self.first_lsn, self.next_lsn, self.octets, self.max_octets = facts
        part = self.octets / self.max_octets
        reached = next((level for level in _WARN_AT if part >= level), 0.0)
        if reached > self._warned_at:
            text = f"the journal in {self._folder} takes {part:.0%} of the {self.max_octets} octets that it may take"
            self._tell("journal-filling", f"{text}: then nothing more is acknowledged")
        self._warned_at = reached

    def _without_damage(self, found: Found) -> list[Entry]:
        for damage in found.damages:
            if str(damage) not in self._told:
                self._told.add(str(damage))
                self._tell("journal-damaged", str(damage))
            for lsn in range(damage.first, damage.end):
                self.settle(lsn)
            self.on_lost(damage.first, damage.end)
        return found.entries

    def _note_oldest(self, entries: list[Entry]) -> None:
        self.oldest_us = entries[0].time_us if entries else None

    def _note_free(self, octets: int) -> None:
        """Others fill the disk as well: then it is full before the journal takes what it may."""
        needed = self.max_octets - self.octets
        if octets < needed and not self._is_short:
            text = f"the disk under {self._folder} has {octets} octets left, and the journal may take {needed} more"
            self._tell("journal-disk", f"{text}: when it is full nothing more is acknowledged")
        self._is_short = octets < needed

    def _tell(self, kind: str, text: str) -> None:
        self.log.error("{text}", text=text)
        self._alarm(kind, text)

    def _note(self, state: str, detail: str = "") -> None:
        if state != self.health.state:
            self.health = Health(state, self._now_us(), detail)
            self._signals.health(self.health)

    def _refused(self, opened: Deferred[State], error: StorageError) -> None:
        self._is_running = False
        opened.errback(error)
        self._tell_closed()

    def _ended(self, error: StorageError | None) -> None:
        self._is_running = False
        self._refusal = error or self._refusal or StorageError("the journal is not open")
        self._note("failed" if error else "closed", str(error or ""))
        facts = _Facts(self.first_lsn, self.next_lsn, self.octets, self.max_octets)
        self._answer([(job, self._refusal) for job in self._worker.left()], facts)
        self._tell_closed()

    def _tell_closed(self) -> None:
        closed, self._closed = self._closed, []
        for one in closed:
            one.callback(None)

    # -- the thread's side

    def _run(self, opened: Deferred[State]) -> None:
        try:
            self._files.open()
            oldest = self._read(self._files.first_lsn, 1)
        except (OSError, StorageError) as error:
            return self._to_reactor(self._refused, opened, _clear(error, self._folder))
        self._to_reactor(self._opened, opened, self._facts(), oldest)
        end: StorageError | None = None
        try:
            self._worker.run()
        except Exception as problem:
            end = _clear(problem, self._folder)
        finally:
            self._files.close()
        self._to_reactor(self._ended, end)

    def _done(self, answers: list[tuple[Append | Work, Any]]) -> None:
        self._to_reactor(self._answer, answers, self._facts())

    def _state_changed(self, state: str, reason: str) -> None:
        self._to_reactor(self._note, state, reason and f"no room left for {self._folder}: {reason}")

    def _facts(self) -> _Facts:
        return _Facts(self._files.first_lsn, self._files.next_lsn, self._files.octets, self._files.max_octets)

    def _to_reactor(self, function: Callable[..., None], *arguments: Any) -> None:
        with contextlib.suppress(OSError):  # the reactor is gone: nobody can be told any more
            self._reactor.callFromThread(function, *arguments)

    def _read(self, from_lsn: int, limit: int) -> Found:
        try:
            return self._files.read(from_lsn, limit)
        except OSError as error:  # what is written goes on
            raise _clear(error, self._folder) from error

    def _free(self) -> int:
        try:
            return self._files.free()
        except OSError as error:  # what is written goes on
            raise _clear(error, self._folder) from error


def _clear(error: Exception, folder: Path) -> StorageError:
    if isinstance(error, StorageError):
        return error
    reason = error.strerror if isinstance(error, OSError) else error
    return StorageError(f"the journal in {folder} cannot be used: {reason}")
