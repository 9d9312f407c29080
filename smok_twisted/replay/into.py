"""A captured conversation played to any Twisted protocol: its peer says again what it said then."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from ..observe.pcap import PacketReader
from ..observe.streams import Conversation, Piece, conversations
from .player import PORTS


def read_conversations(path: str | Path) -> list[Conversation]:
    """Every conversation in a capture file, with its pieces. Raises UserError for what is no capture, and OSError."""
    with open(path, "rb") as file:
        return conversations(PacketReader(file, str(path)), PORTS)


def play(
    pieces: Iterable[Piece], protocol: Any, clock: Clock | None = None, from_client: bool = True, hang_up: bool = True
) -> bytes:
    """Feed ``protocol`` what one side said; answers all octets that it wrote.

    ``clock``, if it is given, moves as the time did. At the end the connection is lost, unless ``hang_up`` is False.
    """
    transport = StringTransport()
    protocol.makeConnection(transport)
    before_us: int | None = None
    for piece in pieces:
        if clock is not None:
            clock.advance(max(0, piece.time_us - (before_us or piece.time_us)) / 1_000_000)
            before_us = piece.time_us
        if piece.from_client is from_client and not (transport.disconnecting or transport.disconnected):
            protocol.dataReceived(piece.octets)
    if hang_up:
        protocol.connectionLost(Failure(ConnectionDone()))
    return transport.value()
