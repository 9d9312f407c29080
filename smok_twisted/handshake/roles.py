"""What a server and a device do at each step of the login; ``machine`` says when (design note smok4, "Login").

Octets in, values out; nonces and secrets are given. A fault of the peer raises RemoteError.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from ..cipher.record import DirectionKeys, Suite
from ..errors import RemoteError
from .keys import session_keys
from .messages import NONCE_UNIQUE_FOR_GOOD, Choice, Hello, Login, Welcome


@dataclass(frozen=True)
class Candidate:
    """The secret that a login continues on."""

    secret: bytes = field(repr=False)
    genuine: bool  #: False: a decoy, on which no LOGIN is believed
    refusal: str  #: the true reason, for the log, if LOGIN does not verify


#: (device id, kid, suite) -> the device's secret or a decoy, for equal work.
Find = Callable[[int, int, Suite], Candidate]


class Chosen(NamedTuple):
    """The server has answered HELLO."""

    choice: bytes  #: to be sent in the clear
    sending: DirectionKeys
    receiving: DirectionKeys
    refusal: str  #: the true reason, for the log, if the next record does not verify


class Proven(NamedTuple):
    """LOGIN has verified: the device is who it says."""

    hello: Hello
    suite: Suite
    candidate: Candidate  #: the secret that it was verified with
    login: Login


class Agreed(NamedTuple):
    """The device has accepted CHOICE."""

    login: bytes  #: body of the first record
    sending: DirectionKeys
    receiving: DirectionKeys


class Server:
    """The server's part in one login."""

    def __init__(self, find: Find, allowed: Collection[Suite], random: Callable[[int], bytes]) -> None:
        self._find = find
        self._allowed = allowed
        self._random = random

    def choose(self, octets: bytes) -> Chosen:
        """Answer HELLO."""
        self._hello = Hello.decode(octets)
        self._suite = self._best_suite()
        self._candidate = self._find(self._hello.device_id, self._hello.kid, self._suite)
        choice = Choice(self._suite, int.from_bytes(self._random(8))).encode()
        keys = session_keys(self._suite, self._candidate.secret, octets, choice)
        return Chosen(choice, keys.server_to_device, keys.device_to_server, self._candidate.refusal)

    def _best_suite(self) -> Suite:
        """By offer and configuration only: what is chosen tells nothing about the id."""
        common = [suite for suite in self._allowed if self._hello.offers(suite)]
        if not common:
            raise RemoteError("no-common-suite", f"offer {self._hello.offer:02x}")
        return max(common)

    def prove(self, body: bytes) -> Proven:
        """Take the first body that verified, unless it verified on a decoy."""
        if not self._candidate.genuine:
            raise RemoteError(self._candidate.refusal)
        return Proven(self._hello, self._suite, self._candidate, Login.decode(body))

    def admit(self, welcome: Welcome) -> bytes:
        """The body that lets the device in."""
        return welcome.encode()


class Device:
    """The device's part in one login; see ``machine.DeviceHandshake``."""

    def __init__(
        self, device_id: int, kid: int, secrets: Mapping[Suite, bytes], nonce: int, unique_for_good: bool
    ) -> None:
        offer = sum(1 << (suite - 1) for suite in secrets) | (NONCE_UNIQUE_FOR_GOOD if unique_for_good else 0)
        self._hello = Hello(offer, kid, device_id, nonce).encode()
        self._secrets = secrets

    def greet(self) -> bytes:
        """The octets of HELLO."""
        return self._hello

    def agree(self, octets: bytes, login: Login) -> Agreed:
        """Take CHOICE and say LOGIN."""
        chosen = Choice.decode(octets).suite
        if chosen not in self._secrets:
            raise RemoteError("suite-not-offered", str(chosen))
        suite = Suite(chosen)
        keys = session_keys(suite, self._secrets[suite], self._hello, octets)
        return Agreed(login.encode(), keys.device_to_server, keys.server_to_device)

    def believe(self, body: bytes) -> Welcome:
        """Take the first body that verified: only the server can have made it."""
        return Welcome.decode(body)
