"""``smok values`` and ``smok series``: what the daemon knows of a device's points, now and before."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..clock import rfc3339, wall_clock_us
from .arguments import Commands, connection, name, one_of, output
from .output import NOTHING, Column, age, plain, value_text
from .times import past, whole_seconds

if TYPE_CHECKING:
    from .tool import Tool

#: Shorter than the time for which the daemon goes on reading fast after each look.
WATCH_SECONDS = 2.0
HOME_AND_CLEAR = "\x1b[H\x1b[2J"

VALUES = (
    Column("point", "POINT"),
    Column("title", "TITLE"),
    Column("value", "VALUE", right=True),
    Column("unit", "UNIT"),
    Column("age", "AGE", age),
    Column("quality", "QUALITY"),
)
VALUES_CSV = (*VALUES[:4], Column("time", ""), *VALUES[4:], Column("raw", ""))
SERIES = (Column("time", "TIME"), Column("value", "VALUE", right=True))
BAND = (Column("min", "MIN", right=True), Column("max", "MAX", right=True))

SERIES_EXAMPLES = """\
  smok series cellar flow_temperature --from 6h
  smok series cellar flow_temperature --from 2026-01-01 --to 2026-02-01 --step 1h --agg max --csv"""


def add_to(commands: Commands) -> None:
    """``smok values``, ``smok series``"""
    values = commands.add("values", _values, "the latest values of a device", "", connection(), output("csv"))
    values.add_argument("device", metavar="DEVICE", type=name, help="name or id")
    values.add_argument("--watch", action="store_true", help="have it read fast, and show again every two seconds")
    series = commands.add(
        "series", _series, "the history of a point, the last 24 h unless said otherwise", SERIES_EXAMPLES,
        connection(), output("csv"),
    )  # fmt: skip
    series.add_argument("device", metavar="DEVICE", type=name, help="name or id")
    series.add_argument("point", metavar="POINT")
    series.add_argument("--from", metavar="TIME", help="RFC 3339, a date, or how long ago: 24h, 7d")
    series.add_argument("--to", metavar="TIME", help="the same; default: now")
    series.add_argument("--step", metavar="DURATION", help="one value for each such time: 5m, 1h (default: as read)")
    series.add_argument(
        "--agg", metavar="mean|min|max|last", type=one_of("mean", "min", "max", "last"), help="what stands for a step"
    )


class Shown:
    """How the values of a device's points look to a person; ``points`` as the API lists them."""

    def __init__(self, points: Iterable[dict[str, Any]]) -> None:
        self._points = {point["point"]: point for point in points}

    def __contains__(self, name: str) -> bool:
        return name in self._points

    def kind(self, name: str) -> str | None:
        """The type of a point."""
        return self._points.get(name, {}).get("type")

    def value(self, name: str, value: Any) -> str:
        """``value`` with all its digits, or the name of its state."""
        point = self._points.get(name, {})
        state = (point.get("states") or {}).get(str(int(value))) if isinstance(value, bool | int) else None
        return value_text(value, state, point.get("precision"))

    def with_unit(self, name: str, value: Any) -> str:
        """The same with the unit."""
        text, unit = self.value(name, value), self._points.get(name, {}).get("unit")
        return f"{text} {plain(unit)}" if unit and text != NOTHING else text


def _values(tool: Tool) -> None:
    shown = Shown(tool.api.get("devices", tool.args.device, "points")["points"])
    if not tool.args.watch:
        return _print_values(tool, shown, None)
    while True:
        if tool.output.is_terminal:
            tool.output.text(HOME_AND_CLEAR)
        _print_values(tool, shown, 1)
        tool.output.flush()
        time.sleep(WATCH_SECONDS)


def _print_values(tool: Tool, shown: Shown, watch: int | None) -> None:
    answer = tool.api.get("devices", tool.args.device, "values", query={"watch": watch})
    if tool.output.form == "csv":
        return tool.output.rows(answer, answer["values"], VALUES_CSV)
    rows = [row | {"value": shown.value(row["point"], row["value"])} for row in answer["values"]]
    tool.output.rows(answer, rows, VALUES)
    if tool.output.form == "table" and not answer["connected"]:
        tool.output.line("(the device is not connected)")


def _series(tool: Tool) -> None:
    now_us = wall_clock_us()
    args = vars(tool.args)
    query = {"point": args["point"], "agg": args["agg"], "step": args["step"] and whole_seconds(args["step"])}
    query |= {name: args[name] and past(args[name], now_us) for name in ("from", "to")}
    answer = tool.api.get("devices", args["device"], "series", query=query)
    columns = (*SERIES, *BAND) if "min" in answer else SERIES
    rows = [
        {"time": rfc3339(1000 * time_ms)} | dict(zip([column.key for column in columns[1:]], values, strict=True))
        for time_ms, *values in zip(*(answer[column.key] for column in columns), strict=True)
    ]
    tool.output.rows(answer, rows, columns)
