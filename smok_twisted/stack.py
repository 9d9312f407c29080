"""The one place where the layers of a link are named in order, from the socket up."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, cast

from twisted.cred.portal import IRealm, Portal

from .cipher.protocol import RecordLayer
from .cipher.record import Suite
from .clock import WallClock
from .framing.admission import Admission
from .framing.codec import FrameDecoder
from .framing.factory import FramedFactory
from .framing.protocol import Observer
from .framing.turns import Turns
from .handshake.cred import KeyringChecker
from .handshake.keyring import Keyring, Slot
from .handshake.machine import Find, ServerHandshake
from .handshake.protocol import ServerLogin
from .interfaces import Above
from .links.p24.entrance import Doorkeeper, P24Login
from .links.smok4.entrance import DeviceRealm
from .observe.capture import Tap

HELLO_OCTETS = 20
CHOICE_OCTETS = 9
INIT_OCTETS = 12

#: What ``framing.factory.FramedFactory`` asks for each new connection.
Stack = Callable[[], tuple[FrameDecoder, RecordLayer]]


def smok4_server(
    find: Find,
    portal: Portal,
    *,
    suites: Collection[Suite],
    keepalive_10s: int,
    wall_clock: WallClock,
    random: Callable[[int], bytes],
) -> Stack:
    """framing -> records -> login -> (once proven) the session that the portal's avatar attaches."""

    def layers() -> tuple[FrameDecoder, RecordLayer]:
        handshake = ServerHandshake(find, suites, random)
        login = ServerLogin(handshake, portal, wall_clock, keepalive_10s)
        return FrameDecoder(HELLO_OCTETS), RecordLayer(login)

    return layers


def smok4_factory(
    keyring: Keyring,
    slots_changed: Callable[[int, tuple[Slot, ...]], None],
    realm: DeviceRealm,
    *,
    suites: Collection[Suite],
    admission: Admission,
    observer: Observer,
    random: Callable[[int], bytes],
    connections_at_most: int,
    turns: Turns | None = None,
) -> FramedFactory:
    """The daemon's SMOK/4 listener: who has a secret in ``keyring`` becomes a device of ``realm``."""
    checker: Any = KeyringChecker(keyring, slots_changed)
    stack = smok4_server(
        keyring.find,
        Portal(cast(IRealm, realm), [checker]),
        suites=suites,
        keepalive_10s=realm.times.keepalive_seconds // 10,
        wall_clock=realm.wall_clock,
        random=random,
    )
    return FramedFactory(
        stack,
        realm.clock,
        admission,
        observer,
        connections_at_most=connections_at_most,
        tap=lambda: Tap(realm.wall_clock),
        turns=turns,
    )


def p24_factory(
    doorkeeper: Doorkeeper,
    clock: Any,
    wall_clock: WallClock,
    *,
    admission: Admission,
    observer: Observer,
    connections_at_most: int,
    turns: Turns | None = None,
) -> FramedFactory:
    """The daemon's P24 listener: framing -> the init and, once accepted, the session of a device."""

    def layers() -> tuple[FrameDecoder, Above[bytes]]:
        return FrameDecoder(INIT_OCTETS), P24Login(doorkeeper)

    return FramedFactory(
        layers,
        clock,
        admission,
        observer,
        connections_at_most=connections_at_most,
        tap=lambda: Tap(wall_clock),
        turns=turns,
    )
