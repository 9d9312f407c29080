"""``smok device``: the register of devices, and their secrets."""

from __future__ import annotations

import sys
from argparse import SUPPRESS, BooleanOptionalAction
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ..errors import UserError
from .arguments import Commands, Parser, connection, name, network, one_of, output
from .output import NOTHING, Column, age, plain
from .times import last_moment

if TYPE_CHECKING:
    from .tool import Tool

LIST = (
    Column("name", "NAME"),
    Column("site", "SITE"),
    Column("model", "MODEL"),
    Column("link", "LINK"),
    Column("connected", "CONNECTED"),
    Column("age", "LAST CONTACT", age),
    Column("id", "ID"),
)


def _slots(secrets: list[dict[str, Any]]) -> str:
    return "; ".join(f"kid {one['kid']}, suite {one['suite']}, {one['logins']} logins" for one in secrets) or "none"


def _line_faults(units: list[dict[str, Any]] | None) -> str:
    """Of a device whose link does not tell: nothing."""
    if units is None:
        return NOTHING
    return "; ".join(f"unit {one['unit']}: {one['timeout']} timeout, {one['crc']} crc" for one in units) or "none"


SHOW = (
    Column("name", "name"),
    Column("id", "id"),
    Column("site", "site"),
    Column("model", "model"),
    Column("model_version", "version"),
    Column("link", "link"),
    Column("connected", "connected"),
    Column("source", "from address"),
    Column("age", "last contact", age),
    Column("may_write", "may write"),
    Column("read_only", "locked"),
    Column("from", "may come from", lambda networks: plain(networks) if networks else "any network"),
    Column("until", "may come until", lambda time: plain(time) if time else "always"),
    Column("line_faults", "line faults", _line_faults),
    Column("secrets", "secrets", _slots),
    Column("created", "added"),
)

ADD_EXAMPLES = """\
  smok device add cellar --model frisko-rx910 --site "12 Main Street" --may-write
  smok device add pump-7 --model pump --suite 2 --from 10.0.0.0/8 --until 2027-12-31"""
SET_EXAMPLES = """\
  smok device set cellar --may-write
  smok device set cellar --name cellar-2 --from any --until never"""


def add_to(commands: Commands) -> None:
    """``smok device ...``"""
    group = commands.group("device", "the devices that may dial in, and their secrets")
    add = group.add("add", _add, "register a device; prints its secret, once", ADD_EXAMPLES, connection(), output())
    add.add_argument("name", metavar="NAME", type=name)
    _settings(add, required=True)
    add.add_argument("--id", metavar="ID", default=SUPPRESS, help="its id, decimal or 0x and hex digits (default: new)")
    text = "how it comes (default smok4); p24 needs --id and --from"
    add.add_argument("--link", metavar="smok4|p24", type=one_of("smok4", "p24"), default=SUPPRESS, help=text)
    add.add_argument("--suite", metavar="1|2", type=one_of("1", "2"), default=SUPPRESS, help="1 Rabbit, 2 ChaCha20")
    add.add_argument("--may-write", action="store_true", default=SUPPRESS, help="let users write to it")

    group.add("list", _list, "all devices", "", connection(), output("csv"))
    _of_device(group.add("show", _show, "one device, whole", "", connection(), output()))

    change = _of_device(group.add("set", _set, "change a device", SET_EXAMPLES, connection(), output()))
    change.add_argument("--name", metavar="NEW", dest="new_name", type=name, default=SUPPRESS)
    _settings(change, required=False)
    change.add_argument("--may-write", action=BooleanOptionalAction, default=SUPPRESS, help="let users write to it")

    secret = _of_device(group.add("secret", _secret, "a new secret beside the one in use", "", connection(), output()))
    secret.add_argument(
        "--in-session", action="store_true", help="hand it over on the device's connection, instead of printing it"
    )
    remove = _of_device(group.add("remove", _remove, "forget a device and its history", "", connection()))
    remove.add_argument("--yes", action="store_true", help="do not ask")


def _of_device(parser: Parser) -> Parser:
    parser.add_argument("device", metavar="DEVICE", type=name, help="name or id")
    return parser


def _settings(parser: Parser, required: bool) -> None:
    parser.add_argument("--model", required=required, default=SUPPRESS, help="the name of its register map")
    parser.add_argument("--site", default=SUPPRESS, help="where it stands")
    text = 'where it may come from: 10.0.0.0/8, or "any"'
    parser.add_argument("--from", nargs="+", metavar="NETWORK", type=_network_or_any, default=SUPPRESS, help=text)
    parser.add_argument(
        "--until", metavar="DATE", default=SUPPRESS, help='when that ends: 2027-12-31, a time in RFC 3339, or "never"'
    )


