"""``smok import``: history that another system kept, from CSV into a device's own."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO
from zoneinfo import ZoneInfo

from ..errors import UserError
from .arguments import Commands, connection, name
from .csv_history import Cell, Form, Table
from .progress import Step, progress

if TYPE_CHECKING:
    from .client import Client
    from .output import Output
    from .tool import Tool

EXAMPLES = """\
  smok import old.csv --device cellar --timezone Europe/Warsaw
  smok import scada.csv --device cellar --map-columns "T outside=outside" "Q=flow" --decimal-comma --round

The file has a head, a column of times and one for each point; or columns time, point and value, as `smok export`
writes them. Interrupted, or repeated, it stores each value once."""

#: Values of one point that are sent together; the API takes no more.
PAGE = 1000
#: And a half of what the body of a request may have; a cell is far smaller than the other half.
PAGE_OCTETS = 1 << 19
_TIME_OCTETS = 20
REASONS_AT_MOST = 5


def add_to(commands: Commands) -> None:
    """``smok import``"""
    add = commands.add(
        "import", _import, "history that another system kept, from CSV", EXAMPLES, connection()
    ).add_argument
    add("file", metavar="FILE", type=Path)
    add("--device", metavar="DEVICE", type=name, required=True, help="name or id")
    add("--map-columns", metavar="COLUMN=POINT", nargs="+", default=[], help="columns not called like their points")
    add("--time-column", metavar="COLUMN", help="default: one called time, timestamp, date ...")
    add("--timezone", metavar="ZONE", help="of times that name none: UTC, Europe/Warsaw ...")
    add("--decimal-comma", action="store_true", help="numbers are written 4,1")
    add("--round", action="store_true", help="take the nearest value that the registers can hold")


def _import(tool: Tool) -> int | None:
    args: Any = tool.args
    form = Form(dict(map(_pair, args.map_columns)), args.time_column, _zone(args.timezone), args.decimal_comma)
    points = tool.api.get("devices", args.device, "points")["points"]
    done = Import(tool.api, args.device, args.round)
    with _account(tool.output, done), _opened(args.file) as stream, progress(f"import {args.file.name}", "B") as step:
        lines = _watched(stream, args.file.stat().st_size, step)
        done.take(Table(lines, [point["point"] for point in points if point["importable"]], form))
    return None if done.is_clean else 1


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            yield stream
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: is not UTF-8; save it as CSV in UTF-8") from None


@contextmanager
def _account(output: Output, done: Import) -> Iterator[None]:
    """Tells what became of the values, whatever ends the import; nothing when it did not even begin."""
    try:
        yield
    except BaseException:
        if done.is_begun:
            output.line("not finished: what came until then is stored, the same command again does the rest")
        raise
    finally:
        for line in done.lines():
            output.line(line)


class Import:
    """Sends values page by page, and counts."""

    def __init__(self, api: Client, device: str, rounds: bool) -> None:
        self.counts: Counter[str] = Counter()
        self._api = api
        self._device = device
        self._rounds = rounds
        self._table: Table | None = None
        self._waiting: dict[str, _Page] = {}
        self._reasons: list[str] = []

    def take(self, table: Table) -> None:
        """All of it."""
        self._table = table
        for cell in table.cells():
            self._add(cell)
        for point in list(self._waiting):
            self._send(point)

    @property
    def is_begun(self) -> bool:
        """Whether there was a file that could be read."""
        return self._table is not None

    @property
    def is_clean(self) -> bool:
        """Whether nothing was refused, and not all of it left out."""
        counts = self.counts
        return not counts["refused"] and (counts["stored"] + counts["there"] > 0 or not self._left_out().total())

    def lines(self) -> Iterator[str]:
        """What became of it."""
        if not self.is_begun:
            return
        if left_out := self._left_out():
            names = ", ".join(f"{name} ({count} values)" for name, count in left_out.items())
            yield f"left out, there is no such point that can be imported: {names}"
        counts = self.counts
        rounded = f", {counts['rounded']} rounded" if counts["rounded"] else ""
        yield f"{counts['stored']} values stored, {counts['there']} already there, {counts['refused']} refused{rounded}"
        yield from self._reasons
        if counts["refused"] > len(self._reasons):
            yield f"... and {counts['refused'] - len(self._reasons)} more"

    def _left_out(self) -> Counter[str]:
        return self._table.left_out if self._table is not None else Counter()

    def _add(self, cell: Cell) -> None:
        if cell.problem:
            return self._refuse(cell, cell.problem)
        page = self._waiting.setdefault(cell.point, _Page())
        page.add(cell)
        if page.is_full:
            self._send(cell.point)
        return None

    def _send(self, point: str) -> None:
        cells = self._waiting.pop(point).cells
        body = {
            "point": point,
            "time": [cell.time_us // 1000 for cell in cells],
            "value": [cell.value for cell in cells],
            "round": self._rounds,
        }
        answer = self._api.post("devices", self._device, "history", body=body)
        self.counts.update({name: answer[name] for name in ("stored", "there", "rounded")})
        for one in answer["reasons"]:
            self._refuse(cells[one["index"]], one["reason"])
        self.counts["refused"] += answer["refused"] - len(answer["reasons"])

    def _refuse(self, cell: Cell, reason: str) -> None:
        self.counts["refused"] += 1
        if len(self._reasons) < REASONS_AT_MOST:
            self._reasons.append(f"line {cell.line}: {reason}")


class _Page:
    """Values of one point that wait to be sent together."""

    def __init__(self) -> None:
        self.cells: list[Cell] = []
        self._octets = 0

    def add(self, cell: Cell) -> None:
        """One more."""
        self.cells.append(cell)
        self._octets += _TIME_OCTETS + len(json.dumps(cell.value))  # escaped, so never fewer than are sent

    @property
    def is_full(self) -> bool:
        return len(self.cells) >= PAGE or self._octets >= PAGE_OCTETS


def _watched(stream: TextIO, octets: int, step: Step) -> Iterator[str]:
    done = 0
    for number, line in enumerate(stream):
        done += len(line.encode())
        if number % PAGE == 0:
            step(done, octets)
        yield line


def _pair(text: str) -> tuple[str, str]:
    column, equals, point = text.rpartition("=")
    if not (column and equals and point):
        raise UserError(f"{text!r} is not accepted: COLUMN=POINT")
    return column, point


def _zone(text: str | None) -> ZoneInfo | None:
    try:
        return None if text is None else ZoneInfo(text)
    except (ValueError, OSError, LookupError):
        raise UserError(f"the time zone {text!r} is not known: a name such as UTC or Europe/Warsaw") from None
