"""A device's allow entry: from which networks it may come, and until when. Pure."""

from __future__ import annotations

import ipaddress

from ..errors import RemoteError
from ..storage.records import DeviceRecord


def check_allowed(record: DeviceRecord, source: str, now_us: int) -> None:
    """Raise RemoteError("not-allowed") outside the entry; without networks a device may come from anywhere.

    ``source`` is what ``framing.admission.source_of`` gives.
    """
    if record.allow_until_us is not None and now_us > record.allow_until_us:
        raise RemoteError("not-allowed", f"{record.name}: its allow entry has ended")
    if record.allow_from and not any(_lies_in(source, network) for network in record.allow_from):
        raise RemoteError("not-allowed", f"{record.name}: {source} is in none of {', '.join(record.allow_from)}")


def _lies_in(source: str, network: str) -> bool:
    """``source`` is an address, or the /64 of one."""
    try:
        return ipaddress.ip_network(source).subnet_of(ipaddress.ip_network(network))  # type: ignore[arg-type]
    except (ValueError, TypeError):
        return False
