"""How the daemon is: for people, for whatever restarts it, and for Prometheus; and what its API is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prometheus_client.exposition import choose_encoder

from .. import __version__
from ..clock import rfc3339
from .replies import Reply, json_reply
from .routing import Call, Rights, page, route
from .services import WebServices

_RETRY_SECONDS = 10
_OPENAPI = Path(__file__).with_name("openapi.json")


class Status:
    """Handlers."""

    def __init__(self, services: WebServices) -> None:
        self._services = services
        self._openapi = _OPENAPI.read_bytes()

    @page("GET", "/healthz")
    def healthz(self, call: Call) -> Any:
        """The process lives."""
        return {"status": "ok"}

    @page("GET", "/readyz")
    def readyz(self, call: Call) -> Reply:
        """Whether what comes in becomes durable here; a database that is away is told, and no reason to restart."""
        storage = self._storage()
        if storage["state"] == "ok":
            return json_reply({"status": "ok", "storage": storage})
        if storage["state"] == "away":
            return json_reply({"status": "degraded", "storage": storage})
        return json_reply({"status": "degraded", "storage": storage}, 503, Retry_After=str(_RETRY_SECONDS))

    @page("GET", "/metrics")
    def metrics(self, call: Call) -> Reply:
        """The figures, read here and not in a thread of their own: what they count changes in this one."""
        encode, content_type = choose_encoder(call.header("Accept") or "")
        return Reply(encode(self._services.metrics.registry), content_type, headers={"Cache-Control": "no-store"})

    @route("GET", "/status")
    def status(self, call: Call) -> Any:
        """The daemon in a few figures."""
        devices = self._services.registry.devices.values()
        return {
            "name": self._services.settings.daemon.name,
            "version": __version__,
            "time": rfc3339(self._services.wall_clock()),
            "storage": self._storage(),
            "devices": len(devices),
            "connected": sum(device.session is not None for device in devices),
            "models": len(self._services.registry.models()),
        }

    @route("GET", "/openapi.json", rights=Rights.ANYONE)
    def openapi(self, call: Call) -> Reply:
        """The description of this API."""
        return Reply(self._openapi, headers={"Cache-Control": "no-cache"})

    def _storage(self) -> Any:
        health = self._services.store.health
        return {"state": health.state, "since": rfc3339(health.since_us), "detail": health.detail or None}
