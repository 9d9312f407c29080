"""The reports of one device and hour as one small piece of octets, and back to the last bit. Pure.

Design note storage, "Two layers of history": what takes 13 octets a sample as rows takes 0.4 here. Raw words, no
scaling; the plan's number in each row leads to the register map that was in force.

``format(1) | zlib of``::

    head       first time (8, us) | step (8) | rows (4) | groups (2) | odd rows (4) | microseconds of a time unit (2)
    times      width (1) | for each row how far off a line of that step it is (``columns.off_line``), in time units
    about      boot, batch, round, flags, plan, states of each group: widths | first numbers (8 each) | differences
    groups     for each plan and block: plan (2) | block (1) | registers (1) | widths | first words (2 each)
    words      for each group and register the differences, over the rows with state 0
    odd rows   row (4) | octets (4) | its blocks as ``storage.blob``

A *state* is 0 where the block has words, 1 to 255 for a fault, 256 where the report has no such block. *Odd* is a
report that does not fit columns: blocks out of order or twice, or with another number of registers than the rest.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from operator import add
from statistics import median_low
from typing import NamedTuple

from ..errors import Damaged, StorageError
from ..readings import BlockReport, Report
from ..storage import blob
from ..storage.records import place_of
from . import columns

_FORMAT = 1
_HEAD = struct.Struct(">qqIHIH")
_GROUP = struct.Struct(">HBB")
_ODD = struct.Struct(">II")
#: Reports are stamped with milliseconds; one that is not has the whole chunk count in microseconds.
_UNITS_US = (1000, 1)
_ABOUT = ("boot", "batch", "round", "flags", "plan")
_ABSENT = 256
_WORD = 0xFFFF


@dataclass
class _Group:
    """One block of one plan over all rows."""

    registers: int = 0
    states: list[int] = field(default_factory=list)
    words: list[tuple[int, ...]] = field(default_factory=list)  #: of the rows with state 0


class BlockColumn(NamedTuple):
    """What reading one block gave over an hour: a fault has no words, so ``words`` may be shorter than ``times_us``."""

    times_us: Sequence[int]
    states: Sequence[int]  #: of the same length: 0 good, else the fault
    words: list[list[int]]  #: a column for each register asked for, over the good ones


def encode(reports: Iterable[Report]) -> bytes:
    """``reports`` (of one device) in the order of their places. Raises StorageError for none, and for bad words."""
    rows = sorted(reports, key=place_of)
    if not rows:
        raise StorageError("an hour without reports cannot be packed")
    groups, odd = _grouped(rows)
    try:
        body = _times(rows, len(groups), len(odd)) + _about(rows, groups) + _words(groups)
        body += b"".join(_ODD.pack(row, len(octets)) + octets for row, octets in odd)
    except (struct.error, OverflowError) as error:
        raise StorageError(f"an hour that cannot be packed: {error}") from None
    return bytes((_FORMAT,)) + zlib.compress(body, 9)


def _grouped(rows: Sequence[Report]) -> tuple[dict[tuple[int, int], _Group], list[tuple[int, bytes]]]:
    """Groups by (plan, block), and the odd rows."""
    groups: dict[tuple[int, int], _Group] = {}
    for report in rows:
        for block in report.blocks:
            group = groups.setdefault((report.plan, block.block), _Group())
            group.registers = group.registers or len(block.words)
    for group in groups.values():
        group.states = [_ABSENT] * len(rows)
    odd = []
    for row, report in enumerate(rows):
        if not _fits(report, groups):
            odd.append((row, blob.encode(report.blocks)))
            continue
        for number, words, fault in report.blocks:
            group = groups[report.plan, number]
            group.states[row] = fault
            if not fault:
                group.words.append(words)
    return dict(sorted(groups.items())), odd


def _fits(report: Report, groups: dict[tuple[int, int], _Group]) -> bool:
    before = -1
    for number, words, fault in report.blocks:
        registers = 0 if fault else groups[report.plan, number].registers
        if number <= before or len(words) != registers or not 0 <= fault < _ABSENT:
            return False
        before = number
    return True


def _times(rows: Sequence[Report], groups: int, odd: int) -> bytes:
    times_us = [report.time_us for report in rows]
    unit_us = next(unit for unit in _UNITS_US if not any(time_us % unit for time_us in times_us))
    times = [time_us // unit_us for time_us in times_us]
    step = median_low(columns.differences_of(times)) if len(times) > 1 else 0
    off_line = columns.off_line(times, step)
    width = columns.width_of(off_line)
    head = _HEAD.pack(times_us[0], step, len(rows), groups, odd, unit_us)
    return head + bytes((width,)) + columns.pack(off_line, width)


def _about(rows: Sequence[Report], groups: dict[tuple[int, int], _Group]) -> bytes:
    numbers = [[getattr(report, name) for report in rows] for name in _ABOUT]
    numbers += [group.states for group in groups.values()]
    widths, differences = _differences(numbers)
    return widths + struct.pack(f">{len(numbers)}q", *(column[0] for column in numbers)) + differences


def _words(groups: dict[tuple[int, int], _Group]) -> bytes:
    heads, words = [], []
    for key, group in groups.items():
        numbers: list[tuple[int, ...]] = list(zip(*group.words, strict=True))
        registers = group.registers if numbers else 0
        if any(min(column) < 0 or max(column) > _WORD for column in numbers):
            raise OverflowError(f"a word that is not in 0..{_WORD}")
        widths, differences = _differences(numbers)
        firsts = struct.pack(f">{registers}H", *(column[0] for column in numbers))
        heads.append(_GROUP.pack(*key, registers) + widths + firsts)
        words.append(differences)
    return b"".join(heads + words)


def _differences(numbers: Sequence[Sequence[int]]) -> tuple[bytes, bytes]:
    """Widths and differences of several columns."""
    differences = [columns.differences_of(column) for column in numbers]
    widths = bytes(map(columns.width_of, differences))
    return widths, b"".join(map(columns.pack, differences, widths))


class _Place(NamedTuple):
    """Where a group's words stand."""

    states: int  #: index among the columns of ``about``
    widths: bytes
    firsts: tuple[int, ...]
    start: int
    rows: int


