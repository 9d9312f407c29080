"""/events and /audit: what happened, and who did what."""

from __future__ import annotations

from typing import Any

from . import shapes
from .routing import Call, route
from .services import WebServices

PAGE_AT_MOST = 1000
PAGE = 100
_NUMBER_AT_MOST = 2**53


class Trails:
    """Handlers; both lists are newest first."""

    def __init__(self, services: WebServices) -> None:
        self._services = services

    @route("GET", "/events", "limit", "cursor")
    async def events(self, call: Call) -> Any:
        """What happened anywhere."""
        return await self._events(call, None)

    @route("GET", "/devices/<device>/events", "limit", "cursor")
    async def device_events(self, call: Call, device: str) -> Any:
        """What happened to one device."""
        return await self._events(call, self._services.registry.find(device).record.device_id)

    @route("GET", "/audit", "limit", "cursor", "device")
    async def audit(self, call: Call) -> Any:
        """Who did what, to one device if one is named."""
        device = call.query.text("device")
        device_id = None if device is None else self._services.registry.find(device).record.device_id
        limit, before = _page(call)
        found = await self._services.store.audit(limit + 1, before, device_id)
        page = [shapes.audit_entry(one) for one in found[:limit]]
        return {"audit": page, "next": str(page[-1]["seq"]) if len(found) > limit else None}

    async def _events(self, call: Call, device_id: int | None) -> Any:
        limit, before = _page(call)
        found = await self._services.store.events(limit + 1, before, device_id)
        page = [shapes.event(one) for one in found[:limit]]
        return {"events": page, "next": str(page[-1]["id"]) if len(found) > limit else None}


def _page(call: Call) -> tuple[int, int | None]:
    """How many, and before which number. One more is asked for, to know whether there is a next page."""
    return call.query.integer("limit", PAGE, 1, PAGE_AT_MOST), call.query.integer("cursor", None, 0, _NUMBER_AT_MOST)
