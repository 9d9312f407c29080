"""``smok import``: history that another system kept, from CSV into a device's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO
from zoneinfo import ZoneInfo

from ..errors import UserError
from .arguments import Commands, connection, name
from .csv_history import Form, Table
from .import_pages import Import
from .progress import Step, progress
from .times import whole_seconds

if TYPE_CHECKING:
    from .output import Output
    from .tool import Tool

EXAMPLES = """\
  smok import old.csv --device cellar --timezone Europe/Warsaw
  smok import scada.csv --device cellar --map-columns "T outside=outside" "Q=flow" --decimal-comma --round

The file has a head, a column of times and one for each point; or columns time, point and value, as `smok export`
writes them. Interrupted, or repeated, it stores each value once."""

_LINES_A_STEP = 1000


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
    add("--interval", metavar="5m", help="from one value to the next; default: as the file begins, for each point")
    add("--round", action="store_true", help="take the nearest value that the registers can hold")


def _import(tool: Tool) -> int | None:
    args: Any = tool.args
    form = Form(dict(map(_pair, args.map_columns)), args.time_column, _zone(args.timezone), args.decimal_comma)
    points = tool.api.get("devices", args.device, "points")["points"]
    done = Import(tool.api, args.device, args.round, args.interval and whole_seconds(args.interval))
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


def _watched(stream: TextIO, octets: int, step: Step) -> Iterator[str]:
    done = 0
    for number, line in enumerate(stream):
        done += len(line.encode())
        if number % _LINES_A_STEP == 0:
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
