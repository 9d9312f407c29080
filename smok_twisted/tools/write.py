"""``smok write``: a point, or raw registers, with the outcome in plain words.

A write is asked for once, with an Idempotency-Key. What is not known to be done is said to be unknown, never tried
again (design note product, "Rules of conduct towards equipment").
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from ..errors import UserError
from .arguments import Commands, connection, name, output, whole
from .problems import NoAnswer, Refused, Unreachable
from .registers import Run, add_letters, run_of, without_conflict
from .times import duration_seconds
from .values import Shown

if TYPE_CHECKING:
    from .tool import Tool

#: What the API waits for at most.
LONGEST_WAIT_SECONDS = 120
TRUTHS = {"true": True, "on": True, "1": True, "false": False, "off": False, "0": False}
ZERO_BASED = "--zero-based"

USAGE = """\
smok write [options] DEVICE POINT VALUE
       smok write [options] DEVICE [-a UNIT] [-t 0|4] -r START [-0] VALUE ..."""
EXAMPLES = """\
  smok write cellar flow_setpoint 60
  smok write cellar season winter --expires 5m
  smok write cellar -a 1 -t 4 -r 4090 600 601"""

_INTEGER = re.compile(r"[+-]?\d+", re.ASCII)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def add_to(commands: Commands) -> None:
    """``smok write``"""
    write = commands.add("write", _write, "set a point, and read it back", EXAMPLES, connection(), output())
    write.usage = USAGE
    write.add_argument("device", metavar="DEVICE", type=name, help="name or id")
    write.add_argument("words", metavar="POINT VALUE", nargs="+", help="in engineering units, or a state's name")
    write.add_argument("--expires", metavar="DURATION", help="let it wait for the device so long: 5m, 2h")
    write.add_argument(
        "--wait", metavar="SECONDS", type=whole(0, LONGEST_WAIT_SECONDS), default=30,
        help="wait so long for the outcome (default 30)",
    )  # fmt: skip
    add_letters(write, ("0", "4"), ZERO_BASED)


def protected(argv: Sequence[str]) -> list[str]:
    """``-0`` written out: argparse would take ``-0.5`` for it, were it an option where values may be negative."""
    return [ZERO_BASED if word == "-0" else word for word in argv]


def _write(tool: Tool) -> int:
    run = run_of(tool.args)
    expiry = {"expires_in": duration_seconds(tool.args.expires)} if tool.args.expires else {}
    if run is not None:
        shown = Shown([])
        body = _raw(run, tool.args.words)
    else:
        point, text = _point_and_text(tool.args.words)
        shown = Shown(tool.api.get("devices", tool.args.device, "points")["points"])
        body = {"point": point, "value": value_of(text, shown.kind(point))}
    answer = _submit(tool, body | expiry)
    if tool.output.form == "json":
        tool.output.json(answer)
    return _told(tool, answer, shown)


def _submit(tool: Tool, body: dict[str, Any]) -> Any:
    wait_seconds = tool.args.wait
    headers = {"Idempotency-Key": uuid4().hex} | ({"Prefer": f"wait={wait_seconds}"} if wait_seconds else {})
    parts = ("devices", tool.args.device, "commands")
    try:
        return tool.api.post(*parts, body=body, headers=headers, timeout_seconds=30 + wait_seconds)
    except Refused as error:
        raise without_conflict(error) from None
    except NoAnswer as error:
        raise Unreachable(f"{error}; whether it was written is not known, `smok audit` may tell") from None


def _told(tool: Tool, answer: dict[str, Any], shown: Shown) -> int:
    """Say how it went; the exit code. Raises Refused and Unreachable."""
    state, point, error = answer["state"], answer["point"] or "", answer.get("error", "no reason is known")
    if state == "refused":
        raise Refused(f"refused: {error}")
    if state == "expired":
        raise Unreachable(f"expired, nothing was written: {error}")
    if state == "unknown":
        raise Unreachable(f"outcome unknown: {error}; it was sent once and is not sent again, look at the equipment")
    if state == "confirmed" and tool.output.form == "table":
        if answer["read_back"] is None:
            tool.output.line(f"confirmed by the equipment, not read back: {shown.with_unit(point, answer['value'])}")
        else:
            tool.output.line(f"confirmed by read-back: {shown.with_unit(point, answer['read_back'])}")
    if state == "confirmed":
        return 0
    return _not_settled(tool, state)


def _not_settled(tool: Tool, state: str) -> int:
    """A write that was allowed to wait for its device, and does."""
    if state == "queued" and tool.args.expires:
        if tool.output.form == "table":
            tool.output.line("queued: written when the device comes; `smok audit` tells how it went")
        return 0
    raise Unreachable(f"no outcome after {tool.args.wait} seconds ({state}); `smok audit` tells how it went")


def value_of(text: str, kind: str | None) -> bool | int | float | str:
    """What a user typed, for a point of that type; what is no number may be the name of a state."""
    if kind == "BOOL":
        return TRUTHS.get(text.lower(), text)
    if kind == "STRING" or not _NUMBER.fullmatch(text):
        return text
    return int(text) if _INTEGER.fullmatch(text) else float(text)


def _point_and_text(words: Sequence[str]) -> tuple[str, str]:
    if len(words) != 2:
        raise UserError(f"{' '.join(words)!r} is not accepted: POINT VALUE, or -r START VALUE ... for raw registers")
    return words[0], words[1]


def _raw(run: Run, words: Sequence[str]) -> dict[str, Any]:
    values = [_raw_value(word, run.table.is_bits) for word in words]
    return {"unit": run.unit, "table": run.table.name.lower(), "address": run.start, "values": values}


def _raw_value(text: str, is_bit: bool) -> int:
    """Negative numbers are taken as the word that a signed register has."""
    least, most = (0, 1) if is_bit else (-0x8000, 0xFFFF)
    if not _INTEGER.fullmatch(text) or not least <= int(text) <= most:
        raise UserError(f"the raw value {text!r} is not accepted: a whole number from {least} to {most}")
    return int(text) & 0xFFFF