class Chunk:
    """An hour, opened; what is not asked for is not unpacked.

    Raises Damaged for octets that ``encode`` never made.
    """

    def __init__(self, octets: bytes) -> None:
        try:
            self._open(octets)
        except (ValueError, IndexError, struct.error, zlib.error) as error:
            raise _damaged(error) from None

    def reports(self, device_id: int) -> list[Report]:
        """All of them, in the order of their places. Raises Damaged when the chunk is."""
        try:
            return self._reports(device_id)
        except (ValueError, IndexError, StopIteration, struct.error) as error:
            raise _damaged(error) from None

    def block(self, plan: int, block: int, registers: range) -> BlockColumn | None:
        """Some registers of one block of one plan; None when no row has it.

        Raises StorageError when the chunk is damaged, or has odd rows: then take ``reports``.
        """
        if self.has_odd_rows:
            raise StorageError("this hour has reports that do not fit columns")
        try:
            return self._block(plan, block, registers)
        except (ValueError, IndexError) as error:
            raise _damaged(error) from None

    def _open(self, octets: bytes) -> None:
        if octets[0] != _FORMAT:
            raise ValueError(f"unknown format {octets[0]}")
        self._body = body = zlib.decompress(octets[1:])
        self._first_us, self._step, self.rows, groups, self._odd, self._unit_us = _HEAD.unpack_from(body)
        self.has_odd_rows = self._odd > 0
        self._times_width, position = body[_HEAD.size], _HEAD.size + 1
        position += self.rows * self._times_width
        count = len(_ABOUT) + groups
        self._about_widths = body[position : position + count]
        self._about_firsts = struct.unpack_from(f">{count}q", body, position + count)
        self._about_start = position + 9 * count
        position = self._about_start + (self.rows - 1) * sum(self._about_widths)
        self._known: dict[int, list[int]] = {}  # columns that every row has, as far as they were asked for
        self._places, self._end = self._find_groups(position, groups)

    def _find_groups(self, position: int, count: int) -> tuple[dict[tuple[int, int], _Place], int]:
        heads = []
        for number in range(count):
            plan, block, registers = _GROUP.unpack_from(self._body, position)
            position += _GROUP.size
            widths = self._body[position : position + registers]
            firsts = struct.unpack_from(f">{registers}H", self._body, position + registers)
            position += 3 * registers
            heads.append((plan, block, len(_ABOUT) + number, widths, firsts))
        places = {}
        for plan, block, states, widths, firsts in heads:
            rows = self._rows_with_words(states) if widths else 0
            places[plan, block] = _Place(states, widths, firsts, position, rows)
            position += (rows - 1) * sum(widths)
        return places, position

    def _rows_with_words(self, states: int) -> int:
        if not self._about_widths[states]:
            return 0 if self._about_firsts[states] else self.rows
        return self._about(states).count(0)

    @property
    def plans(self) -> set[int]:
        """Numbers of the plans that have rows here."""
        return set(self._about(_ABOUT.index("plan")))

    @cached_property
    def times_us(self) -> list[int]:
        """Of each row."""
        line = columns.line(self._first_us, self._step * self._unit_us, self.rows)
        if not self._times_width:
            return list(line)
        off_line = columns.unpack(self._body, _HEAD.size + 1, self.rows, self._times_width)
        return list(map(add, line, map(self._unit_us.__mul__, off_line)))

    def _about(self, number: int) -> list[int]:
        """One of the columns that every row has."""
        if number not in self._known:
            self._known[number] = self._read_about(number)
        return self._known[number]

    def _read_about(self, number: int) -> list[int]:
        start = self._about_start + (self.rows - 1) * sum(self._about_widths[:number])
        return columns.read(self._body, start, self.rows, self._about_widths[number], self._about_firsts[number])

    def _column(self, place: _Place, register: int) -> list[int]:
        start = place.start + (place.rows - 1) * sum(place.widths[:register])
        return columns.read(self._body, start, place.rows, place.widths[register], place.firsts[register])

    def _block(self, plan: int, block: int, registers: range) -> BlockColumn | None:
        place = self._places.get((plan, block))
        if place is None:
            return None
        words = [self._column(place, register) for register in registers] if place.rows else [[] for _ in registers]
        times_us: Sequence[int] = self.times_us
        states: Sequence[int] = self._about(place.states)
        if place.rows < self.rows:
            there = [(time_us, state) for time_us, state in zip(times_us, states, strict=True) if state != _ABSENT]
            times_us, states = zip(*there, strict=True) if there else ((), ())
        return BlockColumn(times_us, states, words)

    def _reports(self, device_id: int) -> list[Report]:
        times_us = self.times_us
        about = [self._about(number) for number in range(len(_ABOUT))]
        blocks: list[list[BlockReport]] = [[] for _ in times_us]
        for (_, block), place in self._places.items():
            numbers = [self._column(place, register) for register in range(len(place.widths))] if place.rows else []
            words = iter(zip(*numbers, strict=True) if numbers else ())
            for row, state in enumerate(self._about(place.states)):
                if state != _ABSENT:
                    is_good = not state and place.widths
                    blocks[row].append(BlockReport(block, next(words) if is_good else (), state))
        found = list(map(tuple, blocks))
        position = self._end
        for _ in range(self._odd):
            row, size = _ODD.unpack_from(self._body, position)
            position += _ODD.size + size
            found[row] = blob.decode(self._body[position - size : position])
        if position != len(self._body):
            raise ValueError(f"{len(self._body) - position} octets too many")
        rows = zip(times_us, *about, found, strict=True)
        return [
            Report(device_id, time_us, boot, batch, round_, plan, of_row, flags)
            for time_us, boot, batch, round_, flags, plan, of_row in rows
        ]


def _damaged(error: Exception) -> Damaged:
    return Damaged(f"a packed hour is damaged: {error}")
