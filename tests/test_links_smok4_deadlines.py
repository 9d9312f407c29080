"""A write reaches the device with a deadline that the device's own clock agrees to, however long the session lasts."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from smok_twisted.devices.orders import NotSent, OutcomeUnknown, Priority
from smok_twisted.errors import UserError
from smok_twisted.links.smok4 import messages
from smok_twisted.links.smok4.messages import ModbusRequest, Type
from smok_twisted.links.smok4.server import SessionTimes

from .server_in_memory import DeviceEnd, Server

READ = b"\x03\x00\x0a\x00\x01"
WRITE = b"\x06\x00\x0b\x02\x58"


class Deadlines(SynchronousTestCase):
    def setUp(self) -> None:
        self.server = Server()
        self.device = self.server.device

    def ready(self, end: DeviceEnd) -> DeviceEnd:
        """It has logged in, holds the plan, and has heard nothing since."""
        end.hold(0)
        end.take_plan()
        end.got.clear()
        return end

    def order(self, end: DeviceEnd, pdu: bytes, timeout_seconds: float = 30.0) -> Deferred[bytes]:
        answer = self.device.orders.ask(1, pdu, Priority.OPERATOR_WRITE, timeout_seconds)
        end.wire.pump()
        return answer

    def requests(self, end: DeviceEnd) -> list[ModbusRequest]:
        return [messages.decode_modbus_request(body[1:]) for body in end.got if body[0] == Type.MODBUS_REQ]

    def chat(self, end: DeviceEnd, seconds: int) -> None:
        """A device that is never silent for long enough to be asked for a sign of life."""
        for _ in range(seconds // 60):
            self.server.clock.advance(60)
            end.send(messages.ping())
        self.assertEqual(end.got, [messages.ping()] * (seconds // 60))  # answers, and no question
        end.got.clear()

    def test_a_clock_that_has_drifted(self) -> None:
        """A device whose clock runs 2 % fast still takes writes after hours: it is asked for its clock first."""
        end = self.ready(self.server.dial())
        self.chat(end, 3600)
        self.order(end, WRITE)
        self.assertEqual(end.got, [messages.ping()])
        end.send(messages.ping(100 + 3672))
        self.assertEqual([(one.deadline, one.pdu) for one in self.requests(end)], [(100 + 3672 + 30, WRITE)])

    def test_a_clock_that_is_known(self) -> None:
        """Within four minutes nothing is asked: octets count."""
        end = self.ready(self.server.dial())
        self.server.clock.advance(240)
        self.order(end, WRITE)
        self.assertEqual([one.deadline for one in self.requests(end)], [100 + 240 + 30])
        self.assertEqual(len(end.got), 1)

    def test_a_long_keepalive(self) -> None:
        """A device that is hardly ever asked for a sign of life drifts as fast as any other."""
        self.server = Server(SessionTimes(keepalive_seconds=2550))
        self.device = self.server.device
        end = self.ready(self.server.dial())
        self.server.clock.advance(241)
        self.order(end, WRITE)
        self.assertEqual(end.got, [messages.ping()])

    def test_the_clock_is_asked_for_once(self) -> None:
        """The answer holds for four minutes from then on."""
        end = self.ready(self.server.dial())
        self.chat(end, 300)
        self.order(end, WRITE)
        end.send(messages.ping(390))
        end.send(messages.modbus_response(messages.ModbusResponse(self.requests(end)[0].txid, WRITE)))
        self.assertEqual([body[0] for body in end.got], [Type.PING, Type.MODBUS_REQ])
        end.got.clear()
        self.chat(end, 240)
        self.order(end, WRITE)
        self.assertEqual([(body[0], one.deadline) for body, one in zip(end.got, self.requests(end), strict=True)],
                         [(Type.MODBUS_REQ, 390 + 240 + 30)])  # fmt: skip

    def test_a_read_waits_for_no_clock(self) -> None:
        """A read has no deadline."""
        end = self.ready(self.server.dial())
        self.chat(end, 3600)
        for pdu in (READ, b"\x2b\x0e\x01\x00"):
            answer = self.order(end, pdu)
            self.assertEqual(self.requests(end)[-1].pdu, pdu)
            end.send(messages.modbus_response(messages.ModbusResponse(self.requests(end)[-1].txid, b"\x83\x02")))
            self.successResultOf(answer)
        self.assertNotIn(messages.ping(), end.got)

    def test_a_device_that_does_not_tell_its_clock(self) -> None:
        """The write is never sent, not even when the clock is told after the time-out."""
        end = self.ready(self.server.dial())
        self.chat(end, 300)
        answer = self.order(end, WRITE, 10.0)
        self.server.clock.advance(10)
        reason = self.failureResultOf(answer, NotSent).value
        self.assertEqual(str(reason), "the device was asked for its clock and did not answer")
        end.send(messages.ping(410))
        self.assertEqual(self.requests(end), [])

    def test_the_longest_request(self) -> None:
        """What a device cannot take is refused before it is sent, with what it could take."""
        end = self.server.dial(max_rx=20)
        fits = b"\x10" + bytes(13)
        self.order(end, fits, 1.0).addErrback(lambda _: None)
        self.assertEqual([one.pdu for one in self.requests(end)], [fits])
        self.server.clock.advance(1)
        refusal = self.failureResultOf(self.order(end, fits + b"\0"), UserError).value
        self.assertEqual(str(refusal), "the request has 15 octets, the device takes 14")
        self.assertEqual(len(self.requests(end)), 1)

    def test_the_link_is_lost_meanwhile(self) -> None:
        """Nothing is kept for the next connection."""
        end = self.ready(self.server.dial())
        self.chat(end, 300)
        answer = self.order(end, WRITE)
        new = self.ready(self.server.dial())
        self.failureResultOf(answer, OutcomeUnknown)
        new.send(messages.ping(5))
        self.assertEqual(self.requests(new), [])

    def test_a_device_that_had_to_wait(self) -> None:
        """LOGIN told its clock a minute before it was let in (a credential in use twice)."""
        for number in range(4):
            self.server.dial(f"198.51.100.{number}")
        end = self.server.dial("198.51.100.9", tick=0xFFF0)
        self.server.clock.advance(60)
        end.wire.pump()
        self.order(self.ready(end), WRITE)
        self.assertEqual(self.requests(end)[0].deadline, (0xFFF0 + 60 + 30) & 0xFFFF)
