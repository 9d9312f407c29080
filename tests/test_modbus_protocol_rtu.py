"""The asking side over RTU: the same where nothing numbers the answers."""

from __future__ import annotations

from twisted.internet.error import ConnectionLost
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from smok_twisted.errors import LocalError
from smok_twisted.modbus.pdu import Read, WriteRegister
from smok_twisted.modbus.responses import ExceptionResponse, ModbusException
from smok_twisted.modbus.rtu import build_frame
from smok_twisted.modbus.rtu_client import RtuClient
from smok_twisted.readings import Fault, Table

from .test_modbus_protocol import OTHER, READ, ClientCase, answer


class Rtu(ClientCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1000)
        self.connect(RtuClient(self.clock))

    def receive(self, pdu: bytes, unit: int = 1) -> None:
        self.client.dataReceived(build_frame(unit, pdu))

    def test_request_and_answer(self) -> None:
        """What is asked goes out with a CRC, what is answered comes back as values."""
        asked = self.ask()
        self.assertEqual(self.sent(), build_frame(1, READ.encode()))
        for octet in build_frame(1, answer(41)):
            self.assertNoResult(asked)
            self.client.dataReceived(bytes((octet,)))
        self.assertEqual(self.values(asked), (41,))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_one_after_the_other(self) -> None:
        """Answered requests follow each other at once; a second one at a time is an error of the program."""
        for value in range(3):
            asked = self.ask()
            self.assertRaises(LocalError, self.ask)
            self.assertTrue(self.sent())
            self.receive(answer(value))
            self.assertEqual(self.values(asked), (value,))

    def test_the_unit_says_no(self) -> None:
        """An exception is an answer."""
        asked = self.ask()
        self.receive(ExceptionResponse(3, 2).encode())
        self.assertEqual(self.failureResultOf(asked, ModbusException).value.code, 2)
        self.ask()
        self.assertTrue(self.sent().endswith(build_frame(1, READ.encode())))

    def test_answers_among_noise(self) -> None:
        """Noise, other units and answers to other questions do not spoil the answer behind them."""
        asked = self.ask()
        self.client.dataReceived(b"\xff\x00\x01")
        self.receive(answer(1), unit=2)
        self.receive(b"\x04\x02\0\0")
        self.client.dataReceived(build_frame(1, answer(2))[:-1] + b"\0")
        self.receive(answer(3))
        self.assertEqual(self.values(asked), (3,))

    def test_what_a_failure_is_called(self) -> None:
        """Silence, something else, and a spoilt answer have different names."""
        spoilt = build_frame(1, answer(2))[:-1] + b"\0"
        for heard, fault in (
            (b"", Fault.TIMEOUT),
            (b"\xff", Fault.WRONG_REPLY),
            (build_frame(1, answer(2))[:-1], Fault.WRONG_REPLY),
            (build_frame(2, answer(2)), Fault.WRONG_REPLY),
            (spoilt, Fault.CRC),
            (b"\xff" + spoilt + b"\xff", Fault.CRC),
            (spoilt + b"\x01\x03", Fault.CRC),
        ):
            self.connect(RtuClient(self.clock))
            asked = self.ask()
            self.client.dataReceived(heard)
            self.clock.advance(1)
            self.assertEqual(self.fault(asked), fault, heard)

    def test_wrong_echo(self) -> None:
        """The echo of another write is not the confirmation of this one; the right one may stand behind it."""
        asked = self.ask(WriteRegister(1, 2))
        self.receive(WriteRegister(1, 3).encode())
        self.assertNoResult(asked)
        self.receive(WriteRegister(1, 2).encode())
        self.assertEqual(self.successResultOf(asked), WriteRegister(1, 2))
        asked = self.ask(WriteRegister(1, 2))
        self.receive(WriteRegister(1, 3).encode())
        self.clock.advance(1)
        self.assertEqual(self.fault(asked), Fault.WRONG_REPLY)

    def test_late_answer(self) -> None:
        """After a time-out the line must be silent as long again, so a late answer is nobody's."""
        self.assertEqual(self.time_out(), Fault.TIMEOUT)
        second = self.ask(OTHER)
        self.clock.advance(0.9)
        self.receive(answer(1))
        self.clock.advance(0.9)
        self.assertEqual(self.sent(), b"")
        self.clock.advance(0.1)
        self.assertEqual(self.sent(), build_frame(1, OTHER.encode()))
        self.receive(answer(2))
        self.assertEqual(self.values(second), (2,))
        self.assertEqual(self.client.stray_octets, len(build_frame(1, answer(1))))

    def time_out(self) -> Fault:
        asked = self.ask()
        self.clock.advance(1)
        self.sent()
        return self.fault(asked)

    def test_stray_octets_while_idle(self) -> None:
        """What comes unasked is not the answer to what is asked next."""
        self.receive(answer(1))
        asked = self.ask()
        self.receive(answer(2))
        self.assertEqual(self.values(asked), (2,))
        self.assertEqual(self.client.stray_octets, 7)

    def test_an_answer_behind_the_begin_of_another(self) -> None:
        """When time is up, what still looked like the begin of an answer is passed over, and the answer is found."""
        asked = self.ask(Read(Table.HOLDING, 0, 125))
        self.client.dataReceived(b"\x01\x03\xfa" + build_frame(1, b"\x83\x02"))
        self.assertNoResult(asked)
        self.clock.advance(1)
        self.assertEqual(self.failureResultOf(asked, ModbusException).value.code, 2)

    def test_babble(self) -> None:
        """A line that never falls silent is given up after a while, not waited for for ever."""
        self.time_out()
        asked = self.ask()
        for _ in range(40):
            self.client.dataReceived(b"\0")
            self.clock.advance(0.5)
        self.assertEqual(self.fault(asked), Fault.WRONG_REPLY)
        self.assertEqual(self.sent(), b"")
        self.clock.advance(1)
        self.ask()
        self.assertTrue(self.sent())

    def test_flood(self) -> None:
        """Far more octets than any answer has are not searched for one; the line must fall silent first."""
        asked = self.ask()
        for _ in range(4):
            self.client.dataReceived(256 * b"\x01")
            self.assertNoResult(asked)
        self.receive(answer(1))
        self.assertEqual(self.fault(asked), Fault.WRONG_REPLY)
        self.sent()
        asked = self.ask()
        self.clock.advance(1)
        self.assertEqual(self.sent(), build_frame(1, READ.encode()))
        self.receive(answer(2))
        self.assertEqual(self.values(asked), (2,))

    def test_gap_between_frames(self) -> None:
        """A serial line keeps the silence that separates frames."""
        self.connect(RtuClient(self.clock, gap_seconds=0.004))
        self.ask()
        self.receive(answer(1))
        self.sent()
        self.ask()
        self.assertEqual(self.sent(), b"")
        self.clock.advance(0.004)
        self.assertTrue(self.sent())

    def test_settling(self) -> None:
        """What a serial server still holds from before is let pass."""
        self.connect(RtuClient(self.clock, settle_seconds=0.2))
        asked = self.ask()
        self.receive(answer(1))
        self.clock.advance(0.2)
        self.assertNoResult(asked)
        self.receive(answer(2))
        self.assertEqual(self.values(asked), (2,))

    def test_connection_lost(self) -> None:
        """What waits fails at once, whether it was sent or not, and so does what is asked later."""
        for sent in (True, False):
            self.connect(RtuClient(self.clock, settle_seconds=0.0 if sent else 5.0))
            asked = self.ask()
            self.assertEqual(bool(self.sent()), sent)
            self.client.connectionLost(Failure(ConnectionLost()))
            self.assertEqual(self.fault(asked), Fault.BUS_DOWN)
            self.assertEqual(self.fault(self.ask()), Fault.BUS_DOWN)
            self.successResultOf(self.client.gone)
            self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_connection_lost_while_idle(self) -> None:
        """Nothing waits, nothing fails."""
        self.client.connectionLost(Failure(ConnectionLost()))
        self.assertFalse(self.client.is_up)

    def test_cancelled(self) -> None:
        """After a cancelled request its answer may still come, and is nobody's."""
        asked = self.ask()
        asked.cancel()
        self.failureResultOf(asked)
        self.sent()
        second = self.ask(OTHER)
        self.assertEqual(self.sent(), b"")
        self.receive(answer(1))
        self.clock.advance(1)
        self.assertTrue(self.sent())
        self.assertNoResult(second)
        second.cancel()
        self.failureResultOf(second)

    def test_cancelled_before_it_was_sent(self) -> None:
        """A request that still waits for silence is simply not sent."""
        self.time_out()
        self.clock.advance(0.9)
        asked = self.ask()
        asked.cancel()
        self.failureResultOf(asked)
        self.clock.advance(0.1)
        self.assertEqual(self.sent(), b"")
        self.ask()
        self.assertTrue(self.sent())

    def test_cancelled_after_the_answer(self) -> None:
        """Too late: nothing happens."""
        asked = self.ask()
        self.receive(answer(1))
        asked.cancel()
        self.assertEqual(self.values(asked), (1,))
