"""Segments of a journal's folder, found and read, blocking; nothing is changed.

What is damaged is passed over and told, so that everything that can be read is.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

from ...errors import StorageError
from .segment import HEAD_OCTETS, Damaged, Entry, first_lsn, next_good, record_at, size_of

SUFFIX = ".journal"
#: How much is read in one go, at most, and how far apart known positions are: some milliseconds of work.
_OCTETS_IN_ONE_GO = 256 << 10


class Segment(NamedTuple):
    """A file, the lsn of its first entry, and what it takes on the disk."""

    path: Path
    first: int
    octets: int


class Damage(NamedTuple):
    """Entries from ``first`` up to, not including, ``end`` are not there any more."""

    path: Path
    position: int
    why: str
    first: int
    end: int

    def __str__(self) -> str:
        entries = f"entry {self.first}" if self.end == self.first + 1 else f"entries {self.first} to {self.end - 1}"
        return f"{self.path} is damaged at octet {self.position} ({self.why}): {entries} cannot be read"


class Tail(NamedTuple):
    """Of the newest segment."""

    next_lsn: int
    position: int  #: where the next record goes, or where something is wrong
    time_us: int  #: the newest
    why: str  #: what is wrong there, "" if nothing
    behind: list[Entry]  #: good records behind what is wrong

    def damage(self, segment: Segment) -> Damage | None:
        """More than one write came after what is wrong: it was good once. Else it was torn, nobody relies on it."""
        if len({entry.time_us for entry in self.behind}) < 2:
            return None
        return Damage(segment.path, self.position, self.why, self.next_lsn, self.behind[0].lsn)


class Found(NamedTuple):
    """What a read has found, in order."""

    entries: list[Entry]
    damages: list[Damage]


def path_of(folder: Path, first: int) -> Path:
    """The name of a segment."""
    return folder / f"{first:020d}{SUFFIX}"


def survey(folder: Path) -> tuple[list[Segment], Path | None]:
    """All segments in order; and the newest file, if power went while it was being made: nothing is in it.

    Raises StorageError for files that cannot be used as they are, OSError for what cannot be read.
    """
    paths = sorted(folder.glob(f"*{SUFFIX}"))
    unfinished = paths.pop() if paths and _is_blank(paths[-1]) else None
    return [_segment(path) for path in paths], unfinished


def _segment(path: Path) -> Segment:
    with path.open("rb") as file:
        first = first_lsn(file.read(HEAD_OCTETS), str(path))
    if path != path_of(path.parent, first):
        raise StorageError(f"{path} does not begin with the entry of its name but with {first}: move it away")
    return Segment(path, first, path.stat().st_size)


def _is_blank(path: Path) -> bool:
    with path.open("rb") as file:
        begun = file.read(HEAD_OCTETS)
        return len(begun) < HEAD_OCTETS or not (begun.strip(b"\0") or file.read().strip(b"\0"))


class Reader:
    """Remembers where in the files entries are."""

    def __init__(self) -> None:
        self._marks: dict[int, list[tuple[int, int]]] = {}  # segment -> lsns and their positions, some of them

    def read(self, segments: Sequence[Segment], next_lsn: int, from_lsn: int, limit: int) -> Found:
        """Entries from there on, at most ``limit``, and not all of them when they are long."""
        found = Found([], [])
        ends = [*(segment.first for segment in segments[1:]), next_lsn]
        room = _OCTETS_IN_ONE_GO
        for segment, end in zip(segments, ends, strict=False):  # without a segment there is one end too many
            for item in self.scan(segment, from_lsn, end) if from_lsn < end else ():
                if isinstance(item, Damage):
                    found.damages.append(item)
                    continue
                found.entries.append(item)
                room -= size_of(item)
                if len(found.entries) >= limit or room <= 0:
                    return found
        return found

    def scan(self, segment: Segment, start: int, end: int) -> Iterator[Entry | Damage]:
        """Entries from ``start`` up to, not including, ``end``, which is that of the next segment."""
        lsn, position = self._place(segment, start)
        with segment.path.open("rb") as file:
            while lsn < end:
                self.mark(segment, lsn, position)
                entry, at, why = _good_from(file, position, lsn, end)
                if why and start < (entry.lsn if entry else end):
                    yield Damage(segment.path, position, why, max(start, lsn), entry.lsn if entry else end)
                if entry is None:
                    return
                if entry.lsn >= start:
                    yield entry
                lsn, position = entry.lsn + 1, at + size_of(entry)

    def tail(self, newest: Segment) -> Tail:
        """Where the newest segment ends."""
        lsn, position, time_us = newest.first, HEAD_OCTETS, 0
        with newest.path.open("rb") as file:
            try:
                while (entry := record_at(file, position, lsn)) is not None:
                    self.mark(newest, lsn, position)
                    lsn, position, time_us = lsn + 1, position + size_of(entry), entry.time_us
                file.seek(position)
                why = "nothing is written there" if file.read().strip(b"\0") else ""
            except Damaged as damage:
                why = damage.why
            behind = list(_all_behind(file, position, lsn)) if why else []
        return Tail(lsn, position, max([time_us, *(entry.time_us for entry in behind)]), why, behind)

    def mark(self, segment: Segment, lsn: int, position: int) -> None:
        """The record of ``lsn`` is there, if there is one."""
        marks = self._marks.setdefault(segment.first, [(segment.first, HEAD_OCTETS)])
        if position >= marks[-1][1] + _OCTETS_IN_ONE_GO:
            marks.append((lsn, position))

    def forget(self, segment: Segment) -> None:
        """It is gone."""
        self._marks.pop(segment.first, None)

    def _place(self, segment: Segment, lsn: int) -> tuple[int, int]:
        marks = self._marks.get(segment.first, [(segment.first, HEAD_OCTETS)])
        return marks[max(0, bisect_right(marks, (lsn, 1 << 62)) - 1)]


def _good_from(file: BinaryIO, position: int, lsn: int, end: int) -> tuple[Entry | None, int, str]:
    """The record of ``lsn``, or else the next good one before ``end``; where it is, and why it is another."""
    try:
        entry, why = record_at(file, position, lsn), "nothing is written there"
    except Damaged as damage:
        entry, why = None, damage.why
    if entry is not None:
        return entry, position, ""
    at, entry = next_good(file, position, lsn) or (position, None)
    if entry is not None and entry.lsn >= end:
        entry = None
    return entry, at, why


def _all_behind(file: BinaryIO, position: int, lsn: int) -> Iterator[Entry]:
    """Good records behind what is wrong at ``position``."""
    found = next_good(file, position, lsn)
    while found is not None:
        at, entry = found
        yield entry
        position, lsn = at + size_of(entry), entry.lsn + 1
        try:
            following = record_at(file, position, lsn)
        except Damaged:
            following = None
        found = (position, following) if following is not None else next_good(file, position, lsn)
