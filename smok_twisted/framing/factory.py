"""One ``FramedProtocol`` for each connection that is let in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.protocol import Factory

from ..errors import RemoteError
from ..interfaces import Above
from .admission import Admission, source_of
from .codec import FrameDecoder
from .protocol import FramedProtocol, FramingTimes, Observer, Tap
from .turns import Turns


class FramedFactory(Factory):
    """Builds one FramedProtocol a connection, within the limits on strangers.

    ``stack()`` answers ``(decoder, above)``: the layers of one new connection, named in order in one place. With
    ``turns`` strangers wait for each other.
    """

    noisy = False

    def __init__(
        self,
        stack: Callable[[], tuple[FrameDecoder, Above[bytes]]],
        clock: Any,
        admission: Admission,
        observer: Observer,
        times: FramingTimes = FramingTimes(),  # noqa: B008  (frozen)
        connections_at_most: int = 1_000_000,
        tap: Callable[[], Tap] | None = None,
        turns: Turns | None = None,
    ) -> None:
        self.connections: set[FramedProtocol] = set()
        self._strangers: set[FramedProtocol] = set()
        self._stack = stack
        self._clock = clock
        self._admission = admission
        self._observer = observer
        self._times = times
        self._connections_at_most = connections_at_most
        self._tap = tap
        self._turns = turns

    def buildProtocol(self, addr: Any) -> FramedProtocol | None:
        """A new connection, or None (Twisted closes it) when it is one too many."""
        source = source_of(getattr(addr, "host", "local"))
        full = len(self.connections) >= self._connections_at_most
        refusal = "too-many-connections" if full else self._admission.enter(source, self._clock.seconds())
        if refusal:
            self._observer.violated(source, RemoteError(refusal))
            return None
        decoder, above = self._stack()
        protocol = FramedProtocol(decoder, above, self._clock, self._times, self._observer)
        protocol.tap, protocol.turns = self._tap() if self._tap else None, self._turns
        self._follow(protocol, source)
        return protocol

    def _follow(self, protocol: FramedProtocol, source: str) -> None:
        """Count the connection as a stranger until it is admitted or gone."""
        protocol.source = source
        protocol.on_admitted, protocol.on_gone = self._admitted, self._gone
        self._strangers.add(protocol)
        self.connections.add(protocol)

    def _admitted(self, protocol: FramedProtocol) -> None:
        if protocol in self._strangers:
            self._strangers.remove(protocol)
            self._admission.leave(protocol.source)

    def _gone(self, protocol: FramedProtocol) -> None:
        self._admitted(protocol)
        self.connections.discard(protocol)
