"""/devices/{id}/points, values and series: what is read from equipment, now and before."""

from __future__ import annotations

import csv
import io
from typing import Any

from ..clock import rfc3339
from ..devices.device import Device
from ..devices.registry import Registry
from ..errors import UserError
from ..history.reader import History
from ..history.series import AGGREGATES, Question, Series
from ..history.traces import Points
from ..modbus.maps import RegisterMap
from . import shapes
from .replies import Reply
from .routing import Call, route
from .services import WebServices

DAY_US = 24 * 3600 * 1_000_000
_LONGEST_STEP_SECONDS = 366 * 24 * 3600


def points_of(registry: Registry, device: Device) -> Points:
    """All that the device's history has. Raises NotFound when its model is not there."""
    return Points(registry.map_of(device.record).points, list(device.views.values()))


class Values:
    """Handlers."""

    def __init__(self, services: WebServices) -> None:
        self._services = services

    @route("GET", "/devices/<device>/points", "old")
    def points(self, call: Call, device: str) -> Any:
        """The points of the register map in force; ``old=1``: and after them those that only earlier ones had."""
        found = self._services.registry.find(device)
        points = list(self._map(found).points)
        if call.query.one_of("old", ("0", "1")) == "1":
            points += points_of(self._services.registry, found).old
        return {"points": [shapes.point(point) for point in points]}

    @route("GET", "/devices/<device>/values", "watch")
    def values(self, call: Call, device: str) -> Any:
        """The latest value of each point that can be read; ``watch=1`` has them read fast for a while."""
        found = self._services.registry.find(device)
        if call.query.one_of("watch", ("0", "1")) == "1":
            found.look()
        now_us = self._services.wall_clock()
        return {
            "device": shapes.id_text(found.record.device_id),
            "connected": found.session is not None,
            "values": [shapes.value(one, now_us) for one in found.point_values(now_us) if one.point.is_read],
        }

    @route("GET", "/devices/<device>/series", "point", "from", "to", "step", "agg", "format")
    async def series(self, call: Call, device: str) -> Any:
        """The history of one point, the last 24 h unless said otherwise."""
        found = self._services.registry.find(device)
        name = call.query.text("point")
        if name is None:
            raise UserError("point is missing; accepted is the name of a point, as /points lists them")
        points = points_of(self._services.registry, found)
        point = points.get(name) or self._map(found).point(name)
        to_us = call.query.time_us("to", self._services.wall_clock())
        from_us = call.query.time_us("from", to_us - DAY_US)
        step = call.query.integer("step", None, 1, _LONGEST_STEP_SECONDS)
        question = Question(point, from_us, to_us, step, call.query.one_of("agg", AGGREGATES))
        history = History(self._services.store)
        series = await history.series(found.record.device_id, question, points.traces(point), found.views)
        return _csv_reply(series) if _wants_csv(call) else shapes.series(found.record.device_id, point, series)

    def _map(self, device: Device) -> RegisterMap:
        return self._services.registry.map_of(device.record)


def _wants_csv(call: Call) -> bool:
    """``format`` wins over ``Accept``."""
    wanted = call.query.one_of("format", ("json", "csv"))
    return wanted == "csv" if wanted else "text/csv" in (call.header("Accept") or "")


def _csv_reply(columns: Series) -> Reply:
    """The same as text: one line per entry, nothing where there is a gap."""
    names = ["time", "value"]
    lines: list[tuple[Any, ...]] = list(zip(map(rfc3339, columns.time_us), columns.value, strict=True))
    if columns.lowest is not None and columns.highest is not None:
        names += ["min", "max"]
        lines = [(*line, *rest) for line, *rest in zip(lines, columns.lowest, columns.highest, strict=True)]
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(names)
    writer.writerows([_plain(one) for one in line] for line in lines)
    return Reply(text.getvalue().encode(), "text/csv; charset=utf-8", headers={"Cache-Control": "no-store"})


def _plain(value: Any) -> Any:
    """Truths as in JSON."""
    return str(value).lower() if isinstance(value, bool) else value
