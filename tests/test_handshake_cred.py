"""The login in terms of twisted.cred, with the smallest realm there can be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.cred.credentials import UsernamePassword
from twisted.cred.error import UnauthorizedLogin, UnhandledCredentials
from twisted.cred.portal import IRealm, Portal
from twisted.internet.defer import Deferred, succeed
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from smok_twisted.handshake.cred import Attachment, IDeviceAvatar, IProvenDevice, KeyringChecker, ProvenDevice
from smok_twisted.handshake.keyring import Slot
from smok_twisted.handshake.messages import Hello
from smok_twisted.handshake.roles import Candidate, Proven

from .test_handshake_login import DEVICE_ID, LOGIN, ONE, SECRETS, keyring


@implementer(IDeviceAvatar)
class ExampleDevice:
    """The smallest avatar: it answers each session with a layer that is given, and nothing is stored yet."""

    def __init__(self, above: Any) -> None:
        self.above = above

    def attach(self, device: ProvenDevice) -> Deferred[Attachment]:
        return succeed(Attachment(self.above, cursor=0))


@implementer(IRealm)
class ExampleRealm:
    """The smallest realm: the devices in a dictionary."""

    def __init__(self, devices: dict[int, Any]) -> None:
        self.devices = devices

    def requestAvatar(self, avatarId: bytes, mind: object, *interfaces: Any) -> tuple[Any, Any, Callable[[], None]]:
        return IDeviceAvatar, self.devices[int.from_bytes(avatarId)], lambda: None


class ProvenDevices(SynchronousTestCase):
    """From a LOGIN that has verified to the device."""

    def setUp(self) -> None:
        self.changes: list[tuple[int, tuple[Slot, ...]]] = []
        self.keyring = keyring({ONE: SECRETS[ONE]})
        self.device = ExampleDevice(None)
        self.portal = Portal(ExampleRealm({DEVICE_ID: self.device}), [KeyringChecker(self.keyring, self.changed)])

    def changed(self, device_id: int, slots: tuple[Slot, ...]) -> None:
        self.changes.append((device_id, slots))

    def log_in(self, credentials: Any) -> Deferred[Any]:
        return self.portal.login(credentials, None, IDeviceAvatar)

    def proven(self, secret: bytes = SECRETS[ONE]) -> ProvenDevice:
        return ProvenDevice(Proven(Hello(1, 0, DEVICE_ID, 5), ONE, Candidate(secret, True, ""), LOGIN), "192.0.2.1")

    def test_login(self) -> None:
        """The avatar is the device."""
        verifyObject(IProvenDevice, self.proven())
        verifyObject(IDeviceAvatar, self.device)
        interface, avatar, _ = self.successResultOf(self.log_in(self.proven()))
        self.assertEqual((interface, avatar), (IDeviceAvatar, self.device))

    def test_withdrawn_meanwhile(self) -> None:
        """A secret that was replaced between HELLO and LOGIN lets nobody in, though its number is the same."""
        self.keyring.put(DEVICE_ID, [Slot(0, ONE, b"another secret......", 0)])
        self.failureResultOf(self.log_in(self.proven()), UnauthorizedLogin)
        self.assertEqual(self.changes, [])

    def test_other_credentials(self) -> None:
        """Names and passwords are not even looked at."""
        self.failureResultOf(self.log_in(UsernamePassword(b"admin", b"admin")), UnhandledCredentials)

    def test_the_store_hears_of_changes(self) -> None:
        """Counted logins are told as long as they count, and not for ever."""
        for _ in range(5):
            self.successResultOf(self.log_in(self.proven()))
        told = [(device_id, slots[0].logins) for device_id, slots in self.changes]
        self.assertEqual(told, [(DEVICE_ID, 1), (DEVICE_ID, 2), (DEVICE_ID, 3)])

    def test_the_store_hears_of_retirement(self) -> None:
        """When the old secret retires the store is told to drop it."""
        self.keyring.rotate(DEVICE_ID, Slot(1, ONE, b"new secret..........", 0))
        for _ in range(3):
            self.successResultOf(self.log_in(self.proven(b"new secret..........")))
        self.assertEqual([[slot.kid for slot in slots] for _, slots in self.changes], [[0, 1], [0, 1], [1]])

    def test_secrets_are_not_shown(self) -> None:
        """What is logged of a login does not hold its secret."""
        self.assertNotIn("topsecret", repr(self.proven(b"topsecret.topsecret.")))
