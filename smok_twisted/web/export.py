"""/devices/{id}/export: the history of a device as CSV, however long."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping

from twisted.internet.defer import CancelledError

from ..clock import rfc3339
from ..devices.device import Device
from ..errors import Damaged, Impossible
from ..history import notes
from ..history.reader import History
from ..history.rows import Format, Rows
from ..history.slices import Span
from ..history.traces import Trace
from ..storage.records import HOUR_US
from .problems import Problem, internal, problem_of
from .routing import Call, route
from .services import WebServices
from .streams import Stream, begun
from .values import points_of

#: Each keeps a page, and the reactor busy.
EXPORTS_AT_MOST = 8
_RETRY_SECONDS = 30
#: Reports that become lines in one go.
_REPORTS_A_PAGE = 100
_REMEDY = "`smok db repack` may put it right, `smok export --skip-damaged` (damaged = skip) goes on without it"


class Export:
    """Handlers."""

    def __init__(self, services: WebServices) -> None:
        self._services = services
        self._running = 0

    @route("GET", "/devices/<device>/export", "point", "from", "to", "layout", "raw", "damaged")
    async def export(self, call: Call, device: str) -> Stream:
        """All points or some (``point=a,b``), from the first report or ``from`` on."""
        found = self._services.registry.find(device)
        form = Format(
            call.query.one_of("layout", ("long", "wide")) == "wide", call.query.one_of("raw", ("0", "1")) == "1"
        )
        if form.is_wide and form.raw:
            raise Impossible("raw = 1 is not accepted with layout = wide: raw words stand in the long layout")
        to_us = call.query.time_us("to", self._services.wall_clock() + HOUR_US)
        span = Span(max(0, call.query.time_us("from", 0)), max(0, to_us))
        if span.from_us >= span.to_us:
            raise Impossible("the export ends before it begins: `from` must be before `to`")
        rows = Rows(self._traces(found, call.query.text("point")), form)
        if self._running >= EXPORTS_AT_MOST:
            headers = {"Retry-After": str(_RETRY_SECONDS)}
            raise Problem(503, f"{self._running} exports are running, no more are accepted: come again later", headers)
        skips = call.query.one_of("damaged", ("refuse", "skip")) == "skip"
        pages = self._pages(found.record.device_id, span, rows, skips)
        return await begun(pages, "text/csv; charset=utf-8", self._services.clock)

    def _traces(self, device: Device, names: str | None) -> Mapping[str, Mapping[int, Trace]]:
        points = points_of(self._services.registry, device)
        if names is None:
            return {point.name: points.traces(point) for point in points.all_read()}
        register_map = self._services.registry.map_of(device.record)
        wanted = [points.get(name) or register_map.point(name) for name in names.split(",")]
        return {point.name: points.traces(point) for point in wanted}

    async def _pages(self, device_id: int, span: Span, rows: Rows, skips: bool) -> AsyncGenerator[bytes, None]:
        self._running += 1
        head, gaps = rows.head(), _Gaps(rows, skips)
        try:
            async for reports in History(self._services.store).reports(device_id, span, gaps.found):
                for start in range(0, len(reports), _REPORTS_A_PAGE):
                    lines = gaps.told() + rows.lines(reports[start : start + _REPORTS_A_PAGE])
                    yield (head + lines).encode()
                    head = ""
            yield (head + gaps.told() + rows.end()).encode()
        except CancelledError:
            raise
        except Exception as error:
            if not head:  # else nothing has been sent, and the answer is a refusal
                yield notes.broke_off((problem_of(error) or internal()).detail).encode()
            raise
        finally:
            self._running -= 1


class _Gaps:
    """Hours that cannot be read."""

    def __init__(self, rows: Rows, skips: bool) -> None:
        self._rows = rows
        self._skips = skips
        self._notes = ""

    def found(self, hour: int, error: Damaged) -> None:
        """Raises Damaged unless the rest is wanted all the same."""
        text = f"{rfc3339(hour * HOUR_US)}: {error}"
        if not self._skips:
            raise Damaged(f"{text}; {_REMEDY}") from None
        self._notes += notes.left_out(text)

    def told(self) -> str:
        """Those that were found meanwhile, after the lines of before."""
        if not self._notes:
            return ""
        told, self._notes = self._rows.end() + self._notes, ""
        return told
