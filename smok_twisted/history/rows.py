"""History as CSV: from reports to lines, each value by the register map under which it was read. Pure.

*Long*: a line for each time and point, with the quality; what pandas pivots and databases take. *Wide*: a line for each
time, a column for each point; what spreadsheets draw. There a point that was not read, or has no value, has nothing. An
import makes a report of each value: those of one time share a line, unless two give the same point a value.
Times are RFC 3339 in UTC with milliseconds, truths ``true`` and ``false``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from ..clock import rfc3339
from ..modbus.points import Value
from ..readings import UNAUTHENTICATED, BlockReport, Report, quality_of
from .traces import Trace

#: Texts of values that are kept; few words differ, and decoding is what takes time.
_TEXTS_AT_MOST = 4096


class Format(NamedTuple):
    """What is wanted. ``raw``: also the words as they were read (long only)."""

    is_wide: bool = False
    raw: bool = False


class _Column:
    """One point under one plan."""

    def __init__(self, number: int, name: str, trace: Trace) -> None:
        self.number = number  #: among the points that are wanted
        self.name = name
        self._trace = trace
        self._texts: dict[tuple[int, ...], str] = {}

    def words(self, block: BlockReport) -> tuple[int, ...]:
        """Its own, out of those of its block; none when the block has a fault."""
        registers = self._trace.registers
        return block.words[registers.start : registers.stop]

    def text(self, words: tuple[int, ...]) -> str:
        """The value as it stands in a cell."""
        found = self._texts.get(words)
        if found is None:
            if len(self._texts) >= _TEXTS_AT_MOST:
                self._texts.clear()
            value = self._trace.point.decode(words) if len(words) == len(self._trace.registers) else None
            found = self._texts[words] = cell(value)
        return found


class _Line(NamedTuple):
    """One of the wide layout."""

    time: str
    cells: list[str]

    def takes(self, time: str, cells: Mapping[int, str]) -> bool:
        """Whether these may stand in it too."""
        return time == self.time and not any(self.cells[number] for number in cells)


class Rows:
    """``traces`` of each point that is wanted, by name, in the order of the columns."""

    def __init__(self, traces: Mapping[str, Mapping[int, Trace]], form: Format) -> None:
        self._names = list(traces)
        self._form = form
        self._waiting: _Line | None = None  # for more of its time
        self._columns: dict[tuple[int, int], list[_Column]] = {}  # by plan and block
        for number, (name, by_plan) in enumerate(traces.items()):
            for plan, trace in by_plan.items():
                self._columns.setdefault((plan, trace.block), []).append(_Column(number, name, trace))

    def head(self) -> str:
        """The line with the names."""
        if self._form.is_wide:
            return _line(["time", *self._names])
        return _line(["time", "point", "value", "quality", *(["raw"] if self._form.raw else [])])

    def lines(self, reports: Iterable[Report]) -> str:
        """The lines of some reports (in order of time), those of points that are not wanted left out; then ``end``."""
        lines = self._wide if self._form.is_wide else self._long
        return "".join(line for report in reports for line in lines(report))

    def end(self) -> str:
        """What waited for the next report."""
        waiting, self._waiting = self._waiting, None
        return "" if waiting is None else _line([waiting.time, *waiting.cells])

    def _long(self, report: Report) -> Iterator[str]:
        time = rfc3339(report.time_us)
        good = "unauthenticated" if report.flags & UNAUTHENTICATED else "good"
        for block in report.blocks:
            quality = quality_of(block.fault) if block.fault else good
            for column in self._columns.get((report.plan, block.block), ()):
                words = column.words(block)
                cells = [time, column.name, column.text(words) if words else "", quality]
                yield _line([*cells, " ".join(map(str, words))] if self._form.raw else cells)

    def _wide(self, report: Report) -> Iterator[str]:
        cells: dict[int, str] = {}
        is_there = False
        for block in report.blocks:
            for column in self._columns.get((report.plan, block.block), ()):
                is_there = True
                if words := column.words(block):
                    cells[column.number] = column.text(words)
        if is_there:
            yield self._put(rfc3339(report.time_us), cells)

    def _put(self, time: str, cells: Mapping[int, str]) -> str:
        """Into the line that waits, or a new one; what is done with."""
        done = ""
        if self._waiting is None or not self._waiting.takes(time, cells):
            done, self._waiting = self.end(), _Line(time, [""] * len(self._names))
        for number, text in cells.items():
            self._waiting.cells[number] = text
        return done


def cell(value: Value | None) -> str:
    """A value in CSV (RFC 4180); nothing for None."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value)
    if isinstance(value, str) and any(char in '",\r\n' for char in value):
        return '"' + text.replace('"', '""') + '"'
    return text


def _line(cells: Iterable[str]) -> str:
    return ",".join(cells) + "\n"
