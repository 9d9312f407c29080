"""A whole P24 server without sockets: registry, store, entrance, sessions and pollers; and two kinds of device ends.

``Server.dial`` connects the device side of this project, ``Server.dial_raw`` an end that says what the test says.
"""

from __future__ import annotations

import os
from collections import Counter

from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock

from smok_twisted.devices.device import Device
from smok_twisted.devices.keeping import Keeping
from smok_twisted.devices.pressure import Pressure
from smok_twisted.devices.registry import Registry
from smok_twisted.framing.codec import FrameDecoder
from smok_twisted.framing.protocol import FramedProtocol, FramingTimes
from smok_twisted.links.p24.commands import INIT_OCTETS, Command, encode_init
from smok_twisted.links.p24.device import P24Device
from smok_twisted.links.p24.entrance import Doorkeeper, P24Login
from smok_twisted.links.p24.server import P24Session, P24Times
from smok_twisted.modbus.bank import RegisterBank
from smok_twisted.modbus.protocol import Line
from smok_twisted.readings import Report, Table
from smok_twisted.storage.memory import ManualStore
from smok_twisted.storage.records import DeviceRecord
from smok_twisted.testing import BankLine, Wire, connect

from .server_in_memory import MODEL, NOW_US, Notes, result_of

DEVICE_ID = 0x30001
NETWORK = "198.51.100.0/24"


def boiler() -> RegisterBank:
    """The equipment that ``MODEL`` describes; coils are there in whole groups of eight, as on the real one."""
    bank = RegisterBank()
    bank.registers[Table.HOLDING] = {10: 0x8029, 11: 600}
    bank.registers[Table.COIL] = dict.fromkeys(range(8), 0) | {5: 1}
    return bank


class RawEnd(Protocol):
    """``got`` is everything that came; ``say`` sends octets and lets everything flow."""

    wire: Wire

    def __init__(self) -> None:
        self.got = b""

    def dataReceived(self, data: bytes) -> None:
        self.got += data

    def take(self) -> str:
        """What came since the last look, as hex."""
        self.wire.pump()
        got, self.got = self.got, b""
        return got.hex(" ")

    def say(self, octets: str | bytes) -> None:
        assert self.transport is not None
        self.transport.write(bytes.fromhex(octets) if isinstance(octets, str) else octets)
        self.wire.pump()


class Server:
    """One device is registered, and may come from ``NETWORK``. ``model`` None: it has nothing to read."""

    def __init__(self, window: int = 1, model: str = MODEL, times: P24Times = P24Times()) -> None:  # noqa: B008
        self.clock = Clock()
        self.store = ManualStore()
        self.notes = Notes()
        self.pressure = Pressure()
        self.counted: Counter[str] = Counter()
        self.secrets: set[int] = set()
        result_of(self.store.open())
        self.registry = Registry(self.store, self.clock, self.wall_clock, os.urandom, self.pressure)
        result_of(self.registry.add_model(model))
        self.device = self.add(DEVICE_ID)
        keeping = Keeping(
            self.store,
            self.clock,
            self.registry.tell,
            self.pressure,
            lambda reports, seconds: self.counted.update(stored=len(reports)),
            lambda: self.counted.update(lost=1),
        )
        self.doorkeeper = Doorkeeper(
            self.registry,
            self.secrets.__contains__,
            keeping.keep,
            self.clock,
            self.wall_clock,
            times,
            window,
            lambda fault: self.counted.update([fault.name]),
        )

    def add(self, device_id: int, link: str = "p24") -> Device:
        """One more device."""
        record = DeviceRecord(
            device_id, f"boiler {device_id}", "boiler", NOW_US, link=link, may_write=True, allow_from=(NETWORK,)
        )
        device: Device = result_of(self.registry.add(record))
        return device

    def wall_clock(self) -> int:
        """Moves with the clock of the timers."""
        return NOW_US + int(self.clock.seconds() * 1e6)

    def connect(self, end: Protocol, host: str = "198.51.100.7") -> Wire:
        """Something connects from ``host``."""
        login = P24Login(self.doorkeeper)
        ours = FramedProtocol(FrameDecoder(INIT_OCTETS), login, self.clock, FramingTimes(), self.notes)
        return connect(ours, end, client_host=host)

    def dial_raw(self, device_id: int = DEVICE_ID, host: str = "198.51.100.7", quiet: bool = True) -> RawEnd:
        """A device says its init. ``quiet``: it has no plan, so only the test asks."""
        if quiet and device_id in self.registry.devices:
            self.registry.devices[device_id].wanted = None
        end = RawEnd()
        end.wire = self.connect(end, host)
        end.say(encode_init(device_id))
        return end

    def dial(self, line: Line | None = None, host: str = "198.51.100.7") -> DeviceEnd:
        """A device of this project dials in; ``line`` is its equipment."""
        return DeviceEnd(self, line or BankLine({1: boiler()}), host)

    @property
    def session(self) -> P24Session:
        """The one that is connected now."""
        assert isinstance(self.device.session, P24Session)
        return self.device.session

    def events(self) -> list[str]:
        """Kinds of everything that was told about devices, oldest first."""
        return [event.kind for event in reversed(result_of(self.store.events()))]

    def reports(self) -> list[Report]:
        """Everything that is stored of the device, oldest first."""
        stored: list[Report] = result_of(self.store.reports(DEVICE_ID, 0, 1 << 62))
        return stored


class DeviceEnd:
    """A connection of ``P24Device``."""

    def __init__(self, server: Server, line: Line, host: str) -> None:
        self.notes = Notes()
        self.heard: list[Command] = []
        self.device = P24Device(DEVICE_ID, line, junk=0xA5, heard=self.heard.append)
        self._clock = server.clock
        protocol = FramedProtocol(FrameDecoder(0), self.device, server.clock, FramingTimes(), self.notes)
        self.wire = server.connect(protocol, host)

    def pass_time(self, seconds: float, step: float = 0.5) -> None:
        """Let time pass and octets flow."""
        for _ in range(round(seconds / step)):
            self.wire.pump()
            self._clock.advance(step)
        self.wire.pump()
        self._clock.advance(0)
