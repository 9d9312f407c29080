"""What commands print: aligned tables for people, the API's objects as JSON, rows as CSV.

A table is the same on a terminal and elsewhere, but for the rule below its header.
"""

from __future__ import annotations

import csv
import json
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TextIO

from .long_json import written

Row = Mapping[str, Any]

NOTHING = "-"


def one_line(text: str) -> str:
    """``text`` without anything that moves a terminal's cursor: devices and users may have written it."""
    return text if text.isprintable() else "".join(char if char.isprintable() else " " for char in text)


def plain(value: Any) -> str:
    """A value as it stands in a table."""
    if value is None or value == "" or value == []:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return " ".join(map(plain, value))
    return one_line(str(value))


def value_text(value: Any, state: str | None = None, digits: int | None = None) -> str:
    """A point's value as it stands in a table: the name of its ``state``, else with all its ``digits``."""
    if state is not None:
        return plain(state)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float) and digits is not None:
        return f"{value:.{digits}f}"
    return plain(value)


def age(seconds: float | None) -> str:
    """How long ago, in words."""
    if seconds is None:
        return "never"
    for size, unit in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.0f} {unit} ago"
    return f"{seconds:.0f} s ago" if seconds >= 1 else "now"


class Column(NamedTuple):
    """``key`` of the rows; ``shown`` turns its value into a cell."""

    key: str
    title: str
    shown: Callable[[Any], str] = plain
    right: bool = False


class Output:
    """``form`` is table, json or csv."""

    def __init__(self, stream: TextIO, form: str) -> None:
        self.form = form
        self.is_terminal = stream.isatty()
        self._stream = stream

    def line(self, text: str = "") -> None:
        """One line of text."""
        self._stream.write(f"{text}\n")

    def text(self, text: str) -> None:
        """``text`` as it is."""
        self._stream.write(text)

    def flush(self) -> None:
        """Let it be seen now."""
        self._stream.flush()

    def json(self, answer: Any) -> None:
        """``answer`` as it came."""
        self.line(json.dumps(answer, indent=2, ensure_ascii=False))

    def long_json(self, answer: Any, depth: int) -> None:
        """``answer``, whose lists may be iterators, written as they go; see ``long_json``."""
        self._stream.writelines(written(answer, depth))
        self.line()

    def rows(self, answer: Any, rows: Iterable[Row], columns: Sequence[Column]) -> None:
        """``rows`` out of ``answer``, in the form that was asked for."""
        if self.form == "json":
            self.json(answer)
        elif self.form == "csv":
            self._csv(rows, columns)
        else:
            for line in table(rows, columns, self.is_terminal):
                self.line(line)

    def record(self, answer: Row, columns: Iterable[Column]) -> None:
        """One object, a line for each of its members."""
        if self.form == "json":
            return self.json(answer)
        cells = [(column.title, column.shown(answer.get(column.key))) for column in columns]
        width = max(len(title) for title, _ in cells)
        for title, cell in cells:
            self.line(f"{title:<{width}}  {cell}")

    def _csv(self, rows: Iterable[Row], columns: Sequence[Column]) -> None:
        writer = csv.writer(self._stream, lineterminator="\n")
        writer.writerow([column.key for column in columns])
        for row in rows:
            writer.writerow([_csv_cell(row.get(column.key)) for column in columns])


def table(rows: Iterable[Row], columns: Sequence[Column], ruled: bool) -> Iterator[str]:
    """Lines in which the columns stand below each other. Of all rows, only the cells are kept meanwhile."""
    cells = [[column.title for column in columns]]
    cells += [[column.shown(row.get(column.key)) for column in columns] for row in rows]
    widths = [max(map(_width, column)) for column in zip(*cells, strict=True)]
    if ruled:
        cells.insert(1, ["─" * width for width in widths])
    padded = [(width, column.right) for width, column in zip(widths, columns, strict=True)]
    for line in cells:
        yield "  ".join([_padded(cell, *shape) for cell, shape in zip(line, padded, strict=True)]).rstrip()


def _padded(cell: str, width: int, right: bool) -> str:
    if cell.isascii():
        return cell.rjust(width) if right else cell.ljust(width)
    filling = " " * (width - _width(cell))
    return filling + cell if right else cell + filling


def _width(text: str) -> int:
    """Columns that ``text`` takes on a terminal."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(char) else 1 + (unicodedata.east_asian_width(char) in "WF") for char in text)


def _csv_cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return one_line(" ".join(map(str, value)) if isinstance(value, list) else str(value))
