"""The record layer: sits on framing, carries the handshake or any other consumer of octets.

Items pass unchanged until there are keys (hello and choice are clear text); from then on bodies are sealed on
the way down and records opened on the way up. Keys change between two items, never inside one.
"""

from __future__ import annotations

from typing import Any, Protocol

from ..errors import LocalError, RemoteError
from ..interfaces import Above, Below, Opener, Sealer
from .record import MAX_BODY_OCTETS


class Framing(Below[bytes], Protocol):
    """What this layer needs of the one below it; see ``framing.protocol.FramedProtocol``."""

    source: str

    def expect_trailer(self, octets: int) -> None:
        """Frames from the next one on end in a tag of so many octets."""

    def admitted(self, idle_seconds: float) -> None:
        """The peer has proven itself."""

    def tap_into(self, capture: Any) -> None:
        """Let a capture hear this connection."""

    def crashed(self, failure: Any) -> None:
        """A fault of our own, found later than ``received``."""

    def pause(self) -> Any:
        """Deliver nothing until the answer is released."""


class RecordLayer:
    """One connection's records. ``above`` takes bodies (before there are keys: frames as they are)."""

    _below: Framing

    def __init__(self, above: Above[bytes]) -> None:
        self._above = above
        self._sealer: Sealer | None = None
        self._opener: Opener | None = None

    @property
    def source(self) -> str:
        """Where the peer dials from."""
        return self._below.source

    def set_keys(self, sealer: Sealer | None = None, opener: Opener | None = None) -> None:
        """From the next item on, seal and open with these. A direction that is not given stays as it is."""
        if sealer is not None:
            self._sealer = sealer
        if opener is not None:
            self._opener = opener
            self._below.expect_trailer(opener.tag_octets)

    # -- what the layer below calls

    def started(self, below: Framing) -> None:
        """The connection is there."""
        self._below = below
        self._above.started(self)

    def received(self, item: bytes) -> None:
        """One whole frame. Raises RemoteError when it does not open; the layer above never sees it then."""
        self._above.received(item if self._opener is None else self._opener.open(item))

    def stopped(self, mood: str) -> None:
        """The connection is gone: tell the layer above and let go of it (see ``FramedProtocol.connectionLost``)."""
        self._above.stopped(mood)
        del self._above

    # -- what the layer above calls

    def send(self, item: bytes) -> None:
        """Send a body (before there are keys: octets as they are).

        Raises LocalError when it fits no record. After the last record of this direction the connection is closed:
        the device dials again.
        """
        try:
            octets = item if self._sealer is None else self._sealer.seal(item)
        except LocalError:
            if not 1 <= len(item) <= MAX_BODY_OCTETS:
                raise
            self._below.close("exhausted")
        else:
            self._below.send(octets)

    def close(self, mood: str) -> None:
        """End the connection politely."""
        self._below.close(mood)

    def fail(self, error: RemoteError) -> None:
        """The peer broke the protocol."""
        self._below.fail(error)

    def tap_into(self, capture: Any) -> None:
        """Let a capture hear the octets below."""
        self._below.tap_into(capture)

    def crashed(self, failure: Any) -> None:
        """A fault of our own: framing counts it and closes."""
        self._below.crashed(failure)

    def admitted(self, idle_seconds: float) -> None:
        """The peer has proven itself: framing ends the login deadline."""
        self._below.admitted(idle_seconds)

    def pause(self) -> Any:
        """Deliver nothing until the answer's ``release`` is called."""
        return self._below.pause()
