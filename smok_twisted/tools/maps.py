"""``smok map``: register maps, checked here and kept by the daemon."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UserError
from .arguments import Commands, connection, name, output
from .output import Column
from .problems import Refused

if TYPE_CHECKING:
    from ..modbus.estimate import Estimate
    from ..modbus.maps import RegisterMap
    from ..modbus.points import Point
    from ..readings import Block
    from .tool import Tool

CONTENT_TYPE = "application/toml"

BLOCKS = (
    Column("unit", "UNIT", right=True),
    Column("table", "TABLE"),
    Column("from", "FROM", right=True),
    Column("to", "TO", right=True),
    Column("count", "COUNT", right=True),
    Column("interval", "EVERY", right=True),
    Column("report", "SENT AT LEAST EVERY", right=True),
    Column("deadband", "DEADBAND", right=True),
)
TRAFFIC = (
    Column("protocol", ""),
    Column("round_octets", "OCTETS A ROUND", right=True),
    Column("month_octets", "OCTETS A MONTH", lambda octets: f"{octets:,}", right=True),
)
POINTS = (
    Column("name", "POINT"),
    Column("title", "TITLE"),
    Column("unit_id", "UNIT ID", right=True),
    Column("register", "TABLE"),
    Column("address", "ADDRESS", right=True),
    Column("type", "TYPE"),
    Column("unit", "UNIT"),
    Column("access", "ACCESS"),
    Column("min", "MIN", right=True),
    Column("max", "MAX", right=True),
)
MODELS = (Column("name", "MODEL"), Column("version", "VERSION"), Column("points", "POINTS", right=True))


def add_to(commands: Commands) -> None:
    """``smok map ...``"""
    group = commands.group("map", "register maps: what the registers of a model of equipment mean")
    check = group.add(
        "check", _check, "check a file and tell what reading it costs; needs no daemon", "  smok map check boiler.toml",
        output(),
    )  # fmt: skip
    check.add_argument("file", metavar="FILE", help='TOML; "-" is the standard input')
    show = group.add("show", _show, "the points of a model, or all models", "", connection(), output("csv"))
    show.add_argument("model", metavar="MODEL", nargs="?", type=name)
    take = group.add(
        "import", _import, "give the daemon new models, or new versions", "  smok map import models/*.toml",
        connection(), output(),
    )  # fmt: skip
    take.add_argument("files", metavar="FILE", nargs="+")
    export = group.add("export", _export, "a model's TOML, as it was imported", "", connection())
    export.add_argument("model", metavar="MODEL", type=name)
    export.add_argument("-o", "--output", metavar="FILE", help="write it there (default: to the standard output)")


def _check(tool: Tool) -> None:
    from ..modbus.estimate import ASSUMPTIONS

    register_map = _parsed(tool.args.file, _read(tool.args.file))
    cost, blocks = _planned(tool.args.file, register_map)
    traffic = _traffic_rows(cost)
    if tool.output.form == "json":
        return tool.output.json(_check_answer(register_map, cost, blocks, traffic))
    say = tool.output.line
    say(f"{register_map.name} ({register_map.title}), version {register_map.version}: good")
    say(f"{cost.points} points in {cost.requests} requests a cycle: {cost.registers} registers and {cost.bits} bits")
    say()
    tool.output.rows(None, blocks, BLOCKS)
    say()
    tool.output.rows(None, traffic, TRAFFIC)
    say(f"({ASSUMPTIONS})")


def _planned(file: str, register_map: RegisterMap) -> tuple[Estimate, list[dict[str, Any]]]:
    from ..modbus.estimate import estimate
    from ..modbus.plan import plan_blocks

    try:
        return estimate(register_map), [_block_row(block) for block in plan_blocks(register_map)]
    except UserError as error:
        raise Refused(f"{file}: {error}") from None


def _parsed(file: str, text: str) -> RegisterMap:
    """What is not accepted is what a check is there to tell: the answer is no, the usage was right."""
    from ..modbus.maps import parse_map

    try:
        return parse_map(text, file)
    except UserError as error:
        raise Refused(str(error)) from None


def _read(file: str) -> str:
    try:
        return (sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()).decode()
    except OSError as error:
        raise UserError(f"{file}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise Refused(f"{file}: is not UTF-8 at octet {error.start}; accepted is TOML in UTF-8") from None


def _block_row(block: Block) -> dict[str, Any]:
    return {
        "unit": block.unit,
        "table": block.table.name.lower(),
        "from": block.start,
        "to": block.start + block.count - 1,
        "count": block.count,
        "interval": f"{block.interval_seconds} s",
        "report": f"{block.report_seconds or block.interval_seconds} s",
        "deadband": block.deadband if block.report_seconds else None,
    }


def _traffic_rows(cost: Estimate) -> list[dict[str, Any]]:
    numbers = (
        ("SMOK/4", cost.smok4_cycle_octets, cost.smok4_month_octets),
        ("MODBUS/TCP", cost.modbus_tcp_cycle_octets, cost.modbus_tcp_month_octets),
    )
    return [{"protocol": name, "round_octets": cycle, "month_octets": month} for name, cycle, month in numbers]


def _check_answer(register_map: RegisterMap, cost: Estimate, rows: Any, traffic: Any) -> dict[str, Any]:
    return {
        "name": register_map.name,
        "version": register_map.version,
        "points": cost.points,
        "requests": cost.requests,
        "registers": cost.registers,
        "bits": cost.bits,
        "blocks": rows,
        "traffic": traffic,
    }


def _show(tool: Tool) -> None:
    if tool.args.model is None:
        answer = tool.api.get("models")
        return tool.output.rows(answer, answer["models"], MODELS)
    register_map = _parsed(f"model {tool.args.model}", tool.api.get_text("models", tool.args.model))
    rows = [_point_row(point) for point in register_map.points]
    tool.output.rows({"name": register_map.name, "version": register_map.version, "points": rows}, rows, POINTS)


def _point_row(point: Point) -> dict[str, Any]:
    row = {name: getattr(point, name) for name in ("name", "title", "unit_id", "address", "type", "access")}
    return row | {"register": point.table.name.lower(), "unit": point.unit or None, "min": point.min, "max": point.max}


def _import(tool: Tool) -> None:
    """All files are checked before the first is sent."""
    texts = {file: _read(file) for file in tool.args.files}
    for file, text in texts.items():
        _parsed(file, text)
    answers = [tool.api.post_text("models", text=text, content_type=CONTENT_TYPE) for text in texts.values()]
    if tool.output.form == "json":
        return tool.output.json(answers)
    for answer in answers:
        tool.output.line(f"imported {answer['name']} with {answer['points']} points, version {answer['version']}")


def _export(tool: Tool) -> None:
    text = tool.api.get_text("models", tool.args.model)
    if tool.args.output is None:
        return tool.output.text(text)
    try:
        Path(tool.args.output).write_text(text, "utf-8")
    except OSError as error:
        raise UserError(f"{tool.args.output}: cannot be written: {error.strerror}") from None
