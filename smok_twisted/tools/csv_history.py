"""CSV history of other systems: which column is which point, and what its times and numbers mean. Pure."""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime, tzinfo
from typing import NamedTuple

from ..clock import parse_rfc3339
from ..errors import UserError

TIME_COLUMNS = ("time", "timestamp", "datetime", "date", "_time", "ts")
TIME_FORM = "RFC 3339, YYYY-MM-DD HH:MM[:SS] with --timezone, or seconds or milliseconds since 1970"
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_EPOCH = re.compile(r"\d{9,14}(\.\d+)?")
_MILLISECONDS_FROM = 100_000_000_000
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
    """``points`` are the names of those there are. Raises UserError for a head that leads to none of them."""

    def __init__(self, lines: Iterable[str], points: Collection[str], form: Form) -> None:
        lines = iter(lines)
        head = next(lines, "").removeprefix("\ufeff")
        delimiter = max(";\t,", key=head.count)
        names = [name.strip() for name in next(csv.reader([head], delimiter=delimiter), [])]
        self._rows = csv.reader(lines, delimiter=delimiter)
        self._decimal_comma = form.decimal_comma
        self._time = _time_column(names, form.time_column)
        is_wide = bool(form.columns) or not {"point", "value"} <= set(names)
        self._clock = _Clock(form.zone, is_wide)
        self._point: int | None = None
        self._columns: dict[int, str] = {}
        self.ignored: list[str] = []
        if is_wide:
            self._columns, self.ignored = _columns(names, self._time, points, form.columns)
        else:
            self._point, self._value = names.index("point"), names.index("value")

    def cells(self) -> Iterator[Cell]:
        """All that are not empty."""
        for row in self._rows:
            if not any(row):
                continue
            line = self._rows.line_num + 1
            try:
                time_us = self._clock.time_us(row[self._time].strip())
            except (UserError, IndexError) as error:
                yield Cell(line, "", problem=str(error) if isinstance(error, UserError) else "it has no time")
                continue
            for point, text in self._values(row):
                if text:
                    yield Cell(line, point, time_us, self._read(text))

    def _values(self, row: list[str]) -> Iterator[tuple[str, str]]:
        if self._point is not None:
            if max(self._point, self._value) < len(row):
                yield row[self._point].strip(), row[self._value]
            return
        for number, point in self._columns.items():
            if number < len(row):
                yield point, row[number]

    def _read(self, text: str) -> Value:
        """A number where it looks like one; what its point makes of it is for the daemon to say."""
        word = text.strip()
        if self._decimal_comma:
            word = word.replace(",", ".")
        if _NUMBER.fullmatch(word):
            return int(word) if re.fullmatch(r"[+-]?\d+", word) else float(word)
        return _TRUTHS.get(word.lower(), text)


class _Clock:
    """Reads times; where an hour comes twice, in autumn, the second one is that which follows the first."""

    def __init__(self, zone: tzinfo | None, is_wide: bool) -> None:
        """``is_wide``: no two lines are of the same time."""
        self._zone = zone
        self._is_wide = is_wide
        self._newest_us = 0

    def time_us(self, text: str) -> int:
        """Microseconds since 1970. Raises UserError."""
        if _EPOCH.fullmatch(text):
            number = float(text)
            return int(number * (1000 if number >= _MILLISECONDS_FROM else 1_000_000))
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise UserError(f"the time {text!r} is not accepted: {TIME_FORM}") from None
        if moment.tzinfo is not None:
            return parse_rfc3339(text)
        if self._zone is None:
            raise UserError(f"the time {text!r} names no zone: give --timezone, such as UTC or Europe/Warsaw")
        return self._local(text, moment)

    def _local(self, text: str, moment: datetime) -> int:
        zone = self._zone
        both = [parse_rfc3339(moment.replace(tzinfo=zone, fold=fold).isoformat()) for fold in (0, 1)]
        first, second = both
        if first > second:
            raise UserError(f"the time {text!r} does not exist: clocks were put forward then")
        is_passed = self._newest_us >= first if self._is_wide else self._newest_us > first
        self._newest_us = second if first < second and is_passed else first
        return self._newest_us


def _time_column(names: list[str], wanted: str | None) -> int:
    if wanted is not None:
        if wanted not in names:
            raise UserError(f"there is no column {wanted!r}; the file has {', '.join(names)}")
        return names.index(wanted)
    found = next((number for number, name in enumerate(names) if name.lower() in TIME_COLUMNS), None)
    if found is None:
        raise UserError(f"none of the columns {', '.join(names) or '(none)'} is called time: name it by --time-column")
    return found


def _columns(
    names: list[str], time: int, points: Collection[str], wanted: Mapping[str, str]
) -> tuple[dict[int, str], list[str]]:
    for column, point in wanted.items():
        if column not in names:
            raise UserError(f"there is no column {column!r}; the file has {', '.join(names)}")
        if point not in points:
            raise UserError(f"there is no point {point!r}; the device has {', '.join(points)}")
    found = {number: wanted.get(name, name) for number, name in enumerate(names) if number != time}
    columns = {number: point for number, point in found.items() if point in points}
    if not columns:
        raise UserError(
            f"no column is called like a point of the device ({', '.join(points)}): "
            "say which is which by --map-columns COLUMN=POINT"
        )
    return columns, [names[number] for number in found if number not in columns]
