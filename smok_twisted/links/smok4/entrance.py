"""Where a proven SMOK/4 device enters: the realm of twisted.cred, and what is checked between LOGIN and WELCOME.

A repeated nonce makes the device read-only until an operator looks; an allow entry may bind it to networks and an end;
a credential in use twice lets the newest wait (design note smok4, "Nonces", "Clones").
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from twisted.cred.portal import IRealm
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import deferLater
from zope.interface import implementer

from ...clock import WallClock
from ...errors import RemoteError
from ...handshake.cred import Attachment, IDeviceAvatar, ProvenDevice
from ...handshake.messages import Login
from ...handshake.nonces import NonceMemory, Verdict
from ...handshake.takeover import WAIT_SECONDS, Takeovers
from ..allow import check_allowed
from .server import ServerSession, SessionTimes

if TYPE_CHECKING:
    from ...devices.device import Device
    from ...devices.registry import Registry
    from ...storage.interface import Store


@implementer(IDeviceAvatar)
class Entrance:
    """The door of one device; it stays over connections, as nonces and takeovers do."""

    def __init__(self, device: Device, nonces: NonceMemory, realm: DeviceRealm) -> None:
        self.device = device
        self._nonces = nonces
        self._realm = realm
        self._takeovers = Takeovers(realm.clock.seconds)

    def attach(self, proven: ProvenDevice) -> Deferred[Attachment]:
        """See ``IDeviceAvatar``. Raises RemoteError("not-allowed") outside the device's allow entry."""
        check_allowed(self.device.record, proven.source, self._realm.wall_clock())
        self._check_nonce(proven)
        session = self.device.session
        if session is not None and self._takeovers.in_use_twice(session.source, proven.source):
            return self._wait(proven)
        return succeed(self._attachment(proven, proven.proven.login))

    def _attachment(self, proven: ProvenDevice, login: Login) -> Attachment:
        self.device.ledger.begin(login.boot)
        session = ServerSession(
            self.device, login, proven.source, self._realm.clock, self._realm.times, spread=random.random
        )
        return Attachment(session, self.device.ledger.durable)

    def _wait(self, proven: ProvenDevice) -> Deferred[Attachment]:
        text = f"its credential is used from {proven.source} and elsewhere: give it a new one"
        self._realm.registry.tell(self.device, "credential-in-use-twice", text, "high")
        return deferLater(self._realm.clock, WAIT_SECONDS, self._after_wait, proven)

    def _after_wait(self, proven: ProvenDevice) -> Attachment:
        """The device may have been removed meanwhile, or bound to a network; and its clock has gone on."""
        if self._realm.registry.devices.get(self.device.record.device_id) is not self.device:
            raise RemoteError("unknown-device", f"{self.device.record.name} was removed")
        check_allowed(self.device.record, proven.source, self._realm.wall_clock())
        login = proven.proven.login
        tick = (login.tick + int(WAIT_SECONDS)) & 0xFFFF
        return self._attachment(proven, login._replace(tick=tick))

    def _check_nonce(self, proven: ProvenDevice) -> None:
        verdict = self._nonces.seen(proven.proven.hello)
        self._realm.keep_nonces(self.device, self._nonces)
        if verdict is Verdict.REPEAT and not self.device.record.read_only:
            text = "it used a nonce twice and is read-only until `smok device set NAME --may-write`"
            self._realm.registry.tell(self.device, "nonce-repeated", text, "high")
            # In force at once, not only when the store has it: a full disk must not leave the door open.
            self.device.record = replace(self.device.record, read_only=True)
            self._realm.registry.change(self.device, read_only=True).addErrback(self._realm.not_kept)


@implementer(IRealm)
class DeviceRealm:
    """twisted.cred's realm: device ids in, entrances out."""

    def __init__(
        self,
        registry: Registry,
        store: Store,
        nonces: dict[int, bytes],
        clock: Any,
        wall_clock: WallClock,
        times: SessionTimes,
        not_kept: Callable[[Any], None],
    ) -> None:
        self.registry = registry
        self.clock = clock
        self.wall_clock = wall_clock
        self.times = times
        self.not_kept = not_kept
        self._store = store
        self._stored_nonces = nonces
        self._entrances: dict[Device, Entrance] = {}

    def requestAvatar(self, avatarId: bytes, mind: object, *interfaces: Any) -> tuple[Any, Any, Callable[[], None]]:
        """The entrance of a device; its id as 8 octets."""
        device_id = int.from_bytes(avatarId)
        device = self.registry.devices.get(device_id)
        if IDeviceAvatar not in interfaces or device is None:
            raise RemoteError("unknown-device", f"{device_id:#018x}")
        if device not in self._entrances:
            stored = self._stored_nonces.pop(device_id, None)
            nonces = NonceMemory.from_octets(stored) if stored else NonceMemory()
            self._entrances[device] = Entrance(device, nonces, self)
        return IDeviceAvatar, self._entrances[device], lambda: None

    def forget(self, device: Device) -> None:
        """A device was removed."""
        self._entrances.pop(device, None)

    def keep_nonces(self, device: Device, nonces: NonceMemory) -> None:
        """Durable as soon as the store can; nobody waits for it."""
        self._store.save_nonces(device.record.device_id, nonces.to_octets()).addErrback(self.not_kept)
