"""A SMOK/4 server in memory and a device that dials in, for tests of its sessions."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.links.smok4.messages import Type
from smok_twisted.links.smok4.rounds import RoundEncoder
from smok_twisted.readings import BlockReport

from .server_in_memory import DEVICE_ID, NOW_US, DeviceEnd, Server, result_of

READ = b"\x03\x00\x0a\x00\x01"


class SessionCase(SynchronousTestCase):
    """``self.server`` has one device."""

    def setUp(self) -> None:
        self.server = Server()
        self.device = self.server.device

    def tearDown(self) -> None:
        """No session may end by a fault of our own."""
        self.assertEqual([crash.getTraceback() for crash in self.server.notes.crashes], [])

    def ready(self) -> DeviceEnd:
        """A device that has logged in and holds the wanted plan."""
        end = self.server.dial()
        end.hold(0)
        end.take_plan()
        return end

    def prepare(self, end: DeviceEnd) -> int:
        """Let it encode for the wanted plan, as if it held it from before; the plan's number."""
        assert self.device.wanted is not None
        end.encoder = RoundEncoder(self.device.wanted.blocks)
        return self.device.wanted.number

    def tick(self, end: DeviceEnd, seconds: float = 0.0) -> None:
        self.server.clock.advance(seconds)
        end.wire.pump()

    def reports(self) -> list[tuple[int, int, tuple[BlockReport, ...]]]:
        stored = result_of(self.server.store.reports(DEVICE_ID, 0, 1 << 62))
        return [(one.batch, one.time_us - NOW_US, one.blocks) for one in stored]

    def plans(self, end: DeviceEnd) -> list[int]:
        found = [int.from_bytes(body[1:3]) for body in end.got if body[0] == Type.PLAN]
        end.got.clear()
        return found