def _network_or_any(text: str) -> str:
    return text if text == "any" else network(text)


def _given(args: dict[str, Any]) -> dict[str, Any]:
    """The members of a request that options name."""
    members: dict[str, Any] = {key: args[key] for key in ("model", "site", "id", "link", "may_write") if key in args}
    if "suite" in args:
        members["suite"] = int(args["suite"])
    if "from" in args:
        members["from"] = [] if args["from"] == ["any"] else args["from"]
    if "until" in args:
        members["until"] = None if args["until"] == "never" else last_moment(args["until"])
    return members


_P24_NEEDS = "a device with link p24 proves nothing, so it needs networks it comes from: --from 10.0.0.0/8 192.0.2.7"


def _check_p24(args: dict[str, Any]) -> None:
    """Say what the API would say in words of JSON. Raises UserError."""
    if "suite" in args:
        raise UserError("--suite is not accepted with --link p24, which has neither ciphers nor secrets")
    if "id" not in args:
        raise UserError("--id is missing: a device with link p24 says its own, such as --id 0x30001, or in decimal")
    if args.get("from", ["any"]) == ["any"]:
        raise UserError(f"--from {'any is not accepted' if 'from' in args else 'is missing'}: {_P24_NEEDS}")


def _add(tool: Tool) -> None:
    if vars(tool.args).get("link") == "p24":
        _check_p24(vars(tool.args))
    added = tool.api.post("devices", body={"name": tool.args.name} | _given(vars(tool.args)))
    if tool.output.form == "json":
        return tool.output.json(added)
    tool.output.line(f"device   {added['name']}")
    tool.output.line(f"id       {added['id']}")
    if added["secret"]:
        _print_secret(tool, added)


def _print_secret(tool: Tool, answer: dict[str, Any]) -> None:
    """The secret and what to type at the device."""
    from .access import find_settings, is_here, port_of

    host = urlsplit(tool.api.url).hostname or ""
    server = f"{'SERVER' if is_here(host) else host}:{port_of(find_settings(tool.args).listen.smok4)}"
    file = f"{answer['id']}.secret"
    kid = f" --kid {answer['kid']}" if answer["kid"] else ""
    say = tool.output.line
    say(f"secret   {answer['secret']}   (shown this once)")
    say()
    say("A Linux machine beside the equipment becomes the device by these two lines; put the addresses of this")
    say("server and of the equipment in place of the words in capitals:")
    say()
    say(f"  (umask 077; echo {answer['secret']} > {file})")
    say(
        f"  smok agent --server {server} --device {answer['id']} --secret-file {file}{kid}"
        " --modbus tcp:EQUIPMENT:502"
    )


def _list(tool: Tool) -> None:
    answer = tool.api.all("devices")
    devices = sorted(answer["devices"], key=lambda device: device["name"])
    tool.output.rows(answer, devices, LIST)


def _show(tool: Tool) -> None:
    tool.output.record(tool.api.get("devices", tool.args.device), SHOW)


def _set(tool: Tool) -> None:
    members = _given(vars(tool.args))
    if "new_name" in tool.args:
        members["name"] = tool.args.new_name
    if not members:
        raise UserError("nothing to set: give --name, --site, --model, --from, --until, --may-write or --no-may-write")
    if members.get("from") == [] and tool.api.get("devices", tool.args.device)["link"] == "p24":
        raise UserError(f"--from any is not accepted: {_P24_NEEDS}")
    tool.output.record(tool.api.patch("devices", tool.args.device, body=members), SHOW)


def _secret(tool: Tool) -> None:
    answer = tool.api.post("devices", tool.args.device, "secret", body={"in_session": tool.args.in_session})
    if tool.output.form == "json":
        return tool.output.json(answer)
    if tool.args.in_session:
        return tool.output.line(f"secret {answer['kid']} is on its way; the device uses it from its next login")
    tool.output.line(f"device   {tool.args.device}")
    tool.output.line(f"kid      {answer['kid']}   (the one in use stays good until the device uses this one)")
    _print_secret(tool, answer)


def _remove(tool: Tool) -> None:
    device = tool.api.get("devices", tool.args.device)
    if not tool.args.yes and not _agreed(device["name"]):
        return tool.output.line("nothing was removed")
    tool.api.delete("devices", device["id"])
    tool.output.line(f"removed {device['name']}")


def _agreed(device: str) -> bool:
    if not sys.stdin.isatty():
        raise UserError("removing a device needs a yes: answer at a terminal, or give --yes")
    try:
        answer = input(f"remove {plain(device)} with its secrets and its history? [y/N] ")
    except EOFError:
        return False
    return answer.strip().lower() in ("y", "yes")
