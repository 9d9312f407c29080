"""/devices/{id}/capture.pcap: what a device and the daemon have said, for tshark and ``smok replay``."""

from __future__ import annotations

from itertools import islice

from twisted.internet.task import deferLater

from ..errors import Conflict
from ..observe.export import export_parts
from .replies import Reply
from .routing import Call, Rights, route
from .services import WebServices

#: Devices that are captured at the same time: each may keep 1 MiB.
CAPTURES_AT_MOST = 16
#: Packets of a file that are made in one go: some milliseconds.
SLICE_PACKETS = 100


class Captures:
    """Handlers."""

    def __init__(self, services: WebServices) -> None:
        self._services = services

    @route("GET", "/devices/<device>/capture.pcap", rights=Rights.ADMIN)
    async def capture(self, call: Call, device: str) -> Reply:
        """The last octets, sealed as they were; the first call begins the capture, an hour without one ends it."""
        found = self._services.registry.find(device)
        if not found.is_captured:
            self._check_room()
            self._services.audit(call.principal, "device-capture", found.record.device_id)
        parts, octets = export_parts(found.captured().conversations()), bytearray()
        while some := list(islice(parts, SLICE_PACKETS)):
            octets += b"".join(some)
            if len(some) == SLICE_PACKETS:
                await deferLater(self._services.clock, 0)  # everybody else's turn
        headers = {"Cache-Control": "no-store"}
        return Reply(bytes(octets), "application/vnd.tcpdump.pcap", headers=headers, may_shrink=False)

    def _check_room(self) -> None:
        captured = sum(one.is_captured for one in self._services.registry.devices.values())
        if captured >= CAPTURES_AT_MOST:
            raise Conflict(
                f"{captured} devices are captured already, no more are accepted; "
                "a capture ends an hour after it was last asked for"
            )
