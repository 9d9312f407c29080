"""What a user wants written, as MODBUS requests: checked in one place, with the read-back that proves it. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..errors import Impossible, NotAllowed
from ..modbus.maps import RegisterMap
from ..modbus.pdu import Read, Request, read_request, write_request
from ..modbus.points import check_write
from ..readings import Table
from ..storage.records import DeviceRecord


@dataclass(frozen=True)
class Write:
    """One write to equipment."""

    unit: int
    request: Request
    words: tuple[int, ...]  #: what a read-back must give, as ``kept`` gives it
    read_back: Read | None  #: None: the register map says not to verify, or it cannot be read
    shown: Callable[[tuple[int, ...]], Any]  #: words as the user sees them
    point: str | None = None
    mask: int | None = None  #: a bit inside a register: the others are not ours

    def kept(self, words: tuple[int, ...]) -> tuple[int, ...]:
        """What a read-back says about this write."""
        return words if self.mask is None else (words[0] & self.mask,)


def to_point(record: DeviceRecord, register_map: RegisterMap, name: str, value: Any) -> Write:
    """A point's new value in engineering units. Raises NotFound, NotAllowed or Impossible with what would do."""
    check_device(record)
    point = register_map.point(name)
    value = check_write(point, value)
    verified = point.verify and point.is_read
    return Write(
        unit=point.unit_id,
        request=point.write_request(value),
        words=point.encode(value),
        read_back=read_request(point.table, point.address, point.words_count) if verified else None,
        shown=point.decode,
        point=name,
        mask=None if point.bit is None else point.bit_mask,
    )


def to_registers(record: DeviceRecord, unit: int, table: Table, address: int, values: tuple[int, ...]) -> Write:
    """Raw values to coils or holding registers; for administrators."""
    check_device(record)
    if not 0 <= unit <= 255:
        raise Impossible(f"unit {unit} is not accepted: a number from 0 to 255")
    request = write_request(table, address, values)
    return Write(unit, request, values, read_request(table, address, len(values)), list)


def check_device(record: DeviceRecord) -> None:
    """Raise NotAllowed unless the device may be written to now; the text says what would allow it."""
    allow = f"`smok device set {shlex.quote(record.name)} --may-write` allows it"
    if not record.may_write:
        raise NotAllowed(f"device {record.name!r} may not be written to; {allow}")
    if record.read_only:
        raise NotAllowed(f"device {record.name!r} is read-only since a security event: see its events; {allow}")
