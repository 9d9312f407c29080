"""The login in terms of twisted.cred: the credentials are the proof, the avatar is the device (house.md, habit 8)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import ICredentials
from twisted.cred.error import UnauthorizedLogin
from zope.interface import Interface, implementer

from ..interfaces import Above
from .keyring import Keyring, Slot
from .roles import Proven


class IProvenDevice(ICredentials):
    """Credentials that have proven themselves already: nothing but their standing is left to check."""


@implementer(IProvenDevice)
@dataclass(frozen=True)
class ProvenDevice:
    """A device whose LOGIN has verified; only ``ServerHandshake.login`` gives a ``Proven``."""

    proven: Proven
    source: str  #: where it dials from, as ``framing.admission.source_of`` gives it


class Attachment(NamedTuple):
    """What a device answers to a session that wants to serve it."""

    above: Above[bytes]  #: gets every body from now on
    cursor: int  #: for WELCOME: newest batch of this boot that is durable


class IDeviceAvatar(Interface):
    """What the login asks of a device."""

    def attach(device):
        """Let a new session of this device, a ``ProvenDevice``, take over: a Deferred of an ``Attachment``.

        It may take its time (batches in flight become durable first; a credential that is in use twice waits);
        nothing is read from the device until then. Cancelled when the connection goes. A failure closes the
        connection before WELCOME; RemoteError gives the reason.
        """


@implementer(ICredentialsChecker)
class KeyringChecker:
    """Asks the keyring whether the secret still stands, and counts the login for key rotation.

    ``changed`` hears of each device whose slots are not as they were: the store must keep them.
    """

    credentialInterfaces = (IProvenDevice,)

    def __init__(self, keyring: Keyring, changed: Callable[[int, tuple[Slot, ...]], None]) -> None:
        self._keyring = keyring
        self._changed = changed

    def requestAvatarId(self, credentials: ProvenDevice) -> bytes:
        """The device id, 8 octets as on the wire. Raises UnauthorizedLogin if the secret was withdrawn meanwhile."""
        device_id = credentials.proven.hello.device_id
        before = self._keyring.slots(device_id)
        if not self._keyring.logged_in(device_id, credentials.proven.candidate.secret):
            raise UnauthorizedLogin("withdrawn")
        after = self._keyring.slots(device_id)
        if after != before:
            self._changed(device_id, after)
        return device_id.to_bytes(8, "big")
