"""A whole SMOK/4 server without sockets: registry, store, login and sessions; and a device end that speaks bodies."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from twisted.cred.portal import Portal
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from smok_twisted.cipher.protocol import RecordLayer
from smok_twisted.cipher.record import Suite
from smok_twisted.devices.device import Device
from smok_twisted.devices.registry import Registry
from smok_twisted.errors import RemoteError
from smok_twisted.framing.codec import FrameDecoder
from smok_twisted.framing.protocol import FramedProtocol, FramingTimes
from smok_twisted.handshake.cred import KeyringChecker
from smok_twisted.handshake.keyring import Keyring, Slot
from smok_twisted.handshake.machine import DeviceHandshake
from smok_twisted.handshake.messages import Login, Welcome
from smok_twisted.handshake.protocol import DeviceLogin
from smok_twisted.links.smok4 import messages
from smok_twisted.links.smok4.entrance import DeviceRealm
from smok_twisted.links.smok4.messages import Type
from smok_twisted.links.smok4.plans import PlanAssembler
from smok_twisted.links.smok4.rounds import RoundEncoder
from smok_twisted.links.smok4.server import SessionTimes
from smok_twisted.readings import Block, Round
from smok_twisted.stack import CHOICE_OCTETS, smok4_server
from smok_twisted.storage.memory import ManualStore
from smok_twisted.storage.records import DeviceRecord
from smok_twisted.testing import Wire, connect

MODEL = """
name = "boiler"
interval = "60s"

[[point]]
name = "outside"
register = "holding"
address = 10
type = "SM16"
scale = 0.1
unit = "°C"

[[point]]
name = "setpoint"
register = "holding"
address = 11
scale = 0.1
access = "rw"
min = 20
max = 90

[[point]]
name = "pump"
register = "coil"
address = 5
access = "rw"
"""
DEVICE_ID = 0x42
SECRET = bytes(range(20))
NOW_US = 1_800_000_000_000_000


class Notes:
    """Everything that the framing and the devices tell."""

    def __init__(self) -> None:
        self.reasons: list[str] = []
        self.moods: list[str] = []
        self.crashes: list[Failure] = []

    def violated(self, source: str, error: RemoteError) -> None:
        self.reasons.append(error.reason)

    def crashed(self, source: str, failure: Failure) -> None:
        self.crashes.append(failure)

    def ended(self, source: str, mood: str) -> None:
        self.moods.append(mood)


class Server:
    """Answers ``dial`` with a new ``DeviceEnd``."""

    def __init__(
        self, times: SessionTimes = SessionTimes(), random: Callable[[int], bytes] = os.urandom  # noqa: B008
    ) -> None:
        self.clock = Clock()
        self.step_us = 0
        self.store = ManualStore()
        self.notes = Notes()
        self.snapshot = result_of(self.store.open())
        self.registry = Registry(self.store, self.clock, self.wall_clock, random)
        result_of(self.registry.add_model(MODEL))
        self.device: Device = result_of(
            self.registry.add(DeviceRecord(DEVICE_ID, "kotłownia 1", "boiler", NOW_US, may_write=True))
        )
        self.keyring = Keyring(bytes(32), self.wall_clock)
        self.keyring.put(DEVICE_ID, [Slot(0, Suite.RABBIT_SHA1, SECRET, NOW_US)])
        self.not_kept: list[Failure] = []
        self.realm = DeviceRealm(
            self.registry, self.store, {}, self.clock, self.wall_clock, times, self.not_kept.append
        )
        portal = Portal(self.realm, [KeyringChecker(self.keyring, lambda device_id, slots: None)])
        self.stack = smok4_server(
            self.keyring.find,
            portal,
            suites=list(Suite),
            keepalive_10s=times.keepalive_seconds // 10,
            wall_clock=self.wall_clock,
            random=os.urandom,
        )

    def wall_clock(self) -> int:
        """Moves with the clock of the timers; ``step_us`` is how far somebody has set it since."""
        return NOW_US + self.step_us + int(self.clock.seconds() * 1e6)

    def dial(
        self, host: str = "198.51.100.1", nonce: int | None = None, secret: bytes = SECRET, **login: Any
    ) -> DeviceEnd:
        """A device connects from ``host`` and logs in."""
        decoder, above = self.stack()
        server = FramedProtocol(decoder, above, self.clock, FramingTimes(), self.notes)
        end = DeviceEnd(self.clock, nonce, login, secret)
        end.wire = connect(server, end.protocol, client_host=host)
        return end

    def events(self) -> list[str]:
        """Kinds of everything that was told about devices, oldest first."""
        return [event.kind for event in reversed(result_of(self.store.events()))]


class DeviceEnd:
    """The device's end of a connection: ``got`` holds the bodies after WELCOME."""

    wire: Wire

    def __init__(self, clock: Clock, nonce: int | None, login: dict[str, Any], secret: bytes = SECRET) -> None:
        self.got: list[bytes] = []
        self.welcome: Welcome | None = None
        self.mood: str | None = None
        fields = {"flags": 0, "max_rx": 255, "firmware": 1, "boot": 7, "tick": 100, "cursor": 0, **login}
        drawn = int.from_bytes(os.urandom(8)) if nonce is None else nonce
        handshake = DeviceHandshake(DEVICE_ID, 0, {Suite.RABBIT_SHA1: secret}, drawn, unique_for_good=False)
        layers = RecordLayer(DeviceLogin(handshake, lambda: Login(**fields), self._attach))
        self.notes = Notes()
        times = FramingTimes(login_seconds=90)
        self.protocol = FramedProtocol(FrameDecoder(CHOICE_OCTETS), layers, clock, times, self.notes)

    def _attach(self, welcome: Welcome) -> DeviceEnd:
        self.welcome = welcome
        return self

    def started(self, below: Any) -> None:
        self.below = below

    def received(self, item: bytes) -> None:
        self.got.append(item)

    def stopped(self, mood: str) -> None:
        self.mood = mood

    def send(self, *bodies: bytes) -> None:
        """Send bodies and let everything flow."""
        for body in bodies:
            self.below.send(body)
        self.wire.pump()

    def hold(self, plan: int) -> None:
        """Say which plan it holds, and forget what was said about values."""
        self.send(messages.plan_ok(plan))

    def take_plan(self) -> tuple[int, tuple[Block, ...]]:
        """The plan that the server has sent; accepted."""
        assembler = PlanAssembler()
        plans = [assembler.add(body[1:]) for body in self.got if body[0] == Type.PLAN]
        assert plans and plans[-1] is not None
        number, blocks = plans[-1]
        self.encoder = RoundEncoder(blocks)
        self.hold(number)
        return number, blocks

    def report(self, batch: int, *rounds: Round) -> None:
        """A DATA record."""
        self.send(bytes((Type.DATA,)) + batch.to_bytes(2) + self.encoder.encode(rounds))

    def acks(self) -> list[int]:
        """All acknowledgements so far."""
        return [messages.decode_ack(body[1:]) for body in self.got if body[0] == Type.ACK]


def result_of(deferred: Any) -> Any:
    """What a Deferred that has fired holds; its exception is raised."""
    results: list[Any] = []
    deferred.addBoth(results.append)
    assert results, "the Deferred has not fired"
    if isinstance(results[0], Failure):
        results[0].raiseException()
    return results[0]
