"""Register maps: one TOML file is one model of equipment.

Source: design note product, "Register maps". What a user got wrong is a ``UserError`` whose one sentence names the
file, the line (of a syntax error) or the key, the reason and the accepted form.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from ..errors import NotFound, UserError
from ..readings import Table
from .fields import REQUIRED, Fields
from .map_points import TABLES, Defaults, parse_point
from .points import Point

TOP_KEYS = ("name", "title", "unit_id", "interval", "report", "byte_order", "max_registers", "forbidden", "point")
FORBIDDEN_KEYS = ("register", "from", "to")
FORBIDDEN_FORM = 'an array such as [{ register = "holding", from = 100, to = 120 }]'
NAME = r"[a-z0-9-]+"
#: tomllib takes memory that grows with the square of a dotted key's length; no key of ours has even one dot.
MAX_TEXT = 1 << 20
STRING_OR_COMMENT = re.compile(
    r'''""".*?"""|'{3}.*?'{3}|"(?:\\.|[^"\\\n])*"|'[^'\n]*'|\#[^\n]*''', re.DOTALL
)
DEEP_KEY = re.compile(r"(?:[\w \t-]*\.){9}")
VERSION_DIGITS = 16
#: What fits one block of a SMOK/4 plan.
MAX_REGISTERS = 120


class Forbidden(NamedTuple):
    """Addresses, both ends included, that no read may touch."""

    table: Table
    first: int
    last: int

    def touches(self, table: Table, start: int, end: int) -> bool:
        """Whether a run from ``start`` to before ``end`` has one of them."""
        return table is self.table and start <= self.last and end > self.first


@dataclass(frozen=True)
class RegisterMap:
    """A model; ``version`` changes whenever ``text`` does, so that old words keep their meaning."""

    name: str
    title: str
    version: str  #: first 16 hex digits of the SHA-256 of ``text``
    points: tuple[Point, ...]
    forbidden: tuple[Forbidden, ...]
    max_registers: int  #: of one read
    text: str  #: the TOML

    def point(self, name: str) -> Point:
        """The point of that name. Raises NotFound."""
        for point in self.points:
            if point.name == name:
                return point
        names = ", ".join(point.name for point in self.points)
        raise NotFound(f"there is no point {name!r} in model {self.name!r}, which has {names}")


def parse_map(text: str, source: str = "register map") -> RegisterMap:
    """``text`` is the TOML; ``source`` is what errors call it, such as a file name. Raises UserError."""
    top = Fields(_load(text, source), source, TOP_KEYS)
    name = top.text("name", REQUIRED, NAME, "small letters, digits and -")
    defaults = Defaults.of(top)
    tables = top.take("point", REQUIRED, _is_array_of_tables, "one [[point]] or more")
    points = tuple(parse_point(table, number, source, defaults) for number, table in enumerate(tables, 1))
    register_map = RegisterMap(
        name=name,
        title=top.text("title", name),
        version=hashlib.sha256(text.encode()).hexdigest()[:VERSION_DIGITS],
        points=points,
        forbidden=tuple(_forbidden(top, source)),
        max_registers=top.integer("max_registers", MAX_REGISTERS, 1, MAX_REGISTERS),
        text=text,
    )
    for point in points:
        _check_point(register_map, point, source)
    _check_names(points, source)
    return register_map


def _load(text: str, source: str) -> dict[str, Any]:
    if len(text) > MAX_TEXT or DEEP_KEY.search(STRING_OR_COMMENT.sub("", text)):
        raise UserError(f"{source}: a register map has at most {MAX_TEXT} characters, and no keys of many parts")
    try:
        return tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{source}: this is not TOML: {error}") from None
    except (ValueError, ArithmeticError, RecursionError):
        raise UserError(
            f"{source}: a number has too many digits or arrays are nested too deep, see the example of a register map"
        ) from None


def _is_array_of_tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def _forbidden(top: Fields, source: str) -> Iterable[Forbidden]:
    for number, table in enumerate(top.take("forbidden", (), _is_array_of_tables, FORBIDDEN_FORM), 1):
        fields = Fields(table, f"{source}: forbidden {number}", FORBIDDEN_KEYS)
        register = TABLES[fields.choice("register", REQUIRED, tuple(TABLES))]
        first = fields.integer("from", REQUIRED, 0, 0xFFFF)
        yield Forbidden(register, first, fields.integer("to", REQUIRED, first, 0xFFFF))


def _check_point(register_map: RegisterMap, point: Point, source: str) -> None:
    where = f'{source}: point "{point.name}": address'
    if point.words_count > register_map.max_registers:
        raise UserError(
            f"{where} takes {point.words_count} registers, which one read of max_registers = "
            f"{register_map.max_registers} cannot hold"
        )
    for forbidden in register_map.forbidden:
        if forbidden.touches(point.table, point.address, point.address + point.words_count):
            raise UserError(
                f"{where} = {point.address} lies within forbidden {forbidden.table.name.lower()} "
                f"{forbidden.first} to {forbidden.last}, move one of them"
            )


def _check_names(points: Iterable[Point], source: str) -> None:
    name, count = Counter(point.name for point in points).most_common(1)[0]
    if count > 1:
        raise UserError(f'{source}: point "{name}": name is there {count} times, each point needs its own')
