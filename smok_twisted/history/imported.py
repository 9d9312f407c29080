"""Readings that another system kept, as reports of ours. Pure.

A report holds one value. It stands under a plan of its own that reads nothing but its point, so that no neighbouring
register is given a value that nobody read; a bit of a register cannot be imported, as its other bits are not known.
Its name is made of registers and time alone and lies beyond every boot that a device can have (u16): the same reading
again is the same report, whatever its point is called today, and never one of the device's.
"""

from __future__ import annotations

import math
from zlib import crc32

from ..errors import Impossible
from ..modbus.plan import block_of
from ..modbus.points import Point, Value
from ..readings import Block, BlockReport, Report

#: Boots of imported reports begin here, and stay below 2**31.
FIRST_BOOT = 0x1_0000
_BOOTS = (1 << 31) - FIRST_BOOT
_MS_US = 1000


def is_imported(report: Report) -> bool:
    """Whether it came by import."""
    return report.boot >= FIRST_BOOT


def is_importable(point: Point) -> bool:
    """Whether it can have a history that another system kept."""
    return point.is_read and point.bit is None


def block_for(point: Point, interval_seconds: int = 0) -> Block:
    """The one block of the plan under which a point is imported. Raises Impossible.

    ``interval_seconds`` is how far apart the values of the other system are; never less than the register map says.
    """
    if not point.is_read:
        raise Impossible(f"point {point.name!r} is not read (access = {point.access!r}), so it has no history")
    if point.bit is not None:
        raise Impossible(f"point {point.name!r} is a bit of a register, whose other bits would be made up: import none")
    block = block_of(point)
    if interval_seconds <= max(block.interval_seconds, block.report_seconds):
        return block
    return block._replace(interval_seconds=interval_seconds)


def words_of(point: Point, value: Value, rounds: bool) -> tuple[tuple[int, ...], bool]:
    """The words of ``value``, which may be the name of a state, and whether it had to be rounded.

    Raises Impossible when it has none, or, unless it ``rounds``, lies between two raw values.
    """
    if isinstance(value, str) and not point.kind.is_text:
        value = _number(point, value)
    if point.kind.is_text != isinstance(value, str):
        raise Impossible(f"point {point.name!r} does not take {value!r}, it is a {point.type}")
    if point.kind.is_bool and value not in (0, 1):
        raise Impossible(f"point {point.name!r} does not take {value!r}, accepted is true or false")
    if not isinstance(value, str) and not _is_finite(value):
        raise Impossible(f"point {point.name!r} does not take {value!r}, accepted is a number")
    try:
        return point.encode(value), False
    except Impossible:
        if not rounds or isinstance(value, str):
            raise
    return point.encode(value, rounds=True), True


def report_of(device_id: int, plan: int, point: Point, time_us: int, words: tuple[int, ...]) -> Report:
    """``plan`` has ``block_for`` the point as its only block; the time is cut to milliseconds."""
    time_ms = time_us // _MS_US
    place = f"{point.unit_id} {point.table:d} {point.address} {point.words_count}"
    boot = FIRST_BOOT + crc32(place.encode()) % _BOOTS
    blocks = (BlockReport(0, words),)
    return Report(device_id, time_ms * _MS_US, boot, time_ms // 1000 & 0xFFFF, time_ms % 1000, plan, blocks)


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an int beyond every float
        return False


def _number(point: Point, name: str) -> Value:
    found = next((number for number, state in point.states if state == name), None)
    if found is None:
        raise Impossible(f"point {point.name!r} does not take {name!r}, accepted is a number or the name of a state")
    return found
