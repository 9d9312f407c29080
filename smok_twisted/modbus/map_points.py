"""One ``[[point]]`` of a register map: from the keys a user wrote to a checked ``Point``.

Source: design note product, "Register maps".
"""

from __future__ import annotations

import dataclasses
import re
from typing import Any

from ..readings import Table
from .codecs import BYTE_ORDERS, TYPES, DataType
from .fields import REQUIRED, Fields, is_integer, shown
from .points import Alarm, Point
from .scaling import decimal_digits

TABLES = {"coil": Table.COIL, "discrete": Table.DISCRETE, "holding": Table.HOLDING, "input": Table.INPUT}
#: The first digit of a 1-based reference such as 40001.
TABLE_OF_DIGIT = {"0": Table.COIL, "1": Table.DISCRETE, "3": Table.INPUT, "4": Table.HOLDING}
NAME = r"[a-z0-9_]+"
MAX_STRING_REGISTERS = 120
MAX_PRECISION = 15
PRIORITIES = ("low", "medium", "high")

#: Keys that say nothing about a BOOL or a STRING.
NUMBER_KEYS = ("scale", "offset", "precision", "deadband", "min", "max")
ALARM_KEYS = ("lo", "hi", "delay", "hysteresis", "priority")
POINT_KEYS = (
    "name", "title", "register", "address", "type", "byte_order", "bit", "length", "scale", "offset", "unit",
    "precision", "deadband", "access", "min", "max", "verify", "states", "alarm", "unit_id", "interval", "report",
)  # fmt: skip

ADDRESS_FORM = 'a whole number from 0 to 65535, or a text with the 1-based reference such as "44090" or "440090"'


@dataclasses.dataclass(frozen=True)
class Defaults:
    """What a point takes from the top of its map."""

    unit_id: int
    interval_ms: int
    report_ms: int
    byte_order: str

    @classmethod
    def of(cls, fields: Fields, fallback: Defaults | None = None) -> Defaults:
        """From the keys of the top, or of a point with the top as fallback."""
        top = fallback or cls(unit_id=1, interval_ms=60_000, report_ms=0, byte_order="ABCD")
        return cls(
            fields.integer("unit_id", top.unit_id, 0, 255),
            fields.duration_ms("interval", top.interval_ms, lowest_ms=100),
            fields.duration_ms("report", top.report_ms),
            fields.choice("byte_order", top.byte_order, BYTE_ORDERS),
        )


def parse_point(table: dict[str, Any], number: int, source: str, top: Defaults) -> Point:
    """``number`` counts the points of the file from 1. Raises UserError."""
    name = table.get("name")
    where = f"{source}: point {shown(name) if isinstance(name, str) else number}"
    fields = Fields(table, where, POINT_KEYS)
    register = TABLES[fields.choice("register", REQUIRED, tuple(TABLES))]
    kind = TYPES[fields.choice("type", "BOOL" if register.is_bits else "UINT16", tuple(TYPES))]
    _check_keys_of_type(fields, register, kind)
    own = Defaults.of(fields, top)
    name = fields.text("name", REQUIRED, NAME, "small letters, digits and _")
    scale, offset = fields.number("scale", 1), fields.number("offset", 0)
    if scale == 0:
        fields.refuse("scale", "= 0 is not accepted, it must be any other number")
    point = Point(
        name=name,
        table=register,
        address=_address(fields, register),
        type=kind.name,
        title=fields.text("title", name),
        unit_id=own.unit_id,
        interval_ms=own.interval_ms,
        report_ms=own.report_ms,
        byte_order=own.byte_order,
        scale=scale,
        offset=offset,
        # Floats are not whole multiples of scale, so their digits are not bounded by those of scale and offset.
        precision=fields.integer(
            "precision", None if kind.is_float else max(map(decimal_digits, (scale, offset))), 0, MAX_PRECISION
        ),
        unit=fields.text("unit", ""),
        deadband=fields.number("deadband", 0),
        access=fields.choice("access", "r", ("r", "rw", "w")),
        min=fields.plain("min", None),
        max=fields.plain("max", None),
        verify=fields.flag("verify", table.get("access") != "w"),
        bit=fields.integer("bit", None, 0, 15),
        length=fields.integer("length", 0, 1, MAX_STRING_REGISTERS),
        states=_states(fields, kind),
        alarm=_alarm(fields),
    )
    _check_together(fields, point)
    return point


