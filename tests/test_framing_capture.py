"""A device can be captured while it is connected, over its reconnects, and what was captured opens with its secret."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionLost
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.framing.protocol import FramedProtocol, FramingTimes
from smok_twisted.links.smok4 import messages
from smok_twisted.observe.capture import WANTED_SECONDS, Tap
from smok_twisted.observe.pcap import PacketReader
from smok_twisted.observe.segments import Endpoint
from smok_twisted.observe.streams import Conversation, conversations
from smok_twisted.readings import Table
from smok_twisted.replay.findings import Findings
from smok_twisted.replay.player import replay
from smok_twisted.replay.smok4_messages import Known
from smok_twisted.testing import connect

from .agent_in_memory import AgentEnd
from .server_in_memory import SECRET, DeviceEnd, Server

SERVER = Endpoint("192.0.2.1", 2406)


class Listened(FramedProtocol):
    """As the daemon's factory makes them, with an address of its own."""

    def connectionMade(self) -> None:
        self.transport.getHost = lambda: IPv4Address("TCP", *SERVER)
        super().connectionMade()


class Captured(SynchronousTestCase):
    def setUp(self) -> None:
        self.server = Server()
        self.device = self.server.device

    def listened(self) -> FramedProtocol:
        decoder, above = self.server.stack()
        protocol = Listened(decoder, above, self.server.clock, FramingTimes(), self.server.notes)
        protocol.tap = Tap(self.server.wall_clock)
        return protocol

    def dial(self, host: str = "198.51.100.1") -> DeviceEnd:
        end = DeviceEnd(self.server.clock, None, {})
        end.wire = connect(self.listened(), end.protocol, client_host=host)
        return end

    def captured(self) -> list[Conversation]:
        return conversations(PacketReader(io.BytesIO(self.device.captured().pcap()), "capture"))

    def found(self) -> list[Findings]:
        heard = [(one, piece) for one in self.captured() for piece in one.pieces]
        return replay(heard, Known([SECRET]))

    def replayed(self) -> list[dict[str, Any]]:
        return [one.as_json() for one in self.found()]

    def events(self, device: DeviceEnd, *codes: int) -> None:
        device.send(*map(messages.event, codes))

    def test_from_its_login_on(self) -> None:
        """Asked for before it comes: everything, both sides."""
        self.assertEqual(self.captured(), [])
        device = self.dial()
        self.events(device, 7)
        (one,) = self.captured()
        self.assertEqual((one.client, one.server), (Endpoint("198.51.100.1", 40000), SERVER))
        (shape,) = self.replayed()
        self.assertEqual(shape["messages"]["client"], {"EVENT": 1, "HELLO": 1, "LOGIN": 1})
        self.assertEqual(shape["messages"]["server"], {"CHOICE": 1, "WELCOME": 1})
        self.assertEqual((shape["end"], shape["faults"]), ("open", []))

    def test_from_the_middle_of_a_session(self) -> None:
        """Asked for while it is connected: the login, a gap, and what is said from then on; the secret opens it."""
        device = self.dial()
        self.events(device, *range(50))
        self.captured()
        self.events(device, 51, 52)
        (shape,) = self.replayed()
        self.assertEqual([one["what"] for one in shape["events"]], ["event 51", "event 52"])
        self.assertEqual((shape["device"], shape["faults"]), ("0x0000000000000042", []))
        self.assertGreater(shape["missing"]["client"], 400)

    def test_what_is_reported_by_a_device_that_is_connected(self) -> None:
        """It sends changes of values that it told before; the capture holds its plan and the values all the same."""
        folder = Path(self.mktemp())
        agent = AgentEnd(self.server, folder, wire_to=self.listened)
        self.addCleanup(agent.kill)
        agent.start()
        agent.flow(200)
        self.captured()
        for outside in range(300, 306):
            agent.bank.registers[Table.HOLDING][10] = outside
            agent.flow(60)
        (one,) = self.found()
        told = [reading.words for reading in one.readings if reading.start == 10]
        self.assertEqual(told, [(outside, 600) for outside in range(300, 306)])
        self.assertEqual((one.faults, one.events), ([], []))
        wanted = self.device.wanted
        assert wanted is not None
        self.assertEqual({(batch.plan, batch.blocks) for batch in one.batches}, {(wanted.number, wanted.blocks)})
        shape = one.as_json()
        self.assertEqual((shape["messages"]["server"]["PLAN"], shape["messages"]["client"]["PLANOK"]), (1, 1))

    def test_asked_for_again_when_the_ring_has_forgotten_the_plan(self) -> None:
        """It is told again, and values are full again."""
        agent = AgentEnd(self.server, Path(self.mktemp()), wire_to=self.listened)
        self.addCleanup(agent.kill)
        agent.start()
        for _ in range(3):
            self.captured()
            agent.flow(3500)
        agent.bank.registers[Table.HOLDING][10] = 7
        self.captured()
        agent.flow(60)
        (shape,) = self.replayed()
        self.assertEqual(shape["messages"]["server"]["PLAN"], 1)
        self.assertEqual(shape["readings"][-1]["words"], [7, 600])

    def test_over_reconnects(self) -> None:
        """Each session is a conversation of its own, and how it ended is told."""
        self.captured()
        self.dial(host="198.51.100.1").wire.cut()
        self.dial(host="198.51.100.2").send(messages.bye())
        self.dial(host="198.51.100.3").wire.cut(ConnectionLost())
        self.dial(host="198.51.100.4")
        ends = [one.end for one in self.captured()]
        self.assertEqual(ends, ["closed by client", "closed by server", "reset by client", "open"])

    def test_an_hour_after_the_last_time_it_is_over(self) -> None:
        """Nothing is kept for nobody."""
        capture = self.device.captured()
        self.server.clock.advance(WANTED_SECONDS - 1)
        device = self.dial()
        self.events(device, 1)
        self.assertEqual(len(self.replayed()[0]["events"]), 1)
        self.server.clock.advance(200)
        self.assertIs(self.device.captured(), capture)
        for step_us in (7_200_000_000, -7_200_000_000):  # somebody sets the wall clock
            self.server.step_us = step_us
            self.assertTrue(self.device.is_captured)
        self.server.clock.advance(WANTED_SECONDS)
        self.assertIsNot(self.device.captured(), capture)
        self.assertEqual(self.replayed()[0]["events"], [])

    def test_when_it_is_over_its_memory_is_free(self) -> None:
        """Although the device has gone and nobody looks again; or when the device is removed."""
        for end in (lambda: self.server.clock.advance(WANTED_SECONDS), self.device.removed):
            capture, device = self.device.captured(), self.dial()
            self.events(device, *range(100))
            device.wire.cut()
            self.assertGreater(capture._octets, 1000)
            end()
            self.assertEqual((self.device.is_captured, capture._octets, len(capture._ring)), (False, 0, 0))
        self.assertEqual([call for call in self.server.clock.getDelayedCalls() if call.time > 3600], [])
