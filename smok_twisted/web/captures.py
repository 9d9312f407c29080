"""/devices/{id}/capture.pcap: what a device and the daemon have said, for tshark and ``smok replay``."""

from __future__ import annotations

from .replies import Reply
from .routing import Call, Rights, route
from .services import WebServices


class Captures:
    """Handlers."""

    def __init__(self, services: WebServices) -> None:
        self._services = services

    @route("GET", "/devices/<device>/capture.pcap", rights=Rights.ADMIN)
    def capture(self, call: Call, device: str) -> Reply:
        """The last octets, sealed as they were; the first call begins the capture, an hour without one ends it."""
        octets = self._services.registry.find(device).captured().pcap()
        return Reply(octets, "application/vnd.tcpdump.pcap", headers={"Cache-Control": "no-store"})
