"""Devices together with their secrets: enrolled, rotated and removed so that a login never finds half of them.

The store keeps secrets wrapped; the keyring, in memory, is what logins ask. A secret is durable before anybody is
told it. A device has two slots at most (design note smok4, "Key rotation").
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import inlineCallbacks
from twisted.logger import Logger

from ..cipher.record import Suite
from ..clock import WallClock
from ..errors import Conflict
from ..handshake.keyring import LOGINS_TO_RETIRE, Keyring, Slot
from ..handshake.keys import new_secret
from ..storage.records import CredentialRecord, DeviceRecord, Snapshot
from .device import Device, Session
from .registry import Registry

if TYPE_CHECKING:
    from ..handshake.credentials import Vault
    from ..storage.interface import Store

#: Links whose devices prove themselves by a secret.
LINKS_WITH_SECRETS = ("smok4",)


class Enrolment:
    """See the module. ``random(n)`` gives n octets from the system's generator."""

    log = Logger()

    def __init__(
        self,
        registry: Registry,
        store: Store,
        keyring: Keyring,
        vault: Vault,
        wall_clock: WallClock,
        random: Callable[[int], bytes],
    ) -> None:
        self._registry = registry
        self._store = store
        self._keyring = keyring
        self._vault = vault
        self._wall_clock = wall_clock
        self._random = random
        self._stored: dict[int, set[int]] = {}  # device -> kids that the store has

    def load(self, snapshot: Snapshot) -> None:
        """Fill the keyring. Raises StorageError, naming the device, for a secret that does not open."""
        for device_id, records in snapshot.credentials.items():
            older_first = sorted(records.values(), key=lambda record: record.created_us)
            self._keyring.put(device_id, [self._unwrapped(record) for record in older_first])
            self._stored[device_id] = set(records)

    @inlineCallbacks
    def enrol(self, record: DeviceRecord) -> Generator[Any, Any, tuple[Device, int | None, bytes | None]]:
        """A new device, its kid and its secret; (device, None, None) when its link knows no secrets.

        Raises UserError, Conflict, NotFound or StorageError, and then there is no such device.
        """
        device = yield self._registry.add(record)
        if record.link not in LINKS_WITH_SECRETS:
            return device, None, None
        try:
            kid, secret = yield self.new_secret(device)
        except Exception:
            yield self._registry.remove(device)
            raise
        return device, kid, secret

    @inlineCallbacks
    def new_secret(self, device: Device) -> Generator[Any, Any, tuple[int, bytes]]:
        """(kid, secret) of a slot beside the one in use; a newest slot that never logged in is replaced.

        Raises Conflict when both slots are in use.
        """
        device_id = device.record.device_id
        slot = self._next_slot(device)
        for kid in self._stored.get(device_id, set()) - {slot.kid, *(live.kid for live in self.slots(device))}:
            yield self._store.remove_credential(device_id, kid)  # retired by time, with no login to notice it
        yield self._save(device_id, slot)
        self._put(device, slot)
        return slot.kid, slot.secret

    @inlineCallbacks
    def rotate_in_session(self, device: Device) -> Generator[Any, Any, int]:
        """Hand a new secret to the device over its connection; the kid. It uses it from its next login.

        The slot is durable first, because the device's KEYOK may get lost. Raises Conflict.
        """
        _session_of(device)
        answer: tuple[int, bytes] = yield self.new_secret(device)
        kid, secret = answer
        device.on_key_stored = lambda stored: self._key_stored(device, stored)
        _session_of(device).update_key(kid, secret)
        return kid

    @inlineCallbacks
    def remove(self, device: Device) -> Generator[Any, Any, None]:
        """Forget a device with its secrets, and end its session."""
        yield self._registry.remove(device)
        self._keyring.remove(device.record.device_id)
        self._stored.pop(device.record.device_id, None)

    def slots(self, device: Device) -> tuple[Slot, ...]:
        """The live slots of a device, older first."""
        return self._keyring.slots(device.record.device_id)

    def slots_changed(self, device_id: int, slots: tuple[Slot, ...]) -> None:
        """A login was counted, or retired the older slot: keep that. ``KeyringChecker`` calls it; nobody waits."""
        for kid in self._stored.get(device_id, set()) - {slot.kid for slot in slots}:
            self._store.remove_credential(device_id, kid).addErrback(self._not_kept)
        for slot in slots:
            self._save(device_id, slot).addErrback(self._not_kept)
        self._stored[device_id] = {slot.kid for slot in slots}

    # -- inside

    def _next_slot(self, device: Device) -> Slot:
        record, slots = device.record, self.slots(device)
        if record.link not in LINKS_WITH_SECRETS:
            raise Conflict(f"device {record.name!r} comes over {record.link}, which knows no secrets")
        if len(slots) == 2 and slots[1].logins:
            raise Conflict(
                f"device {record.name!r} has two secrets in use: the older one goes after {LOGINS_TO_RETIRE} logins"
                " with the newer one, or 30 days; ask again then"
            )
        suite = Suite(record.suite)
        kid = slots[1].kid if len(slots) == 2 else (slots[0].kid + 1) % 256 if slots else 0
        # Later than the other one whatever the clock does: that is how they are told apart after a restart.
        created_us = max(self._wall_clock(), slots[0].created_us + 1 if slots else 0)
        return Slot(kid, suite, new_secret(suite, self._random), created_us)

    def _put(self, device: Device, new: Slot) -> None:
        """Let logins find it. A login with what it replaces may have come while it became durable."""
        device_id, slots = device.record.device_id, self.slots(device)
        if any(slot.kid == new.kid and slot.logins for slot in slots):
            raise Conflict(f"device {device.record.name!r} has just logged in with secret {new.kid}; ask again")
        slots = (*(slot for slot in slots if slot.kid != new.kid), new)
        self._keyring.put(device_id, slots)
        self._stored[device_id] = {slot.kid for slot in slots}

    def _save(self, device_id: int, slot: Slot) -> Any:
        wrapped = self._vault.wrap(slot.secret, device_id, slot.kid, slot.suite)
        return self._store.save_credential(
            CredentialRecord(device_id, slot.kid, slot.suite, wrapped, slot.created_us, slot.logins)
        )

    def _unwrapped(self, record: CredentialRecord) -> Slot:
        secret = self._vault.unwrap(record.wrapped, record.device_id, record.kid, record.suite)
        return Slot(record.kid, Suite(record.suite), secret, record.created_us, record.logins)

    def _key_stored(self, device: Device, kid: int) -> None:
        self._registry.tell(device, "key-stored", f"the device has secret {kid} and uses it from its next login")

    def _not_kept(self, failure: Any) -> None:
        self.log.error("a login's count is not kept: {reason}", reason=failure.getErrorMessage())


def _session_of(device: Device) -> Session:
    if device.session is None:
        raise Conflict(
            f"device {device.record.name!r} is not connected: connect it, or ask for a secret to enter by hand"
        )
    return device.session
