"""The secrets of all devices, in memory: a login needs no database (design note smok4, "No oracle", "Key rotation")."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from ..cipher.record import Suite
from ..errors import Conflict
from .keys import decoy_secret
from .roles import Candidate

#: The old slot goes after so many logins with the new one, or so long after the new one was made.
LOGINS_TO_RETIRE = 3
RETIRE_AFTER_US = 30 * 24 * 3600 * 1_000_000


@dataclass(frozen=True)
class Slot:
    """One secret of one device."""

    kid: int  #: number of the slot, 0..255
    suite: Suite
    secret: bytes = field(repr=False)
    created_us: int  #: wall clock
    logins: int = 0  #: successful ones, counted up to ``LOGINS_TO_RETIRE``

#: Fills the places of slots that a device does not have: a look-up always walks two.
_NOBODY = Slot(-1, Suite.RABBIT_SHA1, b"", 0)


def _two(slots: tuple[Slot, ...]) -> tuple[Slot, ...]:
    return (*slots, _NOBODY, _NOBODY)[:2]


def live(slots: tuple[Slot, ...], now_us: int) -> tuple[Slot, ...]:
    """``slots`` (older first) without the one that has retired; never before the first login with the new one."""
    if len(slots) < 2:
        return slots
    new = slots[1]
    old_enough = now_us - new.created_us >= RETIRE_AFTER_US
    retired = new.logins >= LOGINS_TO_RETIRE or (new.logins and old_enough)
    return slots[1:] if retired else slots


class Keyring:
    """Which secrets each device may use: at most two, the older first."""

    def __init__(self, node_secret: bytes, wall_clock_us: Callable[[], int]) -> None:
        self._node_secret = node_secret
        self._wall_clock_us = wall_clock_us
        self._slots: dict[int, tuple[Slot, ...]] = {}

    def put(self, device_id: int, slots: Sequence[Slot]) -> None:
        """Let these slots, and no others, stand for a device; none: it is revoked.

        Raises Conflict for more than two, and for two of one kid and suite.
        """
        if len(slots) > 2:
            raise Conflict(f"device 0x{device_id:016x} has two live secrets: it must log in with the newer one first")
        if len({(slot.kid, slot.suite) for slot in slots}) < len(slots):
            raise Conflict(f"device 0x{device_id:016x} already has a secret {slots[0].kid}: take another number")
        self._slots[device_id] = tuple(slots)

    def rotate(self, device_id: int, slot: Slot) -> None:
        """Add a slot beside the one in use, before KEYUPDATE goes out: KEYOK may get lost. Raises Conflict."""
        self.put(device_id, (*self.slots(device_id), slot))

    def remove(self, device_id: int) -> None:
        """Forget a device; it may be unknown."""
        self._slots.pop(device_id, None)

    def slots(self, device_id: int) -> tuple[Slot, ...]:
        """The live slots of a device, older first; empty when it is revoked or unknown."""
        return live(self._slots.get(device_id, ()), self._wall_clock_us())

    def find(self, device_id: int, kid: int, suite: Suite) -> Candidate:
        """The secret to continue a login on. Equal work for known, unknown and revoked ids."""
        secret, genuine = decoy_secret(self._node_secret, device_id, kid, suite), False
        known = self._slots.get(device_id)
        refusal = "unknown-device" if known is None else "unknown-kid" if known else "revoked"
        for slot in _two(live(_two(known or ()), self._wall_clock_us())):
            # No branches: what is found must take no longer than what is not.
            is_next = (slot.kid == kid) & (not genuine)
            fits = is_next & (slot.suite == suite)
            secret = (secret, slot.secret)[fits]
            refusal = (refusal, "wrong-suite", "wrong-secret")[is_next + fits]
            genuine |= fits
        return Candidate(secret, genuine, refusal)

    def logged_in(self, device_id: int, secret: bytes) -> bool:
        """Count a login with ``secret``. False: it is not, or no longer, one of the device's."""
        slots = self.slots(device_id)
        if all(slot.secret != secret for slot in slots):
            return False
        counted = tuple(_count(slot) if slot.secret == secret else slot for slot in slots)
        self._slots[device_id] = live(counted, self._wall_clock_us())
        return True


def _count(slot: Slot) -> Slot:
    return slot if slot.logins >= LOGINS_TO_RETIRE else replace(slot, logins=slot.logins + 1)
