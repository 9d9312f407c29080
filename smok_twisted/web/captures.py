"""/devices/{id}/capture.pcap: what a device and the daemon have said, for tshark and ``smok replay``."""

from __future__ import annotations

from ..errors import Conflict
from .replies import Reply
from .routing import Call, Rights, route
from .services import WebServices

#: Devices that are captured at the same time: each may keep 1 MiB.
CAPTURES_AT_MOST = 16


class Captures:
    """Handlers."""

    def __init__(self, services: WebServices) -> None:
        self._services = services

    @route("GET", "/devices/<device>/capture.pcap", rights=Rights.ADMIN)
    def capture(self, call: Call, device: str) -> Reply:
        """The last octets, sealed as they were; the first call begins the capture, an hour without one ends it."""
        found = self._services.registry.find(device)
        if not found.is_captured:
            self._check_room()
            self._services.audit(call.principal, "device-capture", found.record.device_id)
        octets = found.captured().pcap()
        return Reply(octets, "application/vnd.tcpdump.pcap", headers={"Cache-Control": "no-store"})

    def _check_room(self) -> None:
        captured = sum(one.is_captured for one in self._services.registry.devices.values())
        if captured >= CAPTURES_AT_MOST:
            raise Conflict(
                f"{captured} devices are captured already, no more are accepted; "
                "a capture ends an hour after it was last asked for"
            )
