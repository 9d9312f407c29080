"""Registers and bits by their raw addresses, in mbpoll's letters: what ``smok read`` and ``smok write`` share."""

from __future__ import annotations

from argparse import Action, Namespace
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import RemoteError, UserError
from ..readings import Table
from .arguments import Parser, one_of, whole
from .problems import Refused, Unreachable

if TYPE_CHECKING:
    from ..modbus.pdu import Read
    from .client import Client

#: ``-t``
TABLES = {"0": Table.COIL, "1": Table.DISCRETE, "3": Table.INPUT, "4": Table.HOLDING}
TABLES_TEXT = {"0": "coils", "1": "discrete inputs", "3": "input registers", "4": "holding registers"}

#: MODBUS exceptions that say that there was no answer (Application Protocol V1.1b3, section 7), and their qualities.
NO_ANSWER = {0x0A: "bus-down", 0x0B: "timeout"}
CONFLICT = 409


class Run(NamedTuple):
    """Registers or bits that follow each other."""

    unit: int
    table: Table
    start: int  #: 0-based address
    first: int  #: what the user calls address 0: 1, or 0


def add_letters(parser: Parser, tables: Collection[str], *zero_based: str) -> Callable[..., Action]:
    """``-a -t -r``, with the ``tables`` that are accepted, and the option that counts from 0 under its names.

    What comes back adds further ones to them.
    """
    add = parser.add_argument_group("raw addresses, in mbpoll's letters").add_argument
    add("-a", dest="unit", metavar="UNIT", type=whole(0, 255), help="unit id (default 1)")
    add("-t", dest="table", metavar="TABLE", type=one_of(*tables), help=f"{_text(tables)} (default 4)")
    add("-r", dest="start", metavar="START", type=whole(0, 65536), help="the first one, counted from 1")
    add(*zero_based, dest="zero_based", action="store_true", help="-0: START is counted from 0")
    return add


def _text(tables: Collection[str]) -> str:
    return ", ".join(f"{number} {TABLES_TEXT[number]}" for number in tables)


def run_of(args: Namespace) -> Run | None:
    """What the letters name; None when there are none. Raises UserError."""
    if args.start is None:
        if args.unit is not None or args.table is not None or args.zero_based:
            raise UserError("-r is missing: raw addresses need the first one, -r START")
        return None
    first = 0 if args.zero_based else 1
    if args.start < first:
        raise UserError("-r 0 is not accepted: the first is counted as 1, or as 0 with -0")
    return Run(1 if args.unit is None else args.unit, TABLES[args.table or "4"], args.start - first, first)


def rows(run: Run, values: tuple[int, ...]) -> list[dict[str, Any]]:
    """Values, a row for each."""
    return [
        {
            "register": run.start + run.first + number,
            "value": value,
            "signed": value - 0x10000 if value & 0x8000 else value,
            "hex": f"0x{value:04x}",
        }
        for number, value in enumerate(values)
    ]


def fetch(api: Client, device: str, unit: int, request: Read, timeout_seconds: float) -> tuple[int, ...]:
    """Have the device read now. Raises ModbusException, Refused, Unreachable."""
    from ..modbus.responses import read_values

    body = {"unit": unit, "pdu": request.encode().hex()}
    try:
        answer = api.post("devices", device, "modbus", body=body, timeout_seconds=timeout_seconds)
        return read_values(request, bytes.fromhex(answer["pdu"]))
    except Refused as error:
        raise without_conflict(error) from None
    except RemoteError as error:
        raise Refused(f"what the equipment sent does not answer the request ({error})") from None


def without_conflict(error: Refused) -> Refused | Unreachable:
    """A device that is not connected is out of reach; nothing else about a request to it can be in conflict."""
    return Unreachable(str(error)) if error.status == CONFLICT else error
