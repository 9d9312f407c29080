"""The journal's thread: many entries to a sync, and whatever else concerns the files (design note storage).

A group is written at once when the thread is idle, but no sooner than a window after the one before it. Between two
groups one piece of other work is done, so that neither waits long for the other. While there is no room for a group,
all other work goes on: it may make room.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from twisted.internet.defer import Deferred

from ...clock import WallClock
from ...errors import StorageError
from .files import FULL, Files

_RETRY_SECONDS = 0.5


class Append(NamedTuple):
    """An entry."""

    payload: bytes
    answer: Deferred[int]


class Work(NamedTuple):
    """Something else. It may raise StorageError; an OSError ends the thread, unless there was no room."""

    do: Callable[[], Any]
    answer: Deferred[Any]


class Worker:
    """``run`` is the thread's life; ``put``, ``close`` and ``left`` are called from elsewhere."""

    def __init__(
        self,
        files: Files,
        window_seconds: float,
        now_us: WallClock,
        answer: Callable[[list[tuple[Append | Work, Any]]], None],
        note: Callable[[str, str], None],
    ) -> None:
        """``answer`` hears, in the thread, of what is done with its results, ``note`` of each change between
        "ok" and "disk-full", with the reason."""
        self._files = files
        self._window_seconds = window_seconds
        self._now_us = now_us
        self._answer = answer
        self._note = note
        self._appends: deque[Append] = deque()
        self._works: deque[Work] = deque()
        self._group: list[Append] = []  # what is being written, or waits for room
        self._time_us = 0  # of the group
        self._not_before = 0.0
        self._state = "ok"
        self._wake = threading.Event()
        self._is_closing = False

    def put(self, job: Append | Work) -> None:
        """To be done."""
        if isinstance(job, Append):
            self._appends.append(job)
        else:
            self._works.append(job)
        self._wake.set()

    def close(self) -> None:
        """Do what waits, without waiting for room, and return from ``run``."""
        self._is_closing = True
        self._wake.set()

    def left(self) -> list[Append | Work]:
        """What was never done, after the end."""
        return [*self._group, *self._appends, *self._works]

    def run(self) -> None:
        """Until closed. Raises OSError for what the disk does, and is over then: nothing is tried again."""
        while self._turn():
            pass

    def _turn(self) -> bool:
        if self._works:
            self._do(self._works[0])
        if self._group or self._appends:
            seconds = 0.0 if self._is_closing else self._not_before - time.monotonic()
            if seconds <= 0:
                return self._write()
            if not self._works:
                self._sleep(seconds)
        elif not self._works:
            if self._is_closing:
                return False
            self._sleep(None)
        return True

    def _sleep(self, seconds: float | None) -> None:
        self._wake.wait(seconds)
        self._wake.clear()

    def _do(self, work: Work) -> None:
        result: Any
        try:
            result = work.do()
        except StorageError as error:
            result = error
        except OSError as error:
            if error.errno not in FULL:
                raise
            result = StorageError(f"there is no room for it: {error.strerror}")
        self._works.popleft()
        self._answer([(work, result)])

    def _write(self) -> bool:
        """The group that waits for room, or all that has come since; False when closing and there is no room."""
        if not self._group:
            self._time_us = self._now_us()
            while self._appends:
                self._group.append(self._appends.popleft())
        self._not_before = time.monotonic() + self._window_seconds
        try:
            first = self._files.append([job.payload for job in self._group], self._time_us)
        except OSError as error:
            if error.errno not in FULL:
                raise
            self._change("disk-full", str(error.strerror))
            self._not_before = time.monotonic() + _RETRY_SECONDS
            return not self._is_closing
        self._change("ok", "")
        done, self._group = self._group, []
        self._answer([(job, first + number) for number, job in enumerate(done)])
        return True

    def _change(self, state: str, reason: str) -> None:
        if state != self._state:
            self._state = state
            self._note(state, reason)
