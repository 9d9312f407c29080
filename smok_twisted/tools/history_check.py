"""Packed history in the embedded store's file, verified device by device and day by day (``history.checking``)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from ..devices.values import PlanView
from ..errors import StorageError, UserError
from ..history.checking import Damage, PackedDay, damages_of
from ..modbus.maps import RegisterMap, parse_map
from ..readings import Plan, Report
from ..storage import sqlite_packed as packed
from ..storage.records import HOUR_US, HOURS_A_DAY, DeviceRecord, ModelRecord, place_of
from ..storage.sqlite_history import reports
from ..storage.sqlite_registry import load_devices, load_plans, models, number_of
from .progress import Step

#: Damages that are told one by one.
LINES_AT_MOST = 100
_PAGE = 1000
_DAY_US = HOURS_A_DAY * HOUR_US

_DAYS = """
SELECT day FROM summary WHERE device = :device UNION SELECT DISTINCT hour / 24 FROM chunk WHERE device = :device
UNION SELECT DISTINCT time_us / 86400000000 FROM report WHERE device = :device ORDER BY 1"""


class Found(NamedTuple):
    """A damage and where it is."""

    device: DeviceRecord
    day: int
    damage: Damage

    def __str__(self) -> str:
        return f"{self.device.name} (0x{self.device.device_id:016x}), {self.damage.text}"


@dataclass
class Looked:
    """What came of it."""

    days: int = 0
    damages: list[Found] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        """One for each damage, up to a bound."""
        yield from map(str, self.damages[:LINES_AT_MOST])
        if len(self.damages) > LINES_AT_MOST:
            yield f"... and {len(self.damages) - LINES_AT_MOST} more"
        if self.damages:
            again = sum(bool(one.damage.again) for one in self.damages)
            yield f"{len(self.damages)} damages; `smok db repack` puts {again} of them right"


def damages_in(cursor: sqlite3.Cursor, step: Step) -> Looked:
    """Look at all history of all devices that are there; ``step`` is told of the days."""
    maps = {(model.name, model.version): _parsed(model) for model in models(cursor)}
    plans = load_plans(cursor)
    todo = [(record, day) for record in load_devices(cursor).values() for day in _days(cursor, record.device_id)]
    looked = Looked()
    for looked.days, (record, day) in enumerate(todo, start=1):
        views = _views(plans.get(record.device_id, {}), maps)
        found = damages_of(record.device_id, _packed_day(cursor, record.device_id, day), views)
        looked.damages += [Found(record, day, one) for one in found]
        step(looked.days, len(todo))
    return looked


def mark_again(cursor: sqlite3.Cursor, damages: list[Found]) -> int:
    """Let the packer do these hours again, without what cannot be read; how many hours."""
    hours = set()
    for record, day, damage in damages:
        number = number_of(cursor, record.device_id)
        for hour in damage.again:
            hours.add((number, hour))
            if damage.broken == "chunk":
                cursor.execute("DELETE FROM chunk WHERE device = ? AND hour = ?", (number, hour))
        if damage.again and damage.broken == "summary":
            cursor.execute("DELETE FROM summary WHERE device = ? AND day = ?", (number, day))
    for number, hour in hours:
        packed.mark(cursor, number, (hour,))
    return len(hours)


def _days(cursor: sqlite3.Cursor, device_id: int) -> list[int]:
    return [day for (day,) in cursor.execute(_DAYS, {"device": number_of(cursor, device_id)})]


def _parsed(model: ModelRecord) -> RegisterMap:
    try:
        return parse_map(model.text)
    except UserError as error:
        raise StorageError(f"register map {model.name!r}, version {model.version}, is damaged: {error}") from None


def _views(plans: Mapping[int, Plan], maps: Mapping[tuple[str, str], RegisterMap]) -> dict[int, PlanView]:
    return {number: PlanView(plan, maps[plan.model, plan.version]) for number, plan in plans.items()}


def _packed_day(cursor: sqlite3.Cursor, device_id: int, day: int) -> PackedDay:
    first, end = day * HOURS_A_DAY, (day + 1) * HOURS_A_DAY
    summaries = packed.summaries(cursor, device_id, day, day + 1, 1)
    chunks = dict(packed.chunks(cursor, device_id, first, end, HOURS_A_DAY))
    marked = packed.unpacked(cursor, first, end, HOURS_A_DAY, device_id)
    log: dict[int, list[Report]] = {}
    for report in _log(cursor, device_id, day):
        log.setdefault(report.time_us // HOUR_US, []).append(report)
    octets = summaries[0][1] if summaries else None
    return PackedDay(day, octets, chunks, log, frozenset(one.hour for one in marked))


def _log(cursor: sqlite3.Cursor, device_id: int, day: int) -> Iterator[Report]:
    after = None
    while page := reports(cursor, device_id, day * _DAY_US, (day + 1) * _DAY_US, _PAGE, after):
        yield from page
        after = place_of(page[-1])