def _check_keys_of_type(fields: Fields, register: Table, kind: DataType) -> None:
    """Keys that make no sense for the type are refused rather than ignored."""
    if register.is_bits and not kind.is_bool:
        fields.refuse("type", f'= "{kind.name}" is not accepted for a {register.name.lower()}, it must be BOOL')
    needless = [key for key in NUMBER_KEYS if not kind.is_number]
    needless += ["bit"] if register.is_bits or not kind.is_bool else []
    needless += [] if kind.is_text else ["length"]
    needless += ["states"] if kind.is_text or kind.is_float else []
    needless += ["alarm"] if kind.is_text else []
    for key in filter(fields.has, needless):
        where = "a bit" if register.is_bits else f"type {kind.name}"
        fields.refuse(key, f"is not accepted for {where}, leave it out")
    if kind.is_text and not fields.has("length"):
        fields.refuse("length", f"is missing, a STRING needs 1 to {MAX_STRING_REGISTERS} registers")
    if kind.is_bool and not register.is_bits and not fields.has("bit"):
        fields.refuse("bit", "is missing, a BOOL inside a register needs 0 (least significant) to 15")


def _address(fields: Fields, register: Table) -> int:
    def is_right(value: Any) -> bool:
        if isinstance(value, str):
            return re.fullmatch("[0134]([0-9]{4}|[0-9]{5})", value) is not None and 1 <= int(value[1:]) <= 0x10000
        return is_integer(value) and 0 <= value <= 0xFFFF

    value: str | int = fields.take("address", REQUIRED, is_right, ADDRESS_FORM)
    if isinstance(value, int):
        return value
    meant = TABLE_OF_DIGIT[value[0]]
    if meant is not register:
        digit = next(digit for digit, table in TABLE_OF_DIGIT.items() if table is register)
        fields.refuse(
            "address",
            f'= "{value}" refers to the table "{meant.name.lower()}", for register = "{register.name.lower()}" '
            f"it must begin with {digit}",
        )
    return int(value[1:]) - 1


def _states(fields: Fields, kind: DataType) -> tuple[tuple[int, str], ...]:
    def is_right(value: Any) -> bool:
        return (
            isinstance(value, dict)
            and all(re.fullmatch("[01]" if kind.is_bool else "-?[0-9]{1,10}", number) for number in value)
            and all(isinstance(name, str) and name for name in value.values())
            and len(set(value.values())) == len({int(number) for number in value}) == len(value) > 0
        )

    form = 'a table of whole numbers and different names such as { 0 = "summer", 1 = "winter" }'
    states: dict[str, str] = fields.take("states", None, is_right, form) or {}
    return tuple(sorted((int(number), name) for number, name in states.items()))


def _alarm(fields: Fields) -> Alarm | None:
    form = 'a table such as { lo = -25, hi = 40, delay = "5m", hysteresis = 1, priority = "low" }'
    table = fields.take("alarm", None, lambda value: isinstance(value, dict), form)
    if table is None:
        return None
    inner = Fields(table, f"{fields.where}: alarm", ALARM_KEYS)
    alarm = Alarm(
        inner.plain("lo", None),
        inner.plain("hi", None),
        inner.duration_ms("delay", 0),
        inner.plain("hysteresis", 0) or 0,
        inner.choice("priority", "medium", PRIORITIES),
    )
    if alarm.lo is None and alarm.hi is None:
        fields.refuse("alarm", "has no limit, it must have lo, hi or both")
    if alarm.lo is not None and alarm.hi is not None and alarm.lo >= alarm.hi:
        fields.refuse("alarm", f"has lo = {alarm.lo} and hi = {alarm.hi}, lo must be below hi")
    if alarm.hysteresis < 0:
        inner.refuse("hysteresis", f"= {alarm.hysteresis} is not accepted, it must be 0 or more")
    return alarm


def _check_together(fields: Fields, point: Point) -> None:
    """What single keys cannot tell."""
    if "w" in point.access and point.table in (Table.DISCRETE, Table.INPUT):
        kinds = "a discrete input" if point.table is Table.DISCRETE else "an input register"
        fields.refuse("access", f'= "{point.access}" is not accepted for {kinds}, it must be "r"')
    if point.verify and not point.is_read:
        fields.refuse("verify", '= true is not accepted with access = "w", which cannot be read back')
    if point.deadband < 0:
        fields.refuse("deadband", f"= {shown(point.deadband)} is not accepted, it must be 0 or more")
    if point.min is not None and point.max is not None and point.min > point.max:
        fields.refuse("min", f"= {point.min} is above max = {point.max}, it must not be")
    if "w" in point.access and point.kind.is_number and not point.states:
        for key in ("min", "max"):
            if not fields.has(key):
                fields.refuse(key, "is missing, a number that may be written needs min and max")
    if point.address + point.words_count > 0x10000:
        fields.refuse("address", f"= {point.address} and {point.words_count} registers end beyond 65535")
