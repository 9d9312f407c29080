"""Whether the allow entry of a device covers where it comes from, and when (design notes product, p24). Pure."""

from __future__ import annotations

import ipaddress

from ..errors import RemoteError
from ..storage.records import DeviceRecord


def check_allowed(record: DeviceRecord, source: str, now_us: int) -> None:
    """Raise RemoteError("not-allowed") outside the entry; one without networks allows any.

    ``source`` is as ``framing.admission.source_of`` gives it: an address or the /64 of one.
    """
    if record.allow_until_us is not None and now_us > record.allow_until_us:
        raise RemoteError("not-allowed", f"{record.name}: its allow entry has ended")
    if record.allow_from and not any(_lies_in(source, network) for network in record.allow_from):
        raise RemoteError("not-allowed", f"{record.name}: {source} is in none of {', '.join(record.allow_from)}")


def _lies_in(source: str, network: str) -> bool:
    try:
        return ipaddress.ip_network(source).subnet_of(ipaddress.ip_network(network))  # type: ignore[arg-type]
    except (ValueError, TypeError):
        return False
