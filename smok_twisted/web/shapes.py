"""What leaves the system, as JSON: the shapes of design note product. Pure.

Ids are texts (a u64 is no JSON number), times RFC 3339 UTC with milliseconds, ages seconds; null is "none".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..clock import rfc3339
from ..devices.values import PointValue
from ..history.imported import is_importable
from ..history.series import Series
from ..modbus.maps import RegisterMap
from ..modbus.points import Point
from ..readings import Fault, quality_of
from ..storage.audit import AuditEntry
from ..storage.records import CommandRecord, EventRecord

if TYPE_CHECKING:
    from ..devices.device import Device
    from ..handshake.keyring import Slot

Shape = dict[str, Any]


def id_text(device_id: int) -> str:
    """A device id as users see it."""
    return f"0x{device_id:016x}"


def device(one: Device, now_us: int) -> Shape:
    """A device as a list shows it."""
    record = one.record
    return {
        "id": id_text(record.device_id),
        "name": record.name,
        "site": record.site or None,
        "model": record.model,
        "link": record.link,
        "connected": one.session is not None,
        "last_contact": _time(one.last_contact_us),
        "age": _age(one.last_contact_us, now_us),
    }


def device_whole(one: Device, slots: Sequence[Slot], now_us: int) -> Shape:
    """A device with all that is set about it; of its secrets only that they are there."""
    record = one.record
    return device(one, now_us) | {
        "model_version": one.register_map.version if one.register_map else None,
        "suite": record.suite,
        "created": rfc3339(record.created_us),
        "may_write": record.may_write,
        "read_only": record.read_only,
        "from": list(record.allow_from),
        "until": _time(record.allow_until_us),
        "source": one.session.source if one.session else None,
        "line_faults": _line_faults(one),
        "secrets": [
            {"kid": slot.kid, "suite": int(slot.suite), "created": rfc3339(slot.created_us), "logins": slot.logins}
            for slot in slots
        ],
    }


def point(one: Point) -> Shape:
    """What a point is."""
    return {
        "point": one.name,
        "title": one.title,
        "unit": one.unit or None,
        "type": one.type,
        "access": one.access,
        "min": one.min,
        "max": one.max,
        "precision": one.precision if one.kind.is_number else None,
        "states": {str(number): name for number, name in one.states} or None,
        "importable": is_importable(one),
    }


def value(one: PointValue, now_us: int) -> Shape:
    """The latest value of a point; never read: no value, no time, no age, and stale."""
    return {
        "point": one.point.name,
        "title": one.point.title,
        "value": one.value,
        "unit": one.point.unit or None,
        "time": _time(one.time_us),
        "age": _age(one.time_us, now_us),
        "quality": one.quality,
        "raw": list(one.raw),
    }


def series(device_id: int, one: Point, columns: Series) -> Shape:
    """A history in columns; times in ms since 1970."""
    shape: Shape = {
        "device": id_text(device_id),
        "point": one.name,
        "unit": one.unit or None,
        "step": columns.step_seconds,
        "time": [time_us // 1000 for time_us in columns.time_us],
        "value": columns.value,
    }
    if columns.lowest is not None:
        shape |= {"min": columns.lowest, "max": columns.highest}
    return shape


def command(record: CommandRecord) -> Shape:
    """A write and how it went; ``error`` is there when there is something to say."""
    body = record.body
    shape = {"id": record.command_id, "state": record.state, "point": record.point}
    shape |= {name: body.get(name) for name in ("value", "before", "read_back")}
    return shape | ({"error": body["error"]} if body.get("error") else {})


def model(one: RegisterMap) -> Shape:
    """A register map, without its points."""
    return {"name": one.name, "version": one.version, "points": len(one.points)}


def event(one: EventRecord) -> Shape:
    """Something that happened."""
    return {
        "id": one.event_id,
        "time": rfc3339(one.time_us),
        "device": None if one.device_id is None else id_text(one.device_id),
        "kind": one.kind,
        "severity": one.severity,
        "text": one.text,
        "acknowledged_by": one.acknowledged_by,
    }


def audit_entry(one: AuditEntry) -> Shape:
    """Who did what."""
    return {
        "seq": one.seq,
        "time": rfc3339(one.time_us),
        "who": one.who,
        "source": one.source,
        "device": None if one.device_id is None else id_text(one.device_id),
        "action": one.action,
        "detail": dict(one.detail),
        "hash": one.hash.hex(),
    }


def _line_faults(one: Device) -> list[Shape] | None:
    """What failed on the serial line behind a device, a row for each unit; None: its link does not tell."""
    if one.record.link != "p24":
        return None
    units = sorted({unit for unit, _ in one.line_faults})
    return [
        {"unit": unit} | {quality_of(fault): one.line_faults[unit, fault] for fault in (Fault.TIMEOUT, Fault.CRC)}
        for unit in units
    ]


def _time(time_us: int | None) -> str | None:
    return None if time_us is None else rfc3339(time_us)


def _age(time_us: int | None, now_us: int) -> float | None:
    return None if time_us is None else max(0, now_us - time_us) // 1000 / 1000
