"""``smok export``: the history of a device as CSV or Parquet, however long."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from ..clock import parse_rfc3339, wall_clock_us
from ..errors import StorageError, UserError
from ..history import notes
from .arguments import Commands, connection, name, one_of
from .new_file import new_file, new_text
from .output import one_line
from .problems import Refused, Unreachable
from .progress import Step, progress, tell
from .times import past

if TYPE_CHECKING:
    from .tool import Tool

EXAMPLES = """\
  smok export cellar -o cellar.csv
  smok export cellar outside flow --from 2026-01-01 --to 2026-02-01 --wide -o january.csv
  smok export cellar --from 365d --format parquet -o year.parquet

Long (a line for each time and point, with the quality) is for pandas and databases:
  pandas.read_csv("cellar.csv", parse_dates=["time"]).pivot_table("value", "time", "point")
Wide (--wide: a column for each point, empty where there is no value) is for spreadsheets."""

#: Lines between two looks at how far we are.
_LINES_A_STEP = 2000
_DAY_US = 86_400_000_000


def add_to(commands: Commands) -> None:
    """``smok export``"""
    text = "the history of a device as CSV or Parquet, all of it unless said otherwise"
    add = commands.add("export", _export, text, EXAMPLES, connection()).add_argument
    add("device", metavar="DEVICE", type=name, help="name or id")
    add("points", metavar="POINT", nargs="*", help="default: all that were ever read")
    add("--from", metavar="TIME", help="RFC 3339, a date, or how long ago: 24h, 7d")
    add("--to", metavar="TIME", help="the same; default: now")
    add("--wide", action="store_true", help="a line for each time, a column for each point")
    add("--raw", action="store_true", help="also the words as they were read")
    add("--skip-damaged", action="store_true", help="leave out hours that cannot be decoded, and tell each")
    add("--format", metavar="csv|parquet", type=one_of("csv", "parquet"), default="csv", help="default csv")
    add("-o", "--output", metavar="FILE", type=_path, help='default, and "-": the standard output, for CSV only')


def _path(text: str) -> Path | None:
    return None if text == "-" else Path(text)


def _export(tool: Tool) -> None:
    args, now_us = vars(tool.args), wall_clock_us()
    if args["wide"] and args["raw"]:
        raise UserError("--raw is not accepted with --wide: raw words stand in the long layout")
    span = {name: args[name] and past(args[name], now_us) for name in ("from", "to")}
    query = {"point": ",".join(args["points"]) or None, **span}
    query |= {"layout": "wide" if args["wide"] else None, "raw": "1" if args["raw"] else None}
    query |= {"damaged": "skip" if args["skip_damaged"] else None}
    to_us = parse_rfc3339(span["to"]) if span["to"] else now_us
    gaps = _Gaps(args["device"])
    lines = gaps.without(tool.api.lines("devices", args["device"], "export", query=query))
    with progress(f"export {args['device']}", "day") as step:
        _write(tool, _watched(lines, parse_rfc3339(span["from"]) if span["from"] else None, to_us, step))
    gaps.judge()


def _write(tool: Tool, lines: Iterator[str]) -> None:
    if tool.args.format == "parquet":
        return _parquet(tool, lines)
    with _file(tool.args.output) as stream:
        stream.writelines(lines)


class _Gaps:
    """Hours that were left out of a device's export."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._count = 0

    def without(self, lines: Iterator[str]) -> Iterator[str]:
        """The lines of the history; what stands between them is told. Raises Unreachable with what broke it off."""
        try:
            yield from notes.heard(lines, self._tell)
        except StorageError as error:
            raise Unreachable(f"the export of {self._device} broke off: {error}") from None

    def judge(self) -> None:
        """Raises Refused if there were any: what was written is not all."""
        if self._count:
            hours = "1 damaged hour is" if self._count == 1 else f"{self._count} damaged hours are"
            raise Refused(f"{hours} left out of the export of {self._device}; all else is there")

    def _tell(self, text: str) -> None:
        self._count += 1
        tell(f"smok: {self._device}: left out: {one_line(text)}")


def _watched(lines: Iterator[str], from_us: int | None, to_us: int, step: Step) -> Iterator[str]:
    """The same lines; ``step`` is told how many days of how many are done."""
    for number, line in enumerate(lines):
        if number and number % _LINES_A_STEP == 1:
            time_us = _time_of(line)
            if time_us is not None:
                from_us = time_us if from_us is None else from_us
                step((time_us - from_us) / _DAY_US, (to_us - from_us) / _DAY_US)
        yield line


def _time_of(line: str) -> int | None:
    """Of a line that is not the middle of a text."""
    try:
        return parse_rfc3339(line.partition(",")[0])
    except ValueError:
        return None


def _parquet(tool: Tool, lines: Iterator[str]) -> None:
    from .parquet import write

    args: Any = tool.args
    if args.output is None:
        raise UserError("a Parquet file is not for the standard output: name a file by -o FILE")
    points = tool.api.get("devices", args.device, "points", query={"old": "1"})["points"]
    with new_file(args.output) as path:
        write(path, lines, {point["point"]: point["type"] for point in points})


@contextmanager
def _file(path: Path | None) -> Iterator[TextIO]:
    if path is None:
        yield sys.stdout
        return
    with new_text(path) as stream:
        yield stream
