"""Where a P24 device enters: its init, and whether this id may come from there (design note p24, "What this server
does").

An id proves nothing. So a device needs an allow entry with networks, one that has a secret for SMOK/4 is refused here,
and a session of another link is never replaced.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from ...clock import WallClock
from ...devices.poller import Poller
from ...errors import RemoteError
from ...readings import BlockReport, Fault
from ..allow import check_allowed
from .commands import ACCEPTED, REFUSED, decode_init
from .server import Acquaintance, P24Session, P24Times

if TYPE_CHECKING:
    from ...devices.device import Device
    from ...devices.registry import Registry

#: Takes what was read of a device: plan number, wall clock (microseconds), block reports.
KeepReadings = Callable[["Device", int, int, tuple[BlockReport, ...]], None]


class Doorkeeper:
    """Lets devices of ``registry`` in. ``has_secret(device_id)`` knows whose logins are proven; ``window`` is how many
    commands may be outstanding on a connection; ``count_fault`` hears of what fails on their serial lines."""

    def __init__(
        self,
        registry: Registry,
        has_secret: Callable[[int], bool],
        keep: KeepReadings,
        clock: Any,
        wall_clock: WallClock,
        times: P24Times,
        window: int = 1,
        count_fault: Callable[[Fault], None] = lambda fault: None,
    ) -> None:
        self._clock = clock
        self.times = times
        self._registry = registry
        self._has_secret = has_secret
        self._keep = keep
        self._wall_clock = wall_clock
        self._window = window
        self._count_fault = count_fault
        self._known: dict[Device, Acquaintance] = {}

    def admit(self, device_id: int, source: str) -> P24Session:
        """A session for a device that says this id. Raises RemoteError with the reason when it may not come in."""
        device = self._registry.devices.get(device_id)
        if device is None:
            raise RemoteError("unknown-device", f"{device_id:#018x}")
        if device.record.link != P24Session.link or self._has_secret(device_id):
            raise RemoteError("wrong-link", f"{device.record.name} proves itself over another link")
        if device.session is not None and device.session.link != P24Session.link:
            raise RemoteError("wrong-link", f"{device.record.name} is connected over {device.session.link}")
        check = partial(self._check, device, source)
        check()
        return P24Session(self.known(device), source, check, self._clock, self.times, self._window)

    def known(self, device: Device) -> Acquaintance:
        """What stays of a device over its connections."""
        if device not in self._known:
            poller = Poller(
                device.orders,
                self._clock,
                self._wall_clock,
                partial(self._keep, device),
                words_at_most=1,
                orders_at_once=self._window,
            )
            self._known[device] = Acquaintance(device, poller, count_fault=self._count_fault)
        return self._known[device]

    def forget(self, device: Device) -> None:
        """A device was removed."""
        self._known.pop(device, None)

    def _check(self, device: Device, source: str) -> None:
        if not device.record.allow_from:
            raise RemoteError("not-allowed", f"{device.record.name}: its allow entry has no networks")
        check_allowed(device.record, source, self._wall_clock())


class P24Login:
    """The first layer above the frames: the init, then a session; an ``interfaces.Above``."""

    _below: Any

    def __init__(self, doorkeeper: Doorkeeper) -> None:
        self._doorkeeper = doorkeeper
        self._session: P24Session | None = None

    def started(self, below: Any) -> None:
        """Wait for the init."""
        self._below = below

    def received(self, item: bytes) -> None:
        """The init, then answers. Raises RemoteError; a device that is refused is told so."""
        if self._session is None:
            self._enter(item)
        else:
            self._session.received(item)

    def stopped(self, mood: str) -> None:
        """Tell the session, if there is one."""
        if self._session is not None:
            self._session.stopped(mood)

    def _enter(self, init: bytes) -> None:
        try:
            session = self._doorkeeper.admit(decode_init(init), self._below.source)
        except RemoteError:
            self._below.send(REFUSED)
            raise
        self._session = session
        self._below.send(ACCEPTED)
        self._below.admitted(self._doorkeeper.times.idle_seconds)
        session.started(self._below)
