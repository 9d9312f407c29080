"""CSV history of other systems: which column is which point, and what its numbers mean. Pure.

What cannot be read is a refusal of its cell or its line, never the end of the file. Columns, and points of the long
layout, that lead nowhere are left out: their values are counted.
"""

from __future__ import annotations

import csv
import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import tzinfo
from typing import NamedTuple

from ..errors import UserError
from .csv_times import Clock, shown

TIME_COLUMNS = ("time", "timestamp", "datetime", "date", "_time", "ts")
#: No register map has a text of more than 240 octets, and no number needs more digits.
CELL_CHARACTERS_AT_MOST = 1000
#: Names that are told when they are left out; a file may have any number of them.
NAMES_AT_MOST = 100
OTHERS = "others"
_NAME_CHARACTERS = 60
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_TRUTHS = {"true": True, "false": False}

Value = bool | int | float | str


class Form(NamedTuple):
    """How a file is to be read; ``columns`` leads from the name of a column to that of a point."""

    columns: Mapping[str, str] = {}
    time_column: str | None = None
    zone: tzinfo | None = None
    decimal_comma: bool = False


class Cell(NamedTuple):
    """One value, or why it is none."""

    line: int
    point: str
    time_us: int = 0
    value: Value = ""
    problem: str = ""


class Table:
    """``points`` are the names of those that can be imported. Raises UserError for a head that leads to none of them.

    ``left_out`` counts values by the names that lead nowhere, up to ``NAMES_AT_MOST`` of them and ``OTHERS``.
    """

    def __init__(self, lines: Iterable[str], points: Collection[str], form: Form) -> None:
        lines = iter(lines)
        head = next(lines, "").removeprefix("\ufeff")
        delimiter = max(";\t,", key=head.count)
        names = _names(head, delimiter)
        self.left_out: Counter[str] = Counter()
        self._rows = csv.reader(lines, delimiter=delimiter)
        self._points = points
        self._decimal_comma = form.decimal_comma
        self._time = _time_column(names, form.time_column)
        is_wide = bool(form.columns) or not {"point", "value"} <= set(names)
        self._clock = Clock(form.zone, is_wide)
        self._point: int | None = None
        self._columns: dict[int, str] = {}
        if is_wide:
            self._columns = _columns(names, self._time, points, form.columns)
            needed = [number for number, name in self._columns.items() if not self._is_left_out(name, 0)]
        else:
            self._point, self._value = needed = [names.index("point"), names.index("value")]
        self._cells_needed = 1 + max(self._time, *needed)

    def cells(self) -> Iterator[Cell]:
        """All that are not empty and not left out."""
        while True:
            line = self._rows.line_num + 2  # where the row begins; the head is the first
            row = self._row()
            if row is None:
                return
            try:
                yield from self._cells(line, row) if isinstance(row, list) else [Cell(line, "", problem=row)]
            except UserError as error:
                yield Cell(line, "", problem=str(error))

    def _row(self) -> list[str] | str | None:
        """The next one, or why it is none; None at the end."""
        try:
            return next(self._rows, None)
        except csv.Error as error:
            return f"it is no CSV: {error}; up to line {self._rows.line_num + 1} it is one row: is a quote not closed?"

    def _cells(self, line: int, row: list[str]) -> Iterator[Cell]:
        if not any(row):
            return
        if len(row) < self._cells_needed:  # cut off, and then not even its last cell is sure to be whole
            raise UserError(f"it has {len(row)} cells, {self._cells_needed} are needed")
        time_us = self._clock.time_us(row[self._time].strip())
        for point, text in self._values(row):
            if text and not self._is_left_out(point):
                yield self._cell(Cell(line, point, time_us), text)

    def _values(self, row: list[str]) -> Iterator[tuple[str, str]]:
        if self._point is not None:
            yield row[self._point].strip(), row[self._value]
            return
        for number, point in self._columns.items():
            if number < len(row):  # beyond are only such as are left out
                yield point, row[number]

    def _is_left_out(self, name: str, values: int = 1) -> bool:
        if name in self._points:
            return False
        told = name[:_NAME_CHARACTERS]
        is_told = told in self.left_out or len(self.left_out) < NAMES_AT_MOST
        self.left_out[told if is_told else OTHERS] += values
        return True

    def _cell(self, cell: Cell, text: str) -> Cell:
        try:
            return cell._replace(value=self._read(text))
        except UserError as error:
            return cell._replace(problem=str(error))

    def _read(self, text: str) -> Value:
        """A number where it looks like one; what its point makes of it is for the daemon to say. Raises UserError."""
        if len(text) > CELL_CHARACTERS_AT_MOST:
            raise UserError(f"a cell of {len(text)} characters is not accepted: up to {CELL_CHARACTERS_AT_MOST}")
        word = text.strip()
        if self._decimal_comma:
            word = word.replace(",", ".")
        if not _NUMBER.fullmatch(word):
            return _TRUTHS.get(word.lower(), text)
        number = float(word)
        if not math.isfinite(number):
            raise UserError(f"the number {shown(word)} is too large to be one")
        return int(word) if re.fullmatch(r"[+-]?\d+", word) else number


def _names(head: str, delimiter: str) -> list[str]:
    try:
        return [name.strip() for name in next(csv.reader([head], delimiter=delimiter), [])]
    except csv.Error as error:
        raise UserError(f"its first line, which should name the columns, is no CSV: {error}") from None


def _time_column(names: list[str], wanted: str | None) -> int:
    if wanted is not None:
        if wanted not in names:
            raise UserError(f"there is no column {wanted!r}; the file has {', '.join(names)}")
        return names.index(wanted)
    found = next((number for number, name in enumerate(names) if name.lower() in TIME_COLUMNS), None)
    if found is None:
        raise UserError(f"none of the columns {', '.join(names) or '(none)'} is called time: name it by --time-column")
    return found


def _columns(names: list[str], time: int, points: Collection[str], wanted: Mapping[str, str]) -> dict[int, str]:
    """By number, also those that lead to no point."""
    for column, point in wanted.items():
        if column not in names:
            raise UserError(f"there is no column {column!r}; the file has {', '.join(names)}")
        if point not in points:
            raise UserError(f"there is no point {point!r} that can be imported; the device has {', '.join(points)}")
    columns = {number: wanted.get(name, name) for number, name in enumerate(names) if number != time}
    if not any(point in points for point in columns.values()):
        raise UserError(
            f"no column is called like a point of the device ({', '.join(points)}): "
            "say which is which by --map-columns COLUMN=POINT"
        )
    return columns
