"""``smok login``: into the daemon's page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .arguments import Commands, connection, output

if TYPE_CHECKING:
    from .tool import Tool


def add_to(commands: Commands) -> None:
    """``smok login``"""
    commands.add(
        "login", _login, "print a link that opens the page signed in, once and within ten minutes", "", connection(),
        output(),
    )  # fmt: skip


def _login(tool: Tool) -> None:
    answer = tool.api.post("signin", body={})
    if tool.output.form == "json":
        return tool.output.json(answer)
    tool.output.line(answer["url"])
