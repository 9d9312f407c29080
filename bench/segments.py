"""Octets as they cross an IP network, headers included, over a connection in memory. The rule:

- what an end writes in one go is one TCP segment for each 1,460 octets, and each segment costs 40 octets more (IPv4 and
  TCP without options; below IP nothing is counted);
- whoever got a segment acknowledges it with its own next segment, if that comes within 40 ms (the delayed
  acknowledgement of Linux); else with an empty one of 40 octets.

Nothing is lost and nothing repeated; opening and closing the connection are not counted.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from smok_twisted.testing import Wire

HEADER_OCTETS = 40
SEGMENT_OCTETS = 1460
DELAYED_ACK_SECONDS = 0.04

SERVER, DEVICE = 0, 1


class Traffic(NamedTuple):
    """Octets in each direction."""

    to_server: float
    to_device: float

    @property
    def total(self) -> float:
        """Both directions."""
        return self.to_server + self.to_device

    def each(self, parts: int) -> Traffic:
        """The share of one part."""
        return Traffic(self.to_server / parts, self.to_device / parts)


class Tally:
    """Counts by the rule of this module. ``now`` is in seconds."""

    def __init__(self) -> None:
        self._sent = [0, 0]
        self._owes_since: list[float | None] = [None, None]

    def segment(self, giver: int, octets: int, now: float) -> None:
        """An end has written."""
        self.settle(now)
        segments = -(-octets // SEGMENT_OCTETS)
        self._sent[giver] += octets + HEADER_OCTETS * segments
        self._owes_since[giver] = None
        if self._owes_since[1 - giver] is None:
            self._owes_since[1 - giver] = now

    def settle(self, now: float) -> None:
        """Acknowledgements that could not wait any longer are sent."""
        for end, since in enumerate(self._owes_since):
            if since is not None and now - since >= DELAYED_ACK_SECONDS:
                self._sent[end] += HEADER_OCTETS
                self._owes_since[end] = None

    def traffic(self, now: float) -> Traffic:
        """Everything up to now."""
        self.settle(now)
        return Traffic(self._sent[DEVICE], self._sent[SERVER])


def of_exchange(*messages: tuple[int, int]) -> Traffic:
    """What an exchange costs in which each message answers the one before at once; (end, octets) each."""
    tally = Tally()
    for end, octets in messages:
        tally.segment(end, octets, 0.0)
    return tally.traffic(1.0)


class CountedWire(Wire):
    """Counts what travels. ``clock`` tells when; the server is the first end."""

    def __init__(self, server: Any, device: Any, clock: Any, device_host: str = "198.51.100.1") -> None:
        super().__init__(server, device, "192.0.2.1", device_host)
        self.tally = Tally()
        self._clock = clock
        for protocol, transport in self.ends:
            protocol.makeConnection(transport)

    def _deliver(self, giver: int, taker: int) -> bool:
        octets = sum(map(len, self.ends[giver][1].sent))
        delivered = super()._deliver(giver, taker)
        if delivered:
            self.tally.segment(giver, octets, self._clock.seconds())
        return delivered
