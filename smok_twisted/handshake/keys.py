"""From a secret to the keys of one session (design note smok4, "Hello and choice", "No oracle").

``B(i) = HMAC(K, octet(i) || "SMOK4" || HELLO || CHOICE)``: both nonces and the offer are in every key, and each
direction has keys of its own.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from struct import Struct
from typing import NamedTuple

from ..cipher.record import DirectionKeys, Suite
from ..errors import LocalError

_HASH = {Suite.RABBIT_SHA1: "sha1", Suite.CHACHA20_POLY1305: "sha256"}
_SLOT = Struct(">QB")  # device id, kid


class SessionKeys(NamedTuple):
    """Both directions' keys."""

    device_to_server: DirectionKeys
    server_to_device: DirectionKeys


def session_keys(suite: Suite, secret: bytes, hello: bytes, choice: bytes) -> SessionKeys:
    """The keys that follow from ``secret`` and the octets of HELLO and CHOICE as they were on the wire.

    Raises LocalError when ``secret`` is not as long as the suite asks.
    """
    if len(secret) != suite.secret_octets:
        raise LocalError(f"a secret of suite {suite.value} has {suite.secret_octets} octets, not {len(secret)}")
    b1, b2, b3, b4 = (
        hmac.digest(secret, bytes([i]) + b"SMOK4" + hello + choice, _HASH[suite]) for i in (1, 2, 3, 4)
    )
    return SessionKeys(DirectionKeys(suite, b1, b2), DirectionKeys(suite, b3, b4))


def decoy_secret(node_secret: bytes, device_id: int, kid: int, suite: Suite) -> bytes:
    """What a login continues on when there is no secret for it, so that nobody sees the difference."""
    return hmac.digest(node_secret, _SLOT.pack(device_id, kid), _HASH[suite])


def new_secret(suite: Suite, random: Callable[[int], bytes]) -> bytes:
    """A secret for one device and one suite; ``random`` must be the system's generator."""
    return random(suite.secret_octets)
