"""Octets as they cross an IP network, headers included, over a connection in memory. The rule:

- what an end writes in one go is one TCP segment for each 1,460 octets, and each segment costs 40 octets more (IPv4 and
  TCP without options; below IP nothing is counted);
- whoever got a segment acknowledges it as Linux does. An end that has answered within 40 ms before waits 40 ms, so that
  its next segment can do it. When that does not come, an empty segment of 40 octets does it; and from then on empty
  segments do it at once, until the end has answered within 40 ms again.

Nothing is lost and nothing repeated; opening and closing the connection are not counted.
"""

from __future__ import annotations

from math import inf
from typing import Any, NamedTuple

from smok_twisted.testing import Wire

HEADER_OCTETS = 40
SEGMENT_OCTETS = 1460
DELAYED_ACK_SECONDS = 0.04

SERVER, DEVICE = 0, 1


class Traffic(NamedTuple):
    """Octets in each direction, headers included; how many segments of both; requests to the equipment."""

    to_server: float
    to_device: float
    segments: float
    requests: float = 0

    @property
    def total(self) -> float:
        """Octets in both directions."""
        return self.to_server + self.to_device

    def __sub__(self, other: Traffic) -> Traffic:
        return Traffic(*(one - less for one, less in zip(self, other, strict=True)))

    def plus(self, other: Traffic) -> Traffic:
        """Both together; ``+`` is that of tuples."""
        return Traffic(*(one + more for one, more in zip(self, other, strict=True)))

    def each(self, parts: float) -> Traffic:
        """The share of one part."""
        return Traffic(*(one / parts for one in self))


class Tally:
    """Counts by the rule of this module. ``now`` is in seconds."""

    def __init__(self) -> None:
        self._sent = [0, 0]
        self._segments = 0
        self._heard = [-inf, -inf]
        self._answers = [False, False]
        self._owes = [False, False]

    def segment(self, giver: int, octets: int, now: float) -> None:
        """An end has written."""
        self.settle(now)
        taker = 1 - giver
        self._answers[giver] |= now - self._heard[giver] < DELAYED_ACK_SECONDS
        self._owes[giver] = False
        self._send(giver, octets)
        if not self._owes[taker]:
            self._heard[taker] = now
            self._owes[taker] = True
        if not self._answers[taker]:
            self._acknowledge(taker)

    def settle(self, now: float) -> None:
        """Acknowledgements that could not wait any longer are sent."""
        for end in (SERVER, DEVICE):
            if self._owes[end] and now - self._heard[end] >= DELAYED_ACK_SECONDS:
                self._answers[end] = False
                self._acknowledge(end)

    def _acknowledge(self, end: int) -> None:
        self._owes[end] = False
        self._send(end, 0)

    def _send(self, giver: int, octets: int) -> None:
        segments = -(-octets // SEGMENT_OCTETS) or 1
        self._sent[giver] += octets + HEADER_OCTETS * segments
        self._segments += segments

    def traffic(self, now: float) -> Traffic:
        """Everything up to now."""
        self.settle(now)
        return Traffic(self._sent[DEVICE], self._sent[SERVER], self._segments)


def of_exchange(*messages: tuple[int, int]) -> Traffic:
    """What an exchange costs in which each message answers the one before at once; (end, octets) each.

    It is not the first of its kind: both ends have the habits that they get from it.
    """
    tally, traffic = Tally(), []
    for now in (0.0, 60.0):
        for end, octets in messages:
            tally.segment(end, octets, now)
        traffic.append(tally.traffic(now + 1))
    return traffic[1] - traffic[0]


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
