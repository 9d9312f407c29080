"""``smok import``: history that another system kept, from CSV into a device's own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO
from zoneinfo import ZoneInfo

from ..errors import UserError
from .arguments import Commands, connection, name
from .csv_history import Cell, Form, Table
from .problems import Unreachable
from .progress import Step, progress

if TYPE_CHECKING:
    from .client import Client
    from .tool import Tool

EXAMPLES = """\
  smok import old.csv --device cellar --timezone Europe/Warsaw
  smok import scada.csv --device cellar --map-columns "T outside=outside" "Q=flow" --decimal-comma --round

The file has a head, a column of times and one for each point; or columns time, point and value, as `smok export`
writes them. Interrupted, or repeated, it stores each value once."""

#: Values of one point that are sent together; the API takes no more.
PAGE = 1000
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
    points = [point["point"] for point in tool.api.get("devices", args.device, "points")["points"]]
    try:
        with args.file.open(encoding="utf-8", newline="") as stream, progress(f"import {args.file.name}", "B") as step:
            table = Table(_watched(stream, args.file.stat().st_size, step), points, form)
            done = Import(tool.api, args.device, args.round)
            for cell in table.cells():
                done.add(cell)
            done.flush()
    except OSError as error:
        raise UserError(f"{args.file}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserError(f"{args.file}: is not UTF-8; save it as CSV in UTF-8") from None
    except Unreachable as error:
        raise Unreachable(f"{error}; what came until then is stored, the same command again does the rest") from None
    if table.ignored:
        tool.output.line(f"columns left out, there is no such point: {', '.join(table.ignored)}")
    for line in done.lines():
        tool.output.line(line)
    return 1 if done.counts["refused"] else None


class Import:
    """Sends values page by page, and counts."""

    def __init__(self, api: Client, device: str, rounds: bool) -> None:
        self.counts: Counter[str] = Counter()
        self._api = api
        self._device = device
        self._rounds = rounds
        self._waiting: dict[str, list[Cell]] = {}
        self._reasons: list[str] = []

    def add(self, cell: Cell) -> None:
        """One more."""
        if cell.problem:
            return self._refuse(cell, cell.problem)
        waiting = self._waiting.setdefault(cell.point, [])
        waiting.append(cell)
        if len(waiting) >= PAGE:
            self._send(cell.point)
        return None

    def flush(self) -> None:
        """What waits."""
        for point in list(self._waiting):
            self._send(point)

    def lines(self) -> Iterator[str]:
        """What became of it."""
        counts = self.counts
        rounded = f", {counts['rounded']} rounded" if counts["rounded"] else ""
        yield f"{counts['stored']} values stored, {counts['there']} already there, {counts['refused']} refused{rounded}"
        yield from self._reasons
        if counts["refused"] > len(self._reasons):
            yield f"... and {counts['refused'] - len(self._reasons)} more"

    def _send(self, point: str) -> None:
        cells = self._waiting.pop(point)
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
