"""``smok read``: have a device read its equipment now."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..clock import rfc3339, wall_clock_us
from ..errors import UserError
from .arguments import Commands, connection, name, output, seconds, whole
from .output import Column
from .problems import Refused, Unreachable
from .registers import NO_ANSWER, TABLES, Run, add_letters, fetch, rows, run_of

if TYPE_CHECKING:
    from ..modbus.points import Point
    from .tool import Tool

WORDS = (
    Column("register", "REGISTER", right=True),
    Column("value", "VALUE", right=True),
    Column("signed", "SIGNED", right=True),
    Column("hex", "HEX", right=True),
)
BITS = WORDS[:2]

USAGE = """\
smok read [options] DEVICE POINT ...
       smok read [options] DEVICE [-a UNIT] [-t 0|1|3|4] -r START [-0] [-c COUNT]"""
EXAMPLES = """\
  smok read cellar flow_temperature outside_temperature
  smok read cellar -a 1 -t 4 -r 4090 -c 5
  smok read cellar -a 1 -t 3 -r 0 -0 -c 10 -l 2000"""


def add_to(commands: Commands) -> None:
    """``smok read``"""
    read = commands.add(
        "read", _read, "have points, or raw registers, read now", EXAMPLES, connection(), output("csv")
    )
    read.usage = USAGE
    read.add_argument("device", metavar="DEVICE", type=name, help="name or id")
    read.add_argument("points", metavar="POINT", nargs="*")
    raw = add_letters(read, tuple(TABLES), "-0", "--zero-based")
    raw("-c", dest="count", metavar="COUNT", type=whole(1, 2000), help="how many (default 1)")
    read.add_argument("-1", dest="once", action="store_true", help="once, as without -l")
    read.add_argument("-l", dest="period_ms", metavar="MS", type=whole(100, 3_600_000), help="again every MS")
    read.add_argument(
        "-o", dest="timeout_seconds", metavar="SECONDS", type=seconds(0.1, 600), default=30.0,
        help="how long an answer may take (default 30)",
    )  # fmt: skip


def _read(tool: Tool) -> int:
    args = tool.args
    run = run_of(args)
    if run is not None and args.points:
        raise UserError(f"{args.points[0]!r} and -r are not accepted together: name points, or a raw address")
    if run is None and (args.count is not None or not args.points):
        raise UserError("what to read is missing: name points, or give a raw address by -r START")
    ask = _registers(tool, run) if run is not None else _points(tool)
    return ask() if args.period_ms is None or args.once else _again_and_again(tool, ask)


def _again_and_again(tool: Tool, ask: Callable[[], int]) -> int:
    """Until Ctrl-C, whatever the answers are."""
    while True:
        try:
            ask()
        except (Refused, Unreachable) as error:
            tool.output.line(f"({error})")
        tool.output.flush()
        time.sleep(tool.args.period_ms / 1000)


def _registers(tool: Tool, run: Run) -> Callable[[], int]:
    from ..modbus.pdu import read_request
    from ..modbus.responses import ModbusException

    request = read_request(run.table, run.start, tool.args.count or 1)

    def ask() -> int:
        try:
            values = fetch(tool.api, tool.args.device, run.unit, request, tool.args.timeout_seconds)
        except ModbusException as error:
            if error.code in NO_ANSWER:
                raise Unreachable(f"the equipment did not answer ({error})") from None
            raise Refused(str(error)) from None
        answer = {"unit": run.unit, "table": run.table.name.lower(), "address": run.start, "values": list(values)}
        tool.output.rows(answer, rows(run, values), BITS if run.table.is_bits else WORDS)
        return 0

    return ask


def _points(tool: Tool) -> Callable[[], int]:
    """With the register map in force; every point is asked for by itself, so that one fault hides no other."""
    from ..modbus.maps import parse_map
    from .values import VALUES, VALUES_CSV, Shown

    device = tool.api.get("devices", tool.args.device)
    register_map = parse_map(tool.api.get_text("models", device["model"]), f"model {device['model']}")
    points = [register_map.point(name) for name in tool.args.points]
    shown = Shown(tool.api.get("devices", tool.args.device, "points")["points"])

    def ask() -> int:
        values = [_value(tool, point) for point in points]
        answer = {"device": device["id"], "values": values}
        if tool.output.form == "csv":
            tool.output.rows(answer, values, VALUES_CSV)
        else:
            cells = [value | {"value": shown.value(value["point"], value["value"])} for value in values]
            tool.output.rows(answer, cells, VALUES)
        return max(_code(value["quality"]) for value in values)

    return ask


def _value(tool: Tool, point: Point) -> dict[str, Any]:
    """One point in the shape that ``GET /devices/{id}/values`` has."""
    from ..modbus.pdu import read_request
    from ..modbus.responses import ModbusException

    if not point.is_read:
        raise Refused(f'point {point.name!r} cannot be read: its register map says access = "{point.access}"')
    request = read_request(point.table, point.address, point.words_count)
    raw: tuple[int, ...] = ()
    quality = "good"
    try:
        raw = fetch(tool.api, tool.args.device, point.unit_id, request, tool.args.timeout_seconds)
    except ModbusException as error:
        quality = NO_ANSWER.get(error.code, f"exception-{error.code}")
    return {
        "point": point.name,
        "title": point.title,
        "value": point.decode(raw) if raw else None,
        "unit": point.unit or None,
        "time": rfc3339(wall_clock_us()),
        "age": 0,
        "quality": quality,
        "raw": list(raw),
    }


def _code(quality: str) -> int:
    """The exit code."""
    return 0 if quality == "good" else 3 if quality in NO_ANSWER.values() else 1
