"""The seams: what layers, stores and lines must offer each other. Nothing here does anything.

Wire layers meet at two verbs, ``received`` upwards and ``send`` downwards. A layer that finds its
peer at fault raises ``RemoteError`` out of ``received``, or hands it to ``fail`` when it finds out later;
the lowest layer alone decides what a violation does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from .errors import RemoteError

ItemUp = TypeVar("ItemUp", contravariant=True)
ItemDown = TypeVar("ItemDown", contravariant=True)


class Below(Protocol[ItemDown]):
    """What a layer sees of the one below it."""

    def send(self, item: ItemDown) -> None:
        """Send one item. After the connection is gone this does nothing."""

    def close(self, mood: str) -> None:
        """End the connection politely; ``mood`` is the one word for how the session went."""

    def fail(self, error: RemoteError) -> None:
        """The peer broke the protocol: let the lowest layer do what a violation does."""


class Above(Protocol[ItemUp]):
    """What a layer sees of the one above it. ``started`` comes first, ``stopped`` last, each once."""

    def started(self, below: Any) -> None:
        """The connection is there; ``below`` is where to send."""

    def received(self, item: ItemUp) -> None:
        """One whole item. Raises RemoteError when the peer is at fault."""

    def stopped(self, mood: str) -> None:
        """The connection is gone; nothing comes after this."""


class Sealer(Protocol):
    """One direction's sending half of the record layer (design note smok4, "Record")."""

    tag_octets: int

    def seal(self, body: bytes) -> bytes:
        """``body`` (1..255 octets) as a whole record: L, ciphertext, tag. Raises LocalError on a wrong length
        or after 2**32 - 1 records."""


class Opener(Protocol):
    """One direction's receiving half of the record layer."""

    tag_octets: int

    def open(self, record: bytes) -> bytes:
        """The body of a whole record. Raises RemoteError("bad-tag") and leaves the state unchanged."""
