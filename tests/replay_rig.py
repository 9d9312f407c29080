"""Conversations made by hand, and what a replay finds in them."""

from __future__ import annotations

from typing import Any

from smok_twisted.cipher.record import Suite
from smok_twisted.handshake.keys import session_keys
from smok_twisted.handshake.messages import Choice, Hello, Login, Welcome
from smok_twisted.modbus.maps import RegisterMap
from smok_twisted.observe.segments import Endpoint
from smok_twisted.observe.streams import Conversation, Piece
from smok_twisted.replay.findings import Findings
from smok_twisted.replay.player import replay
from smok_twisted.replay.smok4_messages import Known

DEVICE_ID = 0x42
SECRET = bytes(range(20))
NOW_US = 1_700_000_000_000_000


class Told:
    """A conversation in the making; each piece is a second later than the one before."""

    def __init__(self, port: int, is_whole: bool = True) -> None:
        client, server = Endpoint("198.51.100.7", 40000), Endpoint("192.0.2.1", port)
        self.conversation = Conversation(client, server, NOW_US, is_whole)
        self._silent_us = 0

    def silence(self, seconds: float) -> None:
        """Nobody says anything for so much longer."""
        self._silent_us += int(seconds * 1_000_000)

    def client(self, octets: bytes, missing: int = 0) -> None:
        self._say(True, octets, missing)

    def server(self, octets: bytes, missing: int = 0) -> None:
        self._say(False, octets, missing)

    def _say(self, from_client: bool, octets: bytes, missing: int) -> None:
        time_us = NOW_US + 1_000_000 * len(self.conversation.pieces) + self._silent_us
        if missing:
            self.conversation.pieces.append(Piece(time_us, from_client, b"", missing))
        if octets:
            self.conversation.pieces.append(Piece(time_us, from_client, octets))


class Session(Told):
    """A SMOK/4 session: ``device`` and ``daemon`` say bodies. ``kept`` False: said, but not in the capture."""

    def __init__(
        self, secret: bytes = SECRET, nonce: int = 1, kid: int = 0, device_id: int = DEVICE_ID, cursor: int = 0
    ) -> None:
        super().__init__(2406)
        suite = Suite.RABBIT_SHA1 if len(secret) == 20 else Suite.CHACHA20_POLY1305
        hello, choice = Hello(suite.value, kid, device_id, nonce).encode(), Choice(suite, 7).encode()
        keys = session_keys(suite, secret, hello, choice)
        self._up, self._down = keys.device_to_server.sealer(), keys.server_to_device.sealer()
        self._missing = [0, 0]
        self.client(hello)
        self.server(choice)
        self.device(Login(0, 255, 3, 9, 100, 0).encode())
        self.daemon(Welcome(1_700_000_000, 24, 0, cursor).encode())

    def device(self, *bodies: bytes, kept: bool = True) -> bytes:
        return self._seal(True, bodies, kept)

    def daemon(self, *bodies: bytes, kept: bool = True) -> bytes:
        return self._seal(False, bodies, kept)

    def _seal(self, from_client: bool, bodies: tuple[bytes, ...], kept: bool) -> bytes:
        octets = b"".join(map((self._up if from_client else self._down).seal, bodies))
        if kept:
            self._say(from_client, octets, self._missing[from_client])
            self._missing[from_client] = 0
        else:
            self._missing[from_client] += len(octets)
        return octets


def found(
    *told: Told, secrets: tuple[bytes, ...] = (), register_map: RegisterMap | None = None, **known: Any
) -> list[dict[str, Any]]:
    """What a replay of these conversations, one after the other, finds; as JSON."""
    return [one.as_json(register_map) for one in findings(*told, secrets=secrets, **known)]


def findings(*told: Told, secrets: tuple[bytes, ...] = (), **known: Any) -> list[Findings]:
    """The same as it was found."""
    heard = [(one.conversation, piece) for one in told for piece in one.conversation.pieces]
    return replay(heard, Known(list(secrets), **known))


def faults(shape: dict[str, Any]) -> list[tuple[str, str]]:
    """Who did what wrong."""
    return [(one["from"], one["what"]) for one in shape["faults"]]


def outcomes(shape: dict[str, Any]) -> list[str]:
    """Of the orders."""
    return [one["outcome"] for one in shape["orders"]]
