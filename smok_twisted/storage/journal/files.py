"""The journal's folder, blocking: segments are written and synced, and removed when they are not needed.

No thread, no Twisted. Every call that matters when power goes is one of ``System``, so that a test can pull the plug
between any two of them.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..database import locked
from .reader import Found, Reader, Segment, path_of, survey
from .segment import HEAD_OCTETS, Entry, head, record
from .system import System

#: What a full disk says.
FULL = (errno.ENOSPC, errno.EDQUOT)
#: A journal may take so many, however little is free: one to write, those that wait to be removed.
_LEAST_SEGMENTS = 4


class Files:
    """Of one thread at a time. Raises StorageError for what cannot be used, OSError for what the disk does."""

    def __init__(
        self, folder: Path, segment_octets: int, max_octets: int | None = None, system: System | None = None
    ) -> None:
        """``max_octets`` for all segments; None: half of what is free, at its best since the start."""
        self.segments: list[Segment] = []
        self.next_lsn = 1
        self.octets = 0  #: that all segments take on the disk
        self.max_octets = max_octets or _LEAST_SEGMENTS * segment_octets
        self._is_bounded = max_octets is not None
        self.cut = ""  #: what was not whole at the end, at the start; "" if nothing
        self._folder = folder
        self._segment_octets = segment_octets
        self._system = system or System()
        self._reader = Reader()
        self._current: int | None = None
        self._position = 0
        self._time_us = 0
        self._lock: int | None = None

    @property
    def first_lsn(self) -> int:
        """Of the oldest entry that is there."""
        return self.segments[0].first if self.segments else self.next_lsn

    # -- opening and closing

    def open(self) -> None:
        """Lock the folder, find the segments, cut a torn tail. Nothing is changed when it raises StorageError."""
        self._system.make_folder(self._folder.parent)
        self._lock = locked(self._folder)
        try:
            self._system.make_folder(self._folder)
            self.segments, unfinished = survey(self._folder)
            if unfinished is not None:
                self._system.remove(unfinished)
            for folder in (self._folder.parent, self._folder):  # a process that was killed may not have come to it
                self._sync_folder(folder)
            self.octets = sum(segment.octets for segment in self.segments)
            self._find_bound()
            if self.segments:
                self._recover(self.segments[-1])
        except BaseException:
            self.close()
            raise

    def _recover(self, newest: Segment) -> None:
        tail = self._reader.tail(newest)
        self.next_lsn, self._position, self._time_us = tail.next_lsn, tail.position, tail.time_us
        descriptor = self._system.open(newest.path)
        try:
            damage = tail.damage(newest)
            if damage is not None:
                self.next_lsn, self._position = tail.behind[-1].lsn + 1, newest.octets
                self.cut = f"{damage}; what is behind it is kept"
            elif tail.why:
                self._system.write(descriptor, bytes(newest.octets - tail.position), tail.position)
                self.cut = f"{newest.path} was torn at octet {tail.position} ({tail.why}): cut off there"
            self._sync(descriptor)  # what a killed process wrote may not be on the disk yet
        except Exception:
            self._system.close(descriptor)
            raise
        self._current = descriptor

    def close(self) -> None:
        """Let another process have the folder."""
        if self._current is not None:
            self._system.close(self._current)
        if self._lock is not None:
            os.close(self._lock)
        self._current = self._lock = None

    # -- writing

    def _sync(self, descriptor: int) -> None:
        with _no_second_try():
            self._system.sync(descriptor)

    def _sync_folder(self, folder: Path) -> None:
        with _no_second_try():
            self._system.sync_folder(folder)

    def append(self, payloads: Sequence[bytes], time_us: int) -> int:
        """Write and sync; the lsn of the first. When it returns, all are on disk.

        After an OSError of ``FULL`` nothing has happened, and the very same may be tried again.
        """
        first = self.next_lsn
        time_us = max(time_us, self._time_us + 1)
        octets = b"".join(record(Entry(first + number, time_us, payload)) for number, payload in enumerate(payloads))
        if self._current is None or self._position + len(octets) > self.segments[-1].octets:
            self._make_room(len(octets))
        assert self._current is not None  # noqa: S101  # made just now
        self._system.write(self._current, octets, self._position)
        self._sync(self._current)
        self._reader.mark(self.segments[-1], first, self._position)
        self._position += len(octets)
        self._time_us = time_us
        self.next_lsn += len(payloads)
        return first

    def _make_room(self, octets: int) -> None:
        """In the newest segment, for records of so many octets."""
        octets = max(self._segment_octets, HEAD_OCTETS + octets)
        if self._current is None or self.segments[-1].first < self.next_lsn:
            return self._begin_segment(octets)
        newest = self.segments[-1]  # it is empty, and too short
        self._check_bound(octets - newest.octets)
        self._system.reserve(self._current, octets)
        self.segments[-1] = newest._replace(octets=octets)
        self.octets += octets - newest.octets

    def _check_bound(self, octets: int) -> None:
        if self.octets + octets > self.max_octets:
            raise OSError(errno.ENOSPC, f"the journal may take {self.max_octets} octets, and no more")

    def _begin_segment(self, octets: int) -> None:
        """What comes next goes into a new file, of so many octets."""
        path = path_of(self._folder, self.next_lsn)
        self._check_bound(octets)
        if path.exists():
            self._system.remove(path)  # of an attempt for which there was no room, and that could not be undone
        descriptor = self._system.create(path)
        try:
            self._system.reserve(descriptor, octets)
            self._system.write(descriptor, head(self.next_lsn), 0)
            self._sync(descriptor)
            self._sync_folder(self._folder)
        except Exception:
            with contextlib.suppress(OSError):
                self._system.close(descriptor)
                self._system.remove(path)
            raise
        if self._current is not None:
            self._system.close(self._current)
        self._current, self._position = descriptor, HEAD_OCTETS
        self.segments.append(Segment(path, self.next_lsn, octets))
        self.octets += octets

    def _find_bound(self) -> None:
        """A disk that was full at the start may have room by now."""
        if not self._is_bounded:
            self.max_octets = max(self.max_octets, (self._system.free(self._folder) + self.octets) // 2)

    def free(self) -> int:
        """Octets that the disk has left."""
        return self._system.free(self._folder)

    def tidy(self, lsn: int) -> bool:
        """Remove the oldest segment if it has only entries below; False when there was none.

        The newest never goes, it tells where lsns go on; it ends as soon as it has entries below.
        """
        self._find_bound()
        if len(self.segments) > 1 and self.segments[1].first <= lsn:
            self._system.remove(self.segments[0].path)
            self._sync_folder(self._folder)  # each by itself: a later one must not go before an earlier one
            gone = self.segments.pop(0)
            self._reader.forget(gone)
            self.octets -= gone.octets
            return True
        if self.segments and self.segments[-1].first < lsn:
            self._begin_segment(self._segment_octets)
            return True
        return False

    def put_aside(self, entry: Entry, reason: str) -> None:
        """A copy of ``entry`` into the folder ``quarantine``, with the reason before it. On disk when it returns."""
        folder = self._folder / "quarantine"
        path = folder / f"{entry.lsn:020d}.entry"
        self._system.make_folder(folder)
        if path.exists():
            self._system.remove(path)  # from before a restart
        descriptor = self._system.create(path)
        try:
            line = reason.replace("\n", " ").encode() + b"\n"
            self._system.write(descriptor, line + record(entry), 0)
            self._sync(descriptor)
            self._sync_folder(folder)
        finally:
            self._system.close(descriptor)

    # -- reading

    def read(self, from_lsn: int, limit: int) -> Found:
        """Entries from there on, at most ``limit``; at least one if there is any."""
        return self._reader.read(self.segments, self.next_lsn, from_lsn, limit)


@contextlib.contextmanager
def _no_second_try() -> Iterator[None]:
    """A sync that failed is never one for which there was no room: what it should have kept may be gone."""
    try:
        yield
    except OSError as error:
        raise OSError(errno.EIO, f"a sync failed: {error.strerror}") from error
