"""Who may come in: limits on strangers, counted before anything is believed (design note smok4, "Timers and limits").

Pure: the caller gives the time. Memory is bounded by the number of sources seen in the last seconds.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True)
class AdmissionLimits:
    """Limits on connections that have not logged in yet."""

    unauthenticated: int = 2000  #: connections at once, from anywhere
    per_source: int = 32  #: connections at once, from one source
    accepts_per_second: float = 20.0  #: new connections from one source, and as many in one burst


@lru_cache(maxsize=4096)
def source_of(address: str) -> str:
    """What counts as one source: an IPv4 address, or the /64 of an IPv6 address."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if parsed.version == 4:
        return str(parsed)
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))


class Admission:
    """Counts connections per source. ``enter`` when one is accepted, ``leave`` when it has logged in or gone."""

    def __init__(self, limits: AdmissionLimits) -> None:
        self._limits = limits
        self._burst = max(1.0, limits.accepts_per_second)
        self._refill_seconds = self._burst / limits.accepts_per_second
        self.unauthenticated = 0  #: connections that have not logged in yet
        self._waiting: Counter[str] = Counter()
        self._allowance: dict[str, tuple[float, float]] = {}
        self._swept_seconds = 0.0

    def enter(self, source: str, now_seconds: float) -> str | None:
        """Let one connection in: None, or the word for why not (then do not call ``leave``)."""
        if self.unauthenticated >= self._limits.unauthenticated:
            return "too-many-strangers"
        if self._waiting[source] >= self._limits.per_source:
            return "too-many-from-source"
        if not self._spend(source, now_seconds):
            return "too-fast-from-source"
        self.unauthenticated += 1
        self._waiting[source] += 1
        return None

    def leave(self, source: str) -> None:
        """One connection less to count."""
        self.unauthenticated -= 1
        self._waiting[source] -= 1
        if not self._waiting[source]:
            del self._waiting[source]

    def _spend(self, source: str, now_seconds: float) -> bool:
        self._forget_refilled(now_seconds)
        left, since = self._allowance.get(source, (self._burst, now_seconds))
        left = min(self._burst, left + (now_seconds - since) * self._limits.accepts_per_second)
        self._allowance[source] = (left - 1.0 if left >= 1.0 else left, now_seconds)
        return left >= 1.0

    def _forget_refilled(self, now_seconds: float) -> None:
        """An allowance untouched for so long is full again: forgetting it changes nothing."""
        if now_seconds - self._swept_seconds < self._refill_seconds:
            return
        self._swept_seconds = now_seconds
        since = now_seconds - self._refill_seconds
        self._allowance = {source: entry for source, entry in self._allowance.items() if entry[1] > since}
