"""POST /devices/{id}/history: readings that another system kept, some at a time."""

from __future__ import annotations

from typing import Any

from ..devices.device import Device
from ..errors import Impossible, UserError
from ..history.imported import is_imported, report_of, words_of
from ..history.reader import History
from ..history.slices import Span
from ..modbus.points import Point
from ..readings import Report
from ..storage.records import HOUR_US, Place, place_of
from .routing import Call, Rights, route
from .services import WebServices

VALUES_AT_MOST = 1000
#: Refusals that are told in words.
REASONS_AT_MOST = 5
_LAST_MS = 1 << 42  # in the year 2109
_TIMES_FORM = f"a list of up to {VALUES_AT_MOST} times in milliseconds since 1970 UTC, from 0 to 2**42"
_INTERVAL_SECONDS_AT_MOST = 366 * 24 * 3600
_VALUES_FORM = "a list of numbers, truths and texts, one for each time"


class Imports:
    """Handlers."""

    def __init__(self, services: WebServices) -> None:
        self._services = services

    @route("POST", "/devices/<device>/history", rights=Rights.ADMIN)
    async def add(self, call: Call, device: str) -> Any:
        """Values of one point. What is stored already stays as it is, and so does the device's cursor."""
        found = self._services.registry.find(device)
        members = call.members("point", "time", "value", "round", "interval")
        point = self._services.registry.map_of(found.record).point(members.text("point"))
        times = members.list_of("time", [], (int,), _TIMES_FORM)
        values = members.list_of("value", [], (int, float, bool, str), _VALUES_FORM)
        if len(times) != len(values):
            raise UserError(f"time has {len(times)} entries and value has {len(values)}; accepted are as many")
        if len(times) > VALUES_AT_MOST or not all(0 <= time < _LAST_MS for time in times):
            raise Impossible(f"time is not accepted: {_TIMES_FORM}")
        interval_seconds = members.integer("interval", 1)
        if not 1 <= interval_seconds <= _INTERVAL_SECONDS_AT_MOST:
            raise Impossible(f"interval is not accepted: whole seconds from 1 to {_INTERVAL_SECONDS_AT_MOST}")
        plan = await self._services.registry.plan_for_import(found, point, interval_seconds)
        page = _Page(found, point, plan)
        for index, (time_ms, value) in enumerate(zip(times, values, strict=True)):
            page.add(index, 1000 * time_ms, value, members.flag("round", False))
        fresh = await self._fresh(found, page.reports)
        await self._services.store.backfill(found.record.device_id, fresh)
        said = {"stored": len(fresh), "there": len(page.reports) + page.repeats - len(fresh)} | page.said()
        self._services.audit(
            call.principal, "history-import", found.record.device_id, point=point.name, stored=len(fresh)
        )
        return said

    async def _fresh(self, device: Device, reports: dict[Place, Report]) -> list[Report]:
        """Those that are not there, neither in the log nor packed."""
        history, there = History(self._services.store), set()
        for hour in sorted({place.time_us // HOUR_US for place in reports}):
            span = Span(hour * HOUR_US, (hour + 1) * HOUR_US)
            async for page in history.reports(device.record.device_id, span):
                there |= {place_of(one) for one in page if is_imported(one)}
        return [report for place, report in reports.items() if place not in there]


class _Page:
    """Values of one request on their way to reports."""

    def __init__(self, device: Device, point: Point, plan: int) -> None:
        self.reports: dict[Place, Report] = {}
        self.repeats = 0
        self._device_id = device.record.device_id
        self._point = point
        self._plan = plan
        self._rounded = self._refused = 0
        self._reasons: list[dict[str, Any]] = []

    def add(self, index: int, time_us: int, value: Any, rounds: bool) -> None:
        """Count it, whatever becomes of it."""
        try:
            words, is_rounded = words_of(self._point, value, rounds)
        except Impossible as error:
            self._refused += 1
            if len(self._reasons) < REASONS_AT_MOST:
                self._reasons.append({"index": index, "reason": str(error)})
            return
        self._rounded += is_rounded
        report = report_of(self._device_id, self._plan, self._point.name, time_us, words)
        self.repeats += place_of(report) in self.reports
        self.reports.setdefault(place_of(report), report)

    def said(self) -> dict[str, Any]:
        """As JSON."""
        return {"refused": self._refused, "rounded": self._rounded, "reasons": self._reasons}
