"""``smok audit`` and ``smok events``: who did what, and what happened; newest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .arguments import Commands, connection, name, output, whole
from .output import Column, one_line

if TYPE_CHECKING:
    from .tool import Tool


def _detail(detail: dict[str, Any]) -> str:
    return one_line(" ".join(f"{name}={value}" for name, value in detail.items() if value is not None))


AUDIT = (
    Column("time", "TIME"),
    Column("who", "WHO"),
    Column("source", "FROM"),
    Column("device", "DEVICE"),
    Column("action", "ACTION"),
    Column("detail", "DETAIL", _detail),
)
EVENTS = (
    Column("time", "TIME"),
    Column("severity", "SEVERITY"),
    Column("device", "DEVICE"),
    Column("kind", "KIND"),
    Column("text", "TEXT"),
    Column("acknowledged_by", "SEEN BY"),
)


def add_to(commands: Commands) -> None:
    """``smok audit``, ``smok events``"""
    for word, run, text in (("audit", _audit, "who did what"), ("events", _events, "what happened to the devices")):
        parser = commands.add(word, run, f"{text}, newest first", "", connection(), output("csv"))
        parser.add_argument("device", metavar="DEVICE", nargs="?", type=name, help="name or id (default: all)")
        parser.add_argument("--limit", metavar="N", type=whole(1, 1000), default=20, help="how many (default 20)")


def _audit(tool: Tool) -> None:
    answer = tool.api.get("audit", query={"device": tool.args.device, "limit": tool.args.limit})
    _print(tool, answer, answer["audit"], AUDIT)


def _events(tool: Tool) -> None:
    parts = ("events",) if tool.args.device is None else ("devices", tool.args.device, "events")
    answer = tool.api.get(*parts, query={"limit": tool.args.limit})
    _print(tool, answer, answer["events"], EVENTS)


def _print(tool: Tool, answer: Any, rows: list[dict[str, Any]], columns: tuple[Column, ...]) -> None:
    """A table has the names of the devices that are still there."""
    if tool.output.form == "table" and any(row["device"] for row in rows):
        names = {device["id"]: device["name"] for device in tool.api.all("devices")["devices"]}
        rows = [row | {"device": names.get(row["device"], row["device"])} for row in rows]
    tool.output.rows(answer, rows, columns)
