"""POST /devices/{id}/history: readings that another system kept, some at a time."""

from __future__ import annotations

from typing import Any

from ..devices.device import Device
from ..errors import Impossible, UserError
from ..history.import_page import Page, There
from ..history.imported import block_for
from ..history.reader import History
from ..history.traces import traces_of
from ..modbus.points import Point
from ..readings import Report
from .members import Members
from .routing import Call, Rights, route
from .services import WebServices

VALUES_AT_MOST = 1000
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
        registry = self._services.registry
        found = registry.find(device)
        members = call.members("point", "time", "value", "round", "interval")
        point = registry.map_of(found.record).point(members.text("point"))
        values = _values(members)
        block_for(point)  # what cannot be imported is refused, whatever is there
        interval_seconds = _interval_seconds(members)
        now_us = self._services.wall_clock()
        page = Page(found.record.device_id, point, members.flag("round", False), now_us)
        for index, (time_ms, value) in enumerate(values):
            page.add(index, 1000 * time_ms, value)
        page.compare(await self._there(found, point, page))
        if page.has_fresh:
            plan = await registry.plan_for_import(found, point, interval_seconds)
            await self._store(found, page.fresh(plan), now_us)
        said = page.said()
        self._services.audit(
            call.principal, "history-import", found.record.device_id, point=point.name, stored=said["stored"]
        )
        return said

    async def _store(self, device: Device, fresh: list[Report], now_us: int) -> None:
        await self._services.store.backfill(device.record.device_id, fresh)
        for report in fresh:
            device.values.update(report, now_us)  # as it would be after a restart: the store keeps the latest, too

    async def _there(self, device: Device, point: Point, page: Page) -> There:
        """In the log or packed, under any version of the register map."""
        history = History(self._services.store)
        names = {one.name for one in self._services.registry.map_of(device.record).points}
        there = There(traces_of(point, device.views.values(), names))
        for span in page.spans:
            async for reports in history.reports(device.record.device_id, span):
                there.add(reports)
        return there


def _values(members: Members) -> list[tuple[int, Any]]:
    """Each with its time."""
    times = members.list_of("time", [], (int,), _TIMES_FORM)
    values = members.list_of("value", [], (int, float, bool, str), _VALUES_FORM)
    if len(times) != len(values):
        raise UserError(f"time has {len(times)} entries and value has {len(values)}; accepted are as many")
    if len(times) > VALUES_AT_MOST or not all(0 <= time < _LAST_MS for time in times):
        raise Impossible(f"time is not accepted: {_TIMES_FORM}")
    return list(zip(times, values, strict=True))


def _interval_seconds(members: Members) -> int:
    seconds: int = members.integer("interval", 1)
    if not 1 <= seconds <= _INTERVAL_SECONDS_AT_MOST:
        raise Impossible(f"interval is not accepted: whole seconds from 1 to {_INTERVAL_SECONDS_AT_MOST}")
    return seconds
